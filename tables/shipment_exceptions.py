"""What transport and the buyer must know of a shipment: the conditions its facts show."""

from tables.conditions import Found
from tables.inspection import inspected
from tables.milestones import CANCELLED, DELAYED, DELIVERED, EXCEPTIONS, LOST
from tables.shipment import DAY_MS, Row, state_of
from tables.shipment_lines import Attribution

MINUTE_MS = 60_000

_MESSAGES = {
    "SHIPMENT_DELAYED": "The carrier reports a delay ({code}).",
    "SHIPMENT_REFUSED": "The shipment was refused at delivery.",
    "SHIPMENT_RETURNED": "The shipment is going back to its shipper.",
    "SHIPMENT_CANCELLED": "The shipment was cancelled.",
}


def conditions(row: Row, shipment_id: str, attribution: Attribution) -> Found:
    """Every condition of the shipment that holds now."""
    found: Found = {}
    notice = row["notice"]
    if notice is None:
        if any(row[fact] for fact in ("status", "arrival", "damaged", "received", "moved", "cancelled")):
            message = f"No ship notice {shipment_id} has come; its stock counts, its supply is not expected."
            found["UNKNOWN_SHIPMENT", "SHIPMENT", shipment_id] = message
        return found
    state = state_of(row)
    complete = bool(attribution.credit) and all(
        got >= line[3] for got, line in zip(attribution.credit, notice["lines"], strict=True)
    )
    if state in EXCEPTIONS and not (complete and state == DELAYED):
        category = EXCEPTIONS[state]
        code = row["status"][2] if row["status"] else CANCELLED
        found[category, "SHIPMENT", shipment_id] = _MESSAGES[category].format(code=code)
    elif state != DELIVERED and state not in LOST and not complete and row["arrival"] and notice["estimated_arrival"]:
        days = int(row["arrival"][2]) // DAY_MS - notice["estimated_arrival"] // DAY_MS
        if days > 0:
            message = f"The carrier expects it {days} days later than the supplier announced."
            found["SHIPMENT_DELAYED", "SHIPMENT", shipment_id] = message
    if row["damaged"]:
        found["SHIPMENT_DAMAGED", "SHIPMENT", shipment_id] = "The carrier reports damage; the quantity stays expected."
    if row["noticed"] is not None and row["unloaded"] is not None and row["noticed"] > row["unloaded"]:
        late = -((row["unloaded"] - row["noticed"]) // MINUTE_MS)
        message = f"The ship notice came {late} minutes after the first goods."
        found["LATE_NOTICE", "SHIPMENT", shipment_id] = message
    if row["moved"]:
        _, missing = inspected({f"{place}|": quantity for place, quantity in row["received"].items()}, row["moved"])
        for place, quantity in missing.items():
            message = f"{quantity} of {place} were inspected for shipment {shipment_id}, which has not brought them."
            found["INSPECTION_WITHOUT_RECEIPT", "SHIPMENT", f"{shipment_id}/{place}"] = message
    for sku, quantity in attribution.strays.items():
        if quantity > 0:
            message = f"{quantity} of {sku} received, which the ship notice does not list."
            found["OVER_RECEIPT", "SHIPMENT_LINE", f"{shipment_id}/{sku}"] = message
    return found

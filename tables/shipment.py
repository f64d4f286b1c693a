"""The facts of one shipment: its ship notice, the carrier's newest milestones, what was received against it.

Order among notices is their topic's; milestones count by their own time, receipts as sums, so the row does not
depend on how the three interleave. What follows for purchase orders is `tables/shipment_lines.py`'s.
"""

import hashlib
from typing import Any, TypedDict, cast

import orjson

from schemas.records import ShipmentEvent, ShipmentInspection, ShipmentMilestone, ShipmentNotice, ShipmentReceipt
from tables.conditions import Open, conflict
from tables.inspection import add, move
from tables.ledger_entry import receipt
from tables.milestones import CANCELLED, DAMAGED_CODE, LOST, STATES
from tables.outcome import Output
from tables.revisions import stamp
from tables.shipment_lines import Attribution, attribute, held

DAY_MS = 86_400_000
TRANSIT_DAYS = 3
"""A shipment for which nobody gave an arrival is expected this long after it left."""
ANNOUNCED = "ANNOUNCED"


class NoticeFacts(TypedDict):
    """The ship notice in force; lines are [po_number, po_line, sku, quantity], one for each PO line and SKU."""

    supplier: str
    carrier: str | None
    ship_to: str
    shipped_at: int
    estimated_arrival: int | None
    lines: list[list[Any]]


class Row(TypedDict):
    notice: NoticeFacts | None
    original: str
    """Digest of the ORIGINAL notice; empty while none came."""
    cancelled: bool
    status: list[Any] | None
    """The newest milestone that says a state: occurred_at, place in the log, 1650 code."""
    arrival: list[Any] | None
    """The newest milestone that says an arrival: occurred_at, place in the log, estimated_arrival."""
    damaged: bool
    received: dict[str, int]
    """By `sku|location|disposition`."""
    moved: dict[str, int]
    """Inspections that name the shipment, by `sku|location|disposition|`: out of a disposition, into another."""
    noticed: int | None
    """When the first ship notice came in (recorded, ms)."""
    unloaded: int | None
    """When the first receipt did."""
    open: Open
    told: dict[str, list[Any]]
    """By purchase order, as last written: state, location, date, [[line, sku, quantity, received, held]], noticed."""


def empty() -> Row:
    return {
        "notice": None,
        "original": "",
        "cancelled": False,
        "status": None,
        "arrival": None,
        "damaged": False,
        "received": {},
        "moved": {},
        "noticed": None,
        "unloaded": None,
        "open": [],
        "told": {},
    }


def fold(row: Row, event: ShipmentEvent, outputs: list[Output]) -> None:
    """Take one fact into the row. Outputs: the stock its receipts bring, and conflicts between notices."""
    kind = event["kind"]
    if kind == "MILESTONE":
        _milestone(row, cast("ShipmentMilestone", event["milestone"]), stamp(event))
    elif kind == "RECEIVED":
        _receive(row, cast("ShipmentReceipt", event["received"]), event, outputs)
    elif kind == "NOTICE":
        _notice(row, cast("ShipmentNotice", event["notice"]), event, outputs)
    elif kind == "INSPECTED":
        moved = cast("ShipmentInspection", event["inspected"])
        where = moved["sku"], moved["location"], ""
        move(row["moved"], where, moved["disposition"], moved["to_disposition"], moved["quantity"])


def state_of(row: Row) -> str:
    """What the shipment is now: cancelled by its notice, else by the newest milestone, else announced."""
    if row["cancelled"]:
        return CANCELLED
    return STATES[row["status"][2]] if row["status"] else ANNOUNCED


def arrival_date(row: Row, notice: NoticeFacts) -> int:
    """Days since the epoch: the carrier's newest estimate, else the supplier's, else three days after it left."""
    if row["arrival"]:
        return int(row["arrival"][2]) // DAY_MS
    if notice["estimated_arrival"] is not None:
        return notice["estimated_arrival"] // DAY_MS
    return notice["shipped_at"] // DAY_MS + TRANSIT_DAYS


def purchase_orders(row: Row, attribution: Attribution) -> dict[str, list[Any]]:
    """What each purchase order must know of the shipment, in the shape of `told`; an order with nothing is absent."""
    notice = row["notice"]
    if notice is None:
        return {}
    state = state_of(row)
    lost = state in LOST
    date = arrival_date(row, notice)
    orders: dict[str, list[Any]] = {}
    elsewhere = held(notice, row["received"], row["moved"])
    for number, (po_number, line, sku, quantity) in enumerate(notice["lines"]):
        received = max(0, attribution.credit[number]) if attribution.credit else 0
        shipped = received if lost else quantity
        if shipped or received:
            told = orders.get(po_number)
            if told is None:
                told = orders[po_number] = [state, notice["ship_to"], date, [], row["noticed"]]
            told[3].append([line, sku, shipped, received, elsewhere[number] if elsewhere else {}])
    return orders


def _milestone(row: Row, milestone: ShipmentMilestone, when: list[Any]) -> None:
    code, arrival = milestone["status"], milestone["estimated_arrival"]
    if code in STATES and (row["status"] is None or row["status"][:2] < when):
        row["status"] = [*when, code]
    if arrival is not None and (row["arrival"] is None or row["arrival"][:2] < when):
        row["arrival"] = [*when, arrival]
    if code == DAMAGED_CODE:
        row["damaged"] = True


def _receive(row: Row, received: ShipmentReceipt, event: ShipmentEvent, outputs: list[Output]) -> None:
    """Stock arrives with the receipt's own times, split over the lines it fills."""
    sku = received["sku"]
    place = f"{sku}|{received['location']}|{received['disposition']}"
    before = attribute(row["notice"], row["received"], sku)
    add(row["received"], place, received["quantity"])
    if received["quantity"] > 0:
        row["unloaded"] = _earlier(row["unloaded"], event)
    _book(before, attribute(row["notice"], row["received"], sku), event, place, received["corrects"], outputs)


def _notice(row: Row, notice: ShipmentNotice, event: ShipmentEvent, outputs: list[Output]) -> None:
    """An ORIGINAL holds until REPLACE or CANCEL; another ORIGINAL with the number is a conflict, the same one nothing.

    A CANCEL that comes before the notice it cancels holds too. After a cancellation the number is free again.
    """
    purpose = notice["purpose"]
    if purpose == "CANCEL":
        row["cancelled"] = True
        return
    row["noticed"] = _earlier(row["noticed"], event)
    if purpose == "ORIGINAL":
        content = _digest(notice)
        if content == row["original"]:
            return
        first, superseded = not row["original"], not row["original"] and row["notice"] is not None
        if not first and not row["cancelled"]:
            number = event["shipment_id"]
            message = f"Two different ship notices carry the number {number}; the first one holds."
            evidence = {"held": row["original"], "refused": content, "document": notice["document"]}
            outputs.append(conflict(("SHIPMENT", number), message, event, notice["supplier"], evidence))
            return
        row["original"] = content
        if superseded:  # its REPLACE came before it
            return
        row["cancelled"] = row["cancelled"] and first
    else:
        row["cancelled"] = False
    before = attribute(row["notice"], row["received"])
    row["notice"] = _facts(notice)
    if row["received"]:
        _book(before, attribute(row["notice"], row["received"]), event, "", None, outputs)


def _book(
    before: Attribution,
    after: Attribution,
    event: ShipmentEvent,
    place: str,
    corrects: str | None,
    outputs: list[Output],
) -> None:
    """Write the difference between two attributions as receipts.

    What only moves from one document line to another is a pair of corrections of one time that add up to nothing:
    first what is added, so that no stock turns negative between the two.
    """
    changes = {
        booking: after.booked.get(booking, 0) - before.booked.get(booking, 0)
        for booking in sorted(after.booked.keys() | before.booked.keys())
    }
    shipment = f"ASN:{event['shipment_id']}"
    for booking, quantity in sorted(changes.items(), key=lambda change: (change[1] < 0, change[0])):
        if not quantity:
            continue
        where, po_number, line = booking
        key, _, disposition = where.rpartition("|")
        reference = f"PURCHASE_ORDER:{po_number}" if po_number else shipment
        moved = corrects if where == place and (quantity > 0 or corrects) else event["event_id"]
        outputs.append(receipt(event, key, quantity, disposition, reference, line or None, moved))


def _earlier(known: int | None, event: ShipmentEvent) -> int:
    at = event["recorded_at"]
    return at if known is None else min(known, at)


def _facts(notice: ShipmentNotice) -> NoticeFacts:
    """Add up the packs of each PO line and SKU."""
    lines: dict[tuple[str, str, str], int] = {}
    for line in notice["lines"]:
        place = (line["po_number"], line["po_line"], line["sku"])
        lines[place] = lines.get(place, 0) + line["quantity"]
    return {
        "supplier": notice["supplier"],
        "carrier": notice["carrier"],
        "ship_to": notice["ship_to"],
        "shipped_at": notice["shipped_at"],
        "estimated_arrival": notice["estimated_arrival"],
        "lines": [[*place, quantity] for place, quantity in lines.items()],
    }


def _digest(notice: ShipmentNotice) -> str:
    """Of what the notice says; the control number of the document it came in is not part of it."""
    said = {name: value for name, value in notice.items() if name not in ("document", "purpose")}
    return hashlib.blake2b(orjson.dumps(said, option=orjson.OPT_SORT_KEYS), digest_size=8).hexdigest()

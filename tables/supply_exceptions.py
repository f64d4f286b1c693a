"""What the buyer must know of a purchase order: the conditions its ladder shows today, and when to look again."""

from tables.acknowledgement import UNANSWERED
from tables.conditions import Found
from tables.goods_receipt import Receipts
from tables.ladder import Ladder
from tables.placing import Line
from tables.posting_book import refusals
from tables.supply import OrderFacts, Row

DAY_MS = 86_400_000
UNLOADING_DAYS = 2
"""A shipment the carrier calls delivered may take this long past its arrival date to be received in full."""
INSPECTION_MS = DAY_MS
"""Goods may wait this long for inspection before somebody is told."""

_ORDER, _LINE, _SHIPMENT_LINE = "PURCHASE_ORDER", "PURCHASE_ORDER_LINE", "SHIPMENT_LINE"


def conditions(row: Row, po_number: str, ladder: Ladder, receipts: Receipts) -> Found:
    """Every condition of the order that holds at the row's clock."""
    found: Found = {}
    order = row["order"]
    if order is None:
        if row["acks"] or row["header"] or row["shipped"] or row["received"] or row["moved"]:
            found["UNKNOWN_PURCHASE_ORDER", _ORDER, po_number] = f"Purchase order {po_number} is not known here."
        return found
    today = row["clock"] // DAY_MS
    for line in ladder.lines.values():
        _quantities(found, line, po_number, order)
        if order["status"] == "OPEN" and line.reply is not UNANSWERED:
            _reply(found, line, po_number)
    for line in (*ladder.lines.values(), *ladder.unlisted):
        for _, shipment, quantity, date, state in line.parts:
            if state != "TENTATIVE" and today - date > order["fence"]:
                message = f"{quantity} on line {line.line} ({state}) were due more than {order['fence']} days ago."
                found["SUPPLY_OVERDUE", _LINE, f"{po_number}/{line.line}"] = message
            if shipment is not None and today - date > UNLOADING_DAYS:
                _delivered_short(found, row, line, po_number, shipment, quantity)
    for name in sorted(ladder.unknown | (row["acks"].keys() - ladder.lines.keys())):
        message = f"Purchase order {po_number} has no line for {name}."
        found["UNKNOWN_PO_LINE", _LINE, f"{po_number}/{name}"] = message
    for name, (quantity, since) in receipts.on_hold.items():
        if row["clock"] - since >= INSPECTION_MS:
            message = f"{quantity} on line {name} wait for inspection; the ERP does not know of them."
            found["RECEIPT_ON_HOLD", _LINE, f"{po_number}/{name}"] = message
    for place, quantity in receipts.missing.items():
        message = f"{quantity} of {place} were inspected for order {po_number}, which has not received them."
        found["INSPECTION_WITHOUT_RECEIPT", _ORDER, f"{po_number}/{place}"] = message
    for step, refusal in refusals(row["books"]).items():
        found["ERP_REFUSED", _ORDER, f"{po_number}/{step}"] = f"The ERP refused {step} of order {po_number}. {refusal}."
    return found


def next_due(row: Row, ladder: Ladder, receipts: Receipts) -> int:
    """When a condition can next come true by time alone (ms); 0 when none can."""
    supply = _supply_due(row, ladder)
    times = [since + INSPECTION_MS for _, since in receipts.on_hold.values()]
    return min((at for at in (supply, *times) if at > row["clock"]), default=0)


def _supply_due(row: Row, ladder: Ladder) -> int:
    order: OrderFacts | None = row["order"]
    if order is None:
        return 0
    today, fence = row["clock"] // DAY_MS, order["fence"]
    soonest = 0
    for line in (*ladder.lines.values(), *ladder.unlisted):
        for _, shipment, _, date, state in line.parts:
            if state == "TENTATIVE":
                continue
            day = date + fence + 1
            if day > today and (not soonest or day < soonest):
                soonest = day
            day = date + UNLOADING_DAYS + 1
            if shipment is not None and day > today and (not soonest or day < soonest):
                soonest = day
    return soonest * DAY_MS


def _quantities(found: Found, line: Line, po_number: str, order: OrderFacts) -> None:
    status = order["status"]
    shipped, received, most = line.shipped, line.received, line.ordered + line.ordered * line.over // 100
    if not shipped and not received and status == "OPEN":
        return
    subject = f"{po_number}/{line.line}"
    ordered = f"of {line.ordered} ordered on line {line.line}"
    if shipped > most:
        found["OVER_SHIPMENT", _LINE, subject] = f"{shipped} shipped {ordered}."
    elif status == "CANCELLED" and line.parts:
        found["OVER_SHIPMENT", _LINE, subject] = f"{shipped} shipped on line {line.line} of a cancelled order."
    if received > most:
        found["OVER_RECEIPT", _LINE, subject] = f"{received} received {ordered}."
    if received > shipped and not order["unannounced"]:
        message = f"{received} received on line {line.line}, {shipped} announced by ship notices."
        found["RECEIPT_WITHOUT_NOTICE", _LINE, subject] = message
    if status == "CLOSED" and received < line.ordered - line.reply.zero - line.ordered * line.under // 100:
        found["SHORT_RECEIPT", _LINE, subject] = f"Closed with {received} received {ordered}."


def _reply(found: Found, line: Line, po_number: str) -> None:
    subject = f"{po_number}/{line.line}"
    promised = 0
    late = 0
    for amounts in (line.reply.firm, line.reply.tentative):
        for quantity, date in amounts:
            promised += quantity
            if quantity and date is not None and date > line.requested:
                late = max(late, date - line.requested)
    if not promised:
        if line.ordered:
            found["LINE_REJECTED", _LINE, subject] = f"The supplier will not deliver line {line.line}."
    elif promised < line.ordered:
        found["ACK_QUANTITY", _LINE, subject] = (
            f"{promised} acknowledged of {line.ordered} ordered on line {line.line}."
        )
    elif promised > line.ordered:
        message = f"{promised} acknowledged of {line.ordered} ordered on line {line.line}."
        found["OVER_ACKNOWLEDGED", _LINE, subject] = message
    if late:
        found["ACK_DATE", _LINE, subject] = f"Line {line.line} is acknowledged {late} days later than requested."
    if line.reply.substitute:
        message = f"The supplier offers {line.reply.substitute} for {line.sku} on line {line.line}."
        found["SUBSTITUTION", _LINE, subject] = message


def _delivered_short(found: Found, row: Row, line: Line, po_number: str, shipment: str, missing: int) -> None:
    state = row["shipped"][shipment][0]
    quantity = sum(voyage[4] for voyage in line.voyages if voyage[0] == shipment)
    if state == "DELIVERED" and missing > quantity * line.under // 100:
        message = f"Shipment {shipment} was delivered; {missing} of {quantity} on line {line.line} were not received."
        found["SHORT_RECEIPT", _SHIPMENT_LINE, f"{shipment}/{po_number}/{line.line}"] = message

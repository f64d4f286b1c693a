"""The judge's supply: what every purchase order still brings, by `sku|location`, on its furthest rung."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from local.oracle_demand import newest_revisions
from local.oracle_intake import Intake
from local.oracle_lines import Box, OrderLine, Placed, place

DAY = 86_400_000
FIRM = {"IA", "AR", "AA", "IP", "IC", "IQ", "DR", "IS", "AC", "BP"}
TENTATIVE = {"IE", "SP", "IF", "IH", "IW"}
NEVER_ARRIVES = {"A3", "A7", "CA"}
NO_SHIP_TIME = 3  # days in transit when nobody gave an arrival


def expectations(intake: Intake) -> dict[str, list[dict[str, Any]]]:
    """Every part of supply still to come, by `sku|location`."""
    orders = newest_revisions(intake.documents["erp.purchase-orders"], "po_number")
    acks = _acks_by_order(intake)
    placed = supply_by_line(intake)
    parts: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for number, order in orders.items():
        if order["status"] == "CLOSED":
            continue
        profile = intake.profiles.get(order["supplier"], {})
        for line in order["lines"]:
            at = number, line["line"]
            terms = {
                "po_number": number,
                "line": line["line"],
                "fence": profile.get("overdue_fence_days", 0),
                "offset": profile.get("overdue_offset_days", 0),
            }
            received = max(0, placed.direct[at])
            for key, part in _in_transit(placed.boxes[at], received):
                parts[key].append({**part, **terms})
            if order["status"] == "CANCELLED":
                continue
            sku = intake.sku(line["item"], order["supplier"])
            ordered = intake.base(sku, line["quantity"], line["uom"])
            gone = max(placed.sent(at), placed.received(at))
            firm, tentative, refused, substitute = _answer(intake, acks[number], line, sku, ordered)
            for part in _at_supplier(ordered, line["requested_date"], firm, tentative, refused, gone):
                parts[f"{substitute or sku}|{order['ship_to']}"].append({**part, "shipment": None, **terms})
    return parts


# ---- what the supplier said ---------------------------------------------------------------------------------------


def _acks_by_order(intake: Intake) -> dict[str, list[Mapping[str, Any]]]:
    """Acknowledgements of each order, oldest first; of one time as they were sent."""
    acks: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for ack in sorted(intake.documents["supplier.acks"], key=lambda a: a["acknowledged_at"]):
        acks[ack["po_number"]].append(ack)
    return acks


def _answer(
    intake: Intake, acks: list[Mapping[str, Any]], line: Mapping[str, Any], sku: str, ordered: int
) -> tuple[list[tuple[int, int]], list[tuple[int, int]], int, str | None]:
    """Firm and tentative amounts by date, what is refused, and the substitute, by the newest answer for the line."""
    firm: list[tuple[int, int]] = []
    tentative: list[tuple[int, int]] = []
    refused, substitute = 0, None
    requested = line["requested_date"]
    for ack in acks:
        said = [entry for entry in ack["lines"] if entry["line"] == line["line"]]
        if ack["lines"] and not said:
            continue
        firm, tentative, refused, substitute = [], [], 0, None  # the newer answer replaces the older
        if not ack["lines"]:
            if ack["ack_type"] == "RJ":
                refused = ordered
            else:
                firm = [(requested, ordered)]
        for entry in said:
            quantity = ordered if entry["quantity"] is None else entry["quantity"]
            if entry["uom"] is not None:
                quantity = intake.base(sku, quantity, entry["uom"])
            date = requested if entry["date"] is None else entry["date"]
            if entry["status"] in FIRM:
                firm.append((date, quantity))
                if entry["substitute"] is not None:
                    substitute = intake.sku(entry["substitute"], ack["supplier"])
            elif entry["status"] in TENTATIVE:
                tentative.append((date, quantity))
            else:
                refused += quantity
    return sorted(firm), sorted(tentative), refused, substitute


def _at_supplier(
    ordered: int, requested: int, firm: list[tuple[int, int]], tentative: list[tuple[int, int]], refused: int, gone: int
) -> list[dict[str, Any]]:
    """What has not left the supplier: acknowledged, tentative, and the rest as ordered."""
    parts = []
    left_before = gone
    for state, amounts in (("ACKNOWLEDGED", firm), ("TENTATIVE", tentative)):
        for date, quantity in amounts:
            taken = min(quantity, left_before)
            left_before -= taken
            if quantity > taken:
                parts.append({"quantity": quantity - taken, "date": date, "state": state})
    answered = sum(quantity for _, quantity in firm) + sum(quantity for _, quantity in tentative)
    rest = ordered - refused - max(answered, gone)
    if rest > 0:
        parts.append({"quantity": rest, "date": requested, "state": "ORDERED"})
    return parts


# ---- what is on the way -------------------------------------------------------------------------------------------


def supply_by_line(intake: Intake) -> Placed:
    """What was sent and what came in, by PO number and line."""
    acks = _acks_by_order(intake)
    orders: dict[str, list[OrderLine]] = {}
    for number, order in newest_revisions(intake.documents["erp.purchase-orders"], "po_number").items():
        orders[number] = []
        for line in order["lines"]:
            sku = intake.sku(line["item"], order["supplier"])
            ordered = intake.base(sku, line["quantity"], line["uom"])
            substitute = _answer(intake, acks[number], line, sku, ordered)[3]
            orders[number].append(OrderLine(line["line"], {sku, substitute or sku}, ordered))
    return place(intake, orders, _boxes(intake))


def _boxes(intake: Intake) -> list[Box]:
    """Every box of every shipment: what it holds, what of it is received, when it arrives."""
    notices: dict[str, Mapping[str, Any]] = {}
    cancelled: set[str] = set()
    for notice in intake.documents["supplier.asns"]:
        if notice["purpose"] == "CANCEL":
            cancelled.add(notice["shipment_id"])
        elif notice["purpose"] == "REPLACE" or notice["shipment_id"] not in notices:
            notices[notice["shipment_id"]] = notice
    milestones: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for milestone in intake.documents["carrier.milestones"]:
        milestones[milestone["shipment_id"]].append(milestone)
    received: dict[tuple[str, str], int] = defaultdict(int)
    for scan in intake.scans:
        if scan.kind == "RECEIPT" and scan.reference == "ASN":
            received[scan.number, scan.sku] += scan.quantity
    boxes: list[Box] = []
    for shipment, notice in notices.items():
        said = sorted(milestones[shipment], key=lambda m: m["occurred_at"])
        lost = shipment in cancelled or bool(said and said[-1]["status"] in NEVER_ARRIVES)
        arrivals = [m["estimated_arrival"] for m in said if m["estimated_arrival"] is not None]
        arrival = arrivals[-1] if arrivals else notice["estimated_arrival"]
        date = notice["shipped_at"] // DAY + NO_SHIP_TIME if arrival is None else arrival // DAY
        for box in _unpack(intake, notice, shipment, received):
            if lost:
                box["quantity"] = box["received"]
            box["date"] = date
            boxes.append(box)
    return boxes


def _unpack(
    intake: Intake, notice: Mapping[str, Any], shipment: str, received: Mapping[tuple[str, str], int]
) -> list[Box]:
    """The lines of one notice, packs of one line together; what was received of a SKU fills its lines in order, the
    surplus the last.
    """
    lines: dict[tuple[str, str, str], int] = defaultdict(int)
    for line in notice["lines"]:
        sku = intake.sku(line["item"], notice["supplier"])
        lines[line["po_number"], line["po_line"], sku] += intake.base(sku, line["quantity"], line["uom"])
    boxes: list[Box] = [
        {
            "order": number,
            "line": line,
            "shipment": shipment,
            "sku": sku,
            "location": notice["ship_to"],
            "quantity": quantity,
            "received": 0,
        }
        for (number, line, sku), quantity in lines.items()
    ]
    for sku in {box["sku"] for box in boxes}:
        same = [box for box in boxes if box["sku"] == sku]
        left = received.get((shipment, sku), 0)
        for box in same:
            box["received"] = left if box is same[-1] else min(box["quantity"], left)
            left -= box["received"]
    return boxes


def _in_transit(boxes: list[Box], direct: int) -> list[tuple[str, dict[str, Any]]]:
    """What is still in each shipment, after the receipts that named the order and not the shipment."""
    parts = []
    for box in boxes:
        left = max(0, box["quantity"] - box["received"])
        taken = min(left, direct)
        direct -= taken
        if left > taken:
            part = {"shipment": box["shipment"], "quantity": left - taken, "date": box["date"], "state": "IN_TRANSIT"}
            parts.append((f"{box['sku']}|{box['location']}", part))
    return parts

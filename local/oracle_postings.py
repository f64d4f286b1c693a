"""The judge's ERP: what its documents and its stock must be when everything the pipeline owes it was posted.

A receipt may be posted when the goods have left inspection, as far as ship notices and the order's tolerance cover
them (what came in against a notice is announced by it); a shipment by ship scans; an invoice for what was shipped; a
credit for returned goods that were inspected. Whatever else moved stock is in the ERP as an adjustment.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from local.oracle_demand import newest_revisions
from local.oracle_intake import Accepted, Intake
from local.oracle_lines import Placed
from local.oracle_supply import supply_by_line

HOLD = "quality_hold"
Amounts = dict[tuple[str, str, str], int]
"""Document, SKU, location → base units."""


@dataclass(slots=True)
class Books:
    """Documents by operation, and stock by `sku|location`, every disposition together."""

    goods_receipt: Amounts = field(default_factory=lambda: defaultdict(int))
    shipment_confirm: Amounts = field(default_factory=lambda: defaultdict(int))
    invoice_release: Amounts = field(default_factory=lambda: defaultdict(int))
    credit: Amounts = field(default_factory=lambda: defaultdict(int))
    stock: dict[str, int] = field(default_factory=lambda: defaultdict(int))


def books(intake: Intake, on_hand: Mapping[str, int]) -> Books:
    """Judge what the ERP must hold; `on_hand` is the judged stock by `sku|location`."""
    answer = Books()
    _sales(intake, answer)
    _receipts(intake, answer)
    answer.stock.update(on_hand)
    for scan in intake.scans:  # what documents move is theirs to post ...
        answer.stock[f"{scan.sku}|{scan.location}"] -= _documented(scan)
    for (_, sku, location), quantity in (*answer.goods_receipt.items(), *answer.credit.items()):
        answer.stock[f"{sku}|{location}"] += quantity  # ... and this much of it they have posted
    for (_, sku, location), quantity in answer.shipment_confirm.items():
        answer.stock[f"{sku}|{location}"] -= quantity
    return answer


def _documented(scan: Accepted) -> int:
    """What a scan moves that a document posts."""
    if scan.kind == "RECEIPT" and scan.reference in {"PURCHASE_ORDER", "ASN"}:
        return scan.quantity
    if scan.kind == "RETURN" and scan.reference == "SALES_ORDER":
        return scan.quantity
    if scan.kind == "SHIP" and scan.reference == "SALES_ORDER":
        return -scan.quantity
    return 0


def _sales(intake: Intake, answer: Books) -> None:
    """Of orders that are known: what names another one waits until it comes."""
    orders = newest_revisions(intake.documents["erp.sales-orders"], "order_number")
    returned: Amounts = defaultdict(int)
    inspected: Amounts = defaultdict(int)
    for scan in intake.scans:
        if scan.reference != "SALES_ORDER" or scan.number not in orders:
            continue
        at = scan.number, scan.sku, scan.location
        if scan.kind == "SHIP":
            answer.shipment_confirm[at] += scan.quantity
            answer.invoice_release[at] += scan.quantity
        elif scan.kind == "RETURN":
            returned[at] += scan.quantity
        elif scan.kind == "RELEASE" and scan.disposition == "returned":
            inspected[at] += scan.quantity
    for at, quantity in inspected.items():
        answer.credit[at] = max(0, min(quantity, returned[at], answer.invoice_release[at]))


# ---- goods receipts -----------------------------------------------------------------------------------------------


def _receipts(intake: Intake, answer: Books) -> None:
    placed = supply_by_line(intake)
    orders = newest_revisions(intake.documents["erp.purchase-orders"], "po_number")
    waiting = _left_inspection(intake)
    for number, order in orders.items():
        profile = intake.profiles.get(order["supplier"], {})
        lines = {line["line"]: (line, intake.sku(line["item"], order["supplier"])) for line in order["lines"]}
        by_line = _came(number, lines, placed, waiting)
        for name, places in by_line.items():
            line, sku = lines[name]
            ordered = intake.base(sku, line["quantity"], line["uom"])
            allowed = ordered + ordered * (line.get("tolerance_over") or 0) // 100
            if not profile.get("posts_without_notice"):
                allowed = min(allowed, placed.sent((number, name)))
            for (item, location), quantity in sorted(places.items()):
                taken = max(0, min(quantity, allowed))
                allowed -= taken
                if taken:
                    answer.goods_receipt[number, item, location] += taken


def _left_inspection(intake: Intake) -> dict[tuple[str, str, str, str], int]:
    """By kind and number of the document, SKU and location: what waits for inspection still."""
    waiting: dict[tuple[str, str, str, str], int] = defaultdict(int)
    for scan in intake.scans:
        at = scan.reference, scan.number, scan.sku, scan.location
        if scan.kind == "RECEIPT" and scan.disposition == HOLD:
            waiting[at] += scan.quantity
        elif (scan.kind == "RELEASE" and scan.disposition in {None, HOLD}) or (
            scan.kind == "PUTAWAY" and scan.disposition == HOLD
        ):
            waiting[at] -= scan.quantity
    return waiting


def _came(
    number: str, lines: Iterable[str], placed: Placed, waiting: dict[tuple[str, str, str, str], int]
) -> dict[str, dict[tuple[str, str], int]]:
    """What came in for each line and has left inspection, by SKU and location; what waits is the last lines'."""
    came: dict[str, dict[tuple[str, str], int]] = {}
    for name in lines:
        came[name] = defaultdict(int, placed.goods[number, name])
        for box in placed.boxes[number, name]:
            came[name][box["sku"], box["location"]] += box["received"]
    for name, places in reversed(came.items()):
        documents = {("ASN", box["shipment"]): None for box in placed.boxes[number, name]}
        for kind, document in (("PURCHASE_ORDER", number), *documents):
            for sku, location in places:
                held = min(places[sku, location], max(0, waiting.get((kind, document, sku, location), 0)))
                if held > 0:
                    waiting[kind, document, sku, location] -= held
                    places[sku, location] -= held
    return came

"""What the ERP hears of a sales order: what shipped, what may be invoiced, credited, and what waits for stock.

Shipment confirms follow ship scans alone; an invoice only the ERP's own word that it took the confirm; a credit the
inspection of what came back, and no more than was invoiced. Pure derivation; `tables/posting_book.py` says what is new.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from schemas.records import SELLABLE
from tables.conditions import Found
from tables.held import Scanned
from tables.inspection import Places, inspected, netted
from tables.order import Row
from tables.posting_book import refusals, taken

CONFIRM: Final = "SHIPMENT_CONFIRM"
INVOICE: Final = "INVOICE_RELEASE"
CREDIT: Final = "CREDIT"
BACKORDER: Final = "BACKORDER"
UNJUDGED: Final = frozenset({"returned", "quality_hold"})
"""Goods that came back wait in these for inspection."""


class Fulfilment(NamedTuple):
    """What the ERP should have been told, by step and place; what cannot be credited."""

    confirm: Places
    invoice: Places
    credit: Places
    beyond: dict[str, int]
    """By SKU, what came back and was inspected beyond what shipped."""
    missing: dict[str, int]
    """By `sku|location`, what was inspected that did not come back."""


NOTHING: Final = Fulfilment({}, {}, {}, {}, {})


def fulfilment(row: Row, shipped: Scanned) -> Fulfilment:
    """Nothing while the order is not known: its document brings the lines."""
    if row["order"] is None:
        return NOTHING
    books = row["books"]
    confirm = netted(shipped.places)
    invoice = _least(confirm, taken(books, CONFIRM))
    if not row["returned"] and not row["moved"]:
        return Fulfilment(confirm, invoice, {}, {}, {})
    goods, missing = inspected(row["returned"], row["moved"])
    judged = {place: quantity for place, quantity in goods.items() if place.split("|", 3)[2] not in UNJUDGED}
    credit, _ = _credited(judged, _least(invoice, taken(books, INVOICE)))
    _, beyond = _credited(judged, confirm)
    return Fulfilment(confirm, invoice, credit, beyond, missing)


def backorders(row: Row, shipped: Scanned) -> list[list[Any]] | None:
    """Posting lines of what is ordered and not allocated, with the dates the positions gave; none until all have."""
    order = row["order"]
    if order is None or order["status"] != "OPEN":
        return None
    lines: list[list[Any]] = []
    for name, sku, location, allocated, _, status, ordered in order["lines"]:
        short = ordered - max(allocated, shipped.by_line[name])
        if short > 0 and status == "OPEN" and location is not None:
            given = [line for line in row["promised"].get(f"{sku}|{location}", ()) if line[:2] == [name, short]]
            if not given:
                return None
            lines.append([name, sku, location, short, given[0][2], None, None])
    return lines


def conditions(row: Row, order_number: str, goods: Fulfilment, found: Found) -> None:
    """Add what somebody must see to before the ERP can hear the rest."""
    for sku, quantity in goods.beyond.items():
        message = f"{quantity} of {sku} came back beyond what shipped; they are not credited."
        found["RETURN_BEYOND_SHIPMENT", "SALES_ORDER_LINE", f"{order_number}/{sku}"] = message
    for place, quantity in goods.missing.items():
        message = f"{quantity} of {place} were inspected for order {order_number}, to which they did not come back."
        found["INSPECTION_WITHOUT_RECEIPT", "SALES_ORDER", f"{order_number}/{place}"] = message
    for step, refusal in refusals(row["books"]).items():
        message = f"The ERP refused {step} of order {order_number}. {refusal}."
        found["ERP_REFUSED", "SALES_ORDER", f"{order_number}/{step}"] = message


def _least(desired: Mapping[str, int], answered: Mapping[str, int]) -> Places:
    """As much of what is desired as the ERP has taken of the step before."""
    return {place: least for place, quantity in desired.items() if (least := min(quantity, answered.get(place, 0))) > 0}


def _credited(judged: Places, invoiced: Mapping[str, int]) -> tuple[Places, dict[str, int]]:
    """What of the goods that came back is covered, at the places it came to, and by SKU what is not.

    Goods of a named line are held against that line, the others against what their SKU has left, line by line;
    sellable goods first.
    """
    room: dict[str, dict[str, int]] = {}
    for place, quantity in sorted(invoiced.items()):
        sku, _, _, line = place.split("|", 3)
        lines = room.setdefault(sku, {})
        lines[line] = lines.get(line, 0) + quantity
    credit: Places = {}
    beyond: dict[str, int] = {}
    for place in sorted(judged, key=_named_and_sellable_first):
        sku, location, disposition, named = place.split("|", 3)
        lines, left = room.get(sku, {}), judged[place]
        for line in [named] if named in lines and named else list(lines):
            covered = min(left, lines[line])
            if covered > 0:
                lines[line] -= covered
                left -= covered
                where = f"{sku}|{location}|{disposition}|{line}"
                credit[where] = credit.get(where, 0) + covered
        if left:
            beyond[sku] = beyond.get(sku, 0) + left
    return credit, beyond


def _named_and_sellable_first(place: str) -> tuple[bool, bool, str]:
    _, _, disposition, line = place.split("|", 3)
    return not line, disposition != SELLABLE, place

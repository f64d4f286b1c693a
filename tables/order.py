"""The facts of one sales order: its newest revision, what was picked, packed, shipped, returned and inspected, as sums.

What the order still holds follows in `tables/held.py`, what the ERP hears of it in `tables/fulfilment.py`; the facts do
not depend on how document and scans interleave.
"""

from typing import Any, Literal, NotRequired, TypedDict, cast

from schemas.records import SELLABLE, OrderDocument, OrderEvent, OrderPromised, OrderReserved, OrderScan, PostingAnswer
from tables.conditions import Open, conflict
from tables.inspection import add, move
from tables.ledger_entry import Told
from tables.outcome import Output
from tables.posting_book import MOST_CAUSES, Books, answered, renewed
from tables.revisions import Differs, Head, newest


class OrderFacts(Head):
    """The newest revision; lines are [line, sku, location, allocated, requested_ship_date, status, ordered]."""

    channel: str
    priority: int


class Row(TypedDict):
    order: OrderFacts | None
    picked: dict[str, int]
    """By `sku|location|disposition|line`, as packed and shipped; line and disposition (sellable) may be empty."""
    packed: dict[str, int]
    shipped: dict[str, int]
    returned: dict[str, int]
    """By the same, the disposition they came into never empty."""
    moved: dict[str, int]
    """Inspections of what was returned, by the same: out of a disposition, into another."""
    reserved: dict[str, list[Any]]
    """Confirmed reservations by id and location, until the order itself is known: sku, location, line, quantity."""
    promised: dict[str, list[list[Any]]]
    """By `sku|location`, when backordered lines can be had: line, quantity, date."""
    open: Open
    told: Told
    books: Books
    changed: NotRequired[set[str]]
    """The kinds of event folded since the row was finished: scans are many and most change little. Never stored."""
    causes: NotRequired[list[str]]
    """Where they came from. Never stored."""


_SCANNED: dict[str, Literal["picked", "packed", "shipped", "returned"]] = {
    "PICKED": "picked",
    "PACKED": "packed",
    "SHIPPED": "shipped",
    "RETURNED": "returned",
}
_SILENT = frozenset({"CLOCK", "PICKED", "PACKED"})
"""Events that cause no posting."""
NEVER_TOLD = [-1, 0, 0, []]
"""Differs from every claim: what is told so must be told again."""


def empty() -> Row:
    return {
        "order": None,
        "picked": {},
        "packed": {},
        "shipped": {},
        "returned": {},
        "moved": {},
        "reserved": {},
        "promised": {},
        "open": [],
        "told": {},
        "books": {},
    }


def fold(row: Row, event: OrderEvent, outputs: list[Output]) -> None:
    """Take one fact into the row. Outputs: only conflicts between documents."""
    kind = event["kind"]
    row.setdefault("changed", set()).add(kind)
    if kind not in _SILENT:
        causes = row.setdefault("causes", [])
        causes.append(event["coordinate"])
        del causes[:-MOST_CAUSES]
    step = _SCANNED.get(kind)
    if step is not None:
        scan = cast("OrderScan", event["scan"])
        disposition = scan["disposition"] or ""
        if kind == "RETURNED":
            disposition = disposition or SELLABLE
        add(row[step], f"{scan['sku']}|{scan['location']}|{disposition}|{scan['line'] or ''}", scan["quantity"])
    elif kind == "POSTED":
        answered(row["books"], cast("PostingAnswer", event["posted"]))
    elif kind == "INSPECTED":
        scan = cast("OrderScan", event["scan"])
        where = scan["sku"], scan["location"], scan["line"] or ""
        move(row["moved"], where, scan["disposition"] or SELLABLE, scan["to_disposition"] or SELLABLE, scan["quantity"])
    elif kind == "ORDERED":
        _order(row, cast("OrderDocument", event["order"]), event, outputs)
    elif kind == "RESERVED":
        _reserve(row, cast("OrderReserved", event["reserved"]))
    elif kind == "PROMISED":
        _promise(row, cast("OrderPromised", event["promised"]))


def _reserve(row: Row, reserved: OrderReserved) -> None:
    """The order holds what the channel held for it, and says so whether or not that changes what it claims."""
    sku, location = reserved["sku"], reserved["location"]
    if row["order"] is None:
        part = [sku, location, reserved["line"] or "", reserved["quantity"]]
        row["reserved"][f"{reserved['reservation_id']}|{location}"] = part
    row["told"][f"{sku}|{location}"] = NEVER_TOLD


def _promise(row: Row, promised: OrderPromised) -> None:
    key = f"{promised['sku']}|{promised['location']}"
    if promised["lines"]:
        row["promised"][key] = [[line["line"], line["quantity"], line["date"]] for line in promised["lines"]]
    else:
        row["promised"].pop(key, None)


def _order(row: Row, order: OrderDocument, event: OrderEvent, outputs: list[Output]) -> None:
    lines = [
        [
            line["line"],
            line["sku"],
            line["location"],
            line["allocated"],
            line["requested_ship_date"],
            line["status"],
            line["quantity"],
        ]
        for line in {line["line"]: line for line in order["lines"]}.values()  # a line number names one line
    ]
    number = event["order_number"]
    try:
        head = newest(row["order"], f"sales orders {number}", order["revision"], order["status"], lines, order)
    except Differs as error:
        outputs.append(conflict(("SALES_ORDER", number), str(error), event, order["channel"], error.evidence))
        return
    if head is None:
        return
    row["order"] = {**head, "channel": order["channel"], "priority": order["priority"]}
    row["reserved"] = {}
    renewed(row["books"])

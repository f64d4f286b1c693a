"""The facts of one purchase order and what follows from them: expected supply and the buyer's exceptions.

Facts are kept per source (newest revision, newest acknowledgement by line, newest version of each shipment, receipts
as sums), so the row depends on the set of facts, not on how their topics interleave. `tables/ladder.py` derives.
"""

from typing import Any, NotRequired, TypedDict, cast

from schemas.records import (
    SELLABLE,
    PostingAnswer,
    SupplyAck,
    SupplyEvent,
    SupplyInspection,
    SupplyOrder,
    SupplyReceipt,
    SupplyShipped,
)
from tables.acknowledgement import HEADER_EFFECTS, Schedule
from tables.conditions import Open, conflict
from tables.inspection import INSPECTION, add, move
from tables.ledger_entry import Told
from tables.measures import rungs
from tables.outcome import Output
from tables.posting_book import MOST_CAUSES, Books, answered, renewed
from tables.revisions import Differs, Head, newest, stamp


class OrderFacts(Head):
    """The purchase order's newest revision; lines are [line, sku, quantity, requested_date, over %, under %]."""

    supplier: str
    ship_to: str
    fence: int
    offset: int
    ordered_at: int
    unannounced: bool
    """Its goods receipts need no ship notice."""


class Row(TypedDict):
    order: OrderFacts | None
    acks: dict[str, list[Any]]
    """By line, the newest: acknowledged_at, place in the log, backorder_in_ack, schedules."""
    header: list[Any] | None
    """The newest acknowledgement without lines: acknowledged_at, place in the log, type."""
    shipped: dict[str, list[Any]]
    """By shipment, the newest: state, location, date, [[line, sku, quantity, received, held, on hold since]]."""
    received: dict[str, int]
    """Receipts that name the purchase order, by `sku|location|disposition|line`; the line may be empty."""
    moved: dict[str, int]
    """Inspections that name it, by the same: out of a disposition, into another."""
    on_hold: dict[str, int]
    """By the same, when goods last came in there for inspection (recorded, ms)."""
    clock: int
    open: Open
    told: Told
    books: Books
    rung: NotRequired[int]
    """How far its papers were before that. Never stored."""
    changed: NotRequired[set[str]]
    """The kinds of event folded since the row was finished. Never stored."""
    causes: NotRequired[list[str]]
    """Where they came from. Never stored."""


def empty() -> Row:
    return {
        "order": None,
        "acks": {},
        "header": None,
        "shipped": {},
        "received": {},
        "moved": {},
        "on_hold": {},
        "clock": 0,
        "open": [],
        "told": {},
        "books": {},
    }


def fold(row: Row, event: SupplyEvent, outputs: list[Output]) -> None:
    """Take one fact into the row. Outputs: only what is said of a record, never of the order as a whole."""
    row["clock"] = max(row["clock"], event["recorded_at"])
    kind = event["kind"]
    changed = row.get("changed")
    if changed is None:
        changed, row["rung"] = row.setdefault("changed", set()), rungs(row)
    changed.add(kind)
    if kind != "CLOCK":
        causes = row.setdefault("causes", [])
        causes.append(event["coordinate"])
        del causes[:-MOST_CAUSES]
    if kind == "RECEIVED":
        _receive(row, cast("SupplyReceipt", event["received"]), event["recorded_at"])
    elif kind == "SHIPPED":
        _ship(row, cast("SupplyShipped", event["shipped"]), event["recorded_at"])
    elif kind == "INSPECTED":
        _inspect(row, cast("SupplyInspection", event["inspected"]), event["recorded_at"])
    elif kind == "POSTED":
        answered(row["books"], cast("PostingAnswer", event["posted"]))
    elif kind == "ACKNOWLEDGED":
        _acknowledge(row, cast("SupplyAck", event["ack"]), stamp(event))
    elif kind == "ORDERED":
        _order(row, cast("SupplyOrder", event["order"]), event, outputs)


def _order(row: Row, order: SupplyOrder, event: SupplyEvent, outputs: list[Output]) -> None:
    lines = [
        [
            line["line"],
            line["sku"],
            line["quantity"],
            line["requested_date"],
            line["tolerance_over"] or 0,
            line["tolerance_under"] or 0,
        ]
        for line in {line["line"]: line for line in order["lines"]}.values()  # a line number names one line
    ]
    number, status = event["po_number"], order["status"]
    said = (order["supplier"], order["ship_to"], status, order["ordered_at"], lines)
    try:
        head = newest(row["order"], f"purchase orders {number}", order["revision"], status, lines, said)
    except Differs as error:
        outputs.append(conflict(("PURCHASE_ORDER", number), str(error), event, order["supplier"], error.evidence))
        return
    if head is None:
        return
    row["order"] = {
        **head,
        "supplier": order["supplier"],
        "ship_to": order["ship_to"],
        "fence": order["overdue_fence_days"],
        "offset": order["overdue_offset_days"],
        "ordered_at": order["ordered_at"],
        "unannounced": bool(order["posts_without_notice"]),
    }
    renewed(row["books"])


def _acknowledge(row: Row, ack: SupplyAck, when: list[Any]) -> None:
    """The newer one supersedes line by line; the same document again changes nothing."""
    if not ack["lines"]:
        held = row["header"]
        if ack["ack_type"] in HEADER_EFFECTS and (held is None or held[:2] < when):
            row["header"] = [*when, ack["ack_type"]]
        return
    schedules: dict[str, list[Schedule]] = {}
    for line in ack["lines"]:
        offered = line["substitute_sku"] or line["sku"]
        schedule = [line["status"], line["quantity"], line["date"], offered if line["status"] == "IS" else None]
        schedules.setdefault(line["line"], []).append(schedule)
    acks = row["acks"]
    for name, lines in schedules.items():
        known = acks.get(name)
        if known is None or known[:2] < when:
            acks[name] = [*when, ack["backorder_in_ack"], lines]


def _ship(row: Row, shipped: SupplyShipped, now: int) -> None:
    """Each version of a shipment replaces the one before; one of nothing is forgotten."""
    shipment = shipped["shipment_id"]
    before = row["shipped"].get(shipment)
    waiting = {tuple(line[:2]): line[5] for line in before[3] if line[5]} if before else {}
    lines = []
    for line in shipped["lines"]:
        held = line["held"] or {}
        since = 0
        if any(place.endswith(INSPECTION) for place in held):
            since = waiting.get((line["line"], line["sku"]), now)
        lines.append([line["line"], line["sku"], line["quantity"], line["received"], held, since])
    if lines:
        row["shipped"][shipment] = [shipped["state"], shipped["location"], shipped["date"], lines]
    else:
        row["shipped"].pop(shipment, None)


def _receive(row: Row, receipt: SupplyReceipt, now: int) -> None:
    disposition, quantity = receipt["disposition"] or SELLABLE, receipt["quantity"]
    place = f"{receipt['sku']}|{receipt['location']}|{disposition}|{receipt['line'] or ''}"
    add(row["received"], place, quantity)
    if disposition == INSPECTION and quantity > 0:
        row["on_hold"][place] = max(now, row["on_hold"].get(place, 0))


def _inspect(row: Row, moved: SupplyInspection, now: int) -> None:
    where = moved["sku"], moved["location"], moved["line"] or ""
    move(row["moved"], where, moved["disposition"], moved["to_disposition"], moved["quantity"])
    if moved["to_disposition"] == INSPECTION and moved["quantity"] > 0:
        place = f"{where[0]}|{where[1]}|{INSPECTION}|{where[2]}"
        row["on_hold"][place] = max(now, row["on_hold"].get(place, 0))

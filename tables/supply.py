"""The facts of one purchase order and what follows from them: expected supply and the buyer's exceptions.

Facts are kept per source (newest revision, newest acknowledgement by line, newest version of each shipment, receipts
as sums), so the row depends on the set of facts, not on how their topics interleave. `tables/ladder.py` derives.
"""

import hashlib
from typing import Any, TypedDict, cast

import orjson

from schemas.records import SupplyAck, SupplyEvent, SupplyOrder, SupplyReceipt, SupplyShipped
from tables.acknowledgement import HEADER_EFFECTS, Schedule
from tables.conditions import Open, conflict
from tables.ledger_entry import Told
from tables.outcome import Output


class OrderFacts(TypedDict):
    """The purchase order's newest revision; lines are [line, sku, quantity, requested_date, over %, under %]."""

    revision: int
    content: str
    supplier: str
    ship_to: str
    status: str
    fence: int
    offset: int
    lines: list[list[Any]]


class Row(TypedDict):
    order: OrderFacts | None
    acks: dict[str, list[Any]]
    """By line, the newest: acknowledged_at, event_id, backorder_in_ack, schedules."""
    header: list[Any] | None
    """The newest acknowledgement without lines: acknowledged_at, event_id, type."""
    shipped: dict[str, list[Any]]
    """By shipment, the newest: state, location, date, [[line, sku, quantity, received]]."""
    received: dict[str, int]
    """Receipts that name the purchase order, by `sku|location|line`; the line may be empty."""
    clock: int
    open: Open
    told: Told


def empty() -> Row:
    return {
        "order": None,
        "acks": {},
        "header": None,
        "shipped": {},
        "received": {},
        "clock": 0,
        "open": [],
        "told": {},
    }


def fold(row: Row, event: SupplyEvent, outputs: list[Output]) -> None:
    """Take one fact into the row. Outputs: only what is said of a record, never of the order as a whole."""
    row["clock"] = max(row["clock"], event["recorded_at"])
    kind = event["kind"]
    if kind == "RECEIVED":
        _receive(row, cast("SupplyReceipt", event["received"]))
    elif kind == "SHIPPED":
        _ship(row, cast("SupplyShipped", event["shipped"]))
    elif kind == "ACKNOWLEDGED":
        _acknowledge(row, cast("SupplyAck", event["ack"]), (event["occurred_at"], event["event_id"]))
    elif kind == "ORDERED":
        _order(row, cast("SupplyOrder", event["order"]), event, outputs)


def _order(row: Row, order: SupplyOrder, event: SupplyEvent, outputs: list[Output]) -> None:
    """The newest revision holds; an older one, or the same again, changes nothing; of two that differ the first."""
    held = row["order"]
    if held is not None and order["revision"] < held["revision"]:
        return
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
    said = (order["supplier"], order["ship_to"], order["status"], order["ordered_at"], lines)
    content = hashlib.blake2b(orjson.dumps(said), digest_size=8).hexdigest()
    if held is not None and order["revision"] == held["revision"]:
        if content != held["content"]:
            number, revision = event["po_number"], order["revision"]
            message = f"Two different purchase orders {number} carry revision {revision}; the first one holds."
            evidence = {"revision": str(revision), "held": held["content"], "refused": content}
            outputs.append(conflict(("PURCHASE_ORDER", number), message, event, order["supplier"], evidence))
        return
    row["order"] = {
        "revision": order["revision"],
        "content": content,
        "supplier": order["supplier"],
        "ship_to": order["ship_to"],
        "status": order["status"],
        "fence": order["overdue_fence_days"],
        "offset": order["overdue_offset_days"],
        "lines": lines,
    }


def _acknowledge(row: Row, ack: SupplyAck, when: tuple[int, str]) -> None:
    """Newer by acknowledged_at, then event_id, supersedes line by line; the same document again changes nothing."""
    stamp = list(when)
    if not ack["lines"]:
        held = row["header"]
        if ack["ack_type"] in HEADER_EFFECTS and (held is None or held[:2] < stamp):
            row["header"] = [*stamp, ack["ack_type"]]
        return
    schedules: dict[str, list[Schedule]] = {}
    for line in ack["lines"]:
        offered = line["substitute_sku"] or line["sku"]
        schedule = [line["status"], line["quantity"], line["date"], offered if line["status"] == "IS" else None]
        schedules.setdefault(line["line"], []).append(schedule)
    acks = row["acks"]
    for name, lines in schedules.items():
        known = acks.get(name)
        if known is None or known[:2] < stamp:
            acks[name] = [*stamp, ack["backorder_in_ack"], lines]


def _ship(row: Row, shipped: SupplyShipped) -> None:
    """Each version of a shipment replaces the one before; one of nothing is forgotten."""
    lines = [[line["line"], line["sku"], line["quantity"], line["received"]] for line in shipped["lines"]]
    if lines:
        row["shipped"][shipped["shipment_id"]] = [shipped["state"], shipped["location"], shipped["date"], lines]
    else:
        row["shipped"].pop(shipped["shipment_id"], None)


def _receive(row: Row, receipt: SupplyReceipt) -> None:
    place = f"{receipt['sku']}|{receipt['location']}|{receipt['line'] or ''}"
    total = row["received"].get(place, 0) + receipt["quantity"]
    if total:
        row["received"][place] = total
    else:
        row["received"].pop(place, None)

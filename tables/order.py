"""The facts of one sales order: its newest revision and what was picked, packed and shipped for it, as sums.

What the order still holds follows in `tables/held.py`; the row does not depend on how document and scans interleave.
"""

import hashlib
from typing import Any, Literal, NotRequired, TypedDict, cast

import orjson

from schemas.records import OrderDocument, OrderEvent, OrderScan
from tables.conditions import Open, conflict
from tables.ledger_entry import Told
from tables.outcome import Output


class OrderFacts(TypedDict):
    """The newest revision; lines are [line, sku, location, allocated, requested_ship_date, status]."""

    revision: int
    content: str
    status: str
    channel: str
    lines: list[list[Any]]


class Row(TypedDict):
    order: OrderFacts | None
    picked: dict[str, int]
    """By `sku|location|line`, as packed and shipped; the line may be empty."""
    packed: dict[str, int]
    shipped: dict[str, int]
    open: Open
    told: Told
    changed: NotRequired[set[str]]
    """The kinds of event folded since the row was finished: scans are many and most change little. Never stored."""


_SCANNED: dict[str, Literal["picked", "packed", "shipped"]] = {
    "PICKED": "picked",
    "PACKED": "packed",
    "SHIPPED": "shipped",
}


def empty() -> Row:
    return {"order": None, "picked": {}, "packed": {}, "shipped": {}, "open": [], "told": {}}


def fold(row: Row, event: OrderEvent, outputs: list[Output]) -> None:
    """Take one fact into the row. Outputs: only conflicts between documents."""
    kind = event["kind"]
    row.setdefault("changed", set()).add(kind)
    step = _SCANNED.get(kind)
    if step is not None:
        scan = cast("OrderScan", event["scan"])
        sums = row[step]
        place = f"{scan['sku']}|{scan['location']}|{scan['line'] or ''}"
        total = sums.get(place, 0) + scan["quantity"]
        if total:
            sums[place] = total
        else:
            sums.pop(place, None)
    elif kind == "ORDERED":
        _order(row, cast("OrderDocument", event["order"]), event, outputs)


def _order(row: Row, order: OrderDocument, event: OrderEvent, outputs: list[Output]) -> None:
    """The newest revision holds; an older one, or the same again, changes nothing; of two that differ the first."""
    held = row["order"]
    if held is not None and order["revision"] < held["revision"]:
        return
    content = hashlib.blake2b(orjson.dumps(order, option=orjson.OPT_SORT_KEYS), digest_size=8).hexdigest()
    if held is not None and order["revision"] == held["revision"]:
        if content != held["content"]:
            number, revision = event["order_number"], order["revision"]
            message = f"Two different sales orders {number} carry revision {revision}; the first one holds."
            evidence = {"revision": str(revision), "held": held["content"], "refused": content}
            outputs.append(conflict(("SALES_ORDER", number), message, event, order["channel"], evidence))
        return
    row["order"] = {
        "revision": order["revision"],
        "content": content,
        "status": order["status"],
        "channel": order["channel"],
        "lines": [
            [
                line["line"],
                line["sku"],
                line["location"],
                line["allocated"],
                line["requested_ship_date"],
                line["status"],
            ]
            for line in {line["line"]: line for line in order["lines"]}.values()  # a line number names one line
        ],
    }

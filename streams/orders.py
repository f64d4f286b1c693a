"""The orders stage: order.events by sales order → what it holds in the ledger, exceptions of picking and shipping."""

from collections.abc import Mapping, Sequence

from schemas.records import OrderEvent
from streams.documents import fold_documents, tick
from tables import order
from tables.conditions import settle
from tables.held import claims, conditions, spread
from tables.ledger_entry import claim_changes
from tables.outcome import Entry, Outcome, Output

TOPIC = "order.events"

_IDLE = frozenset({"PACKED", "CLOCK"})
"""Events from which nothing follows for an order that is known."""
_ON_HAND = _IDLE | {"PICKED"}
"""Events that leave what the order holds as it was: picked stock is still in the building."""


def step(rows: Mapping[bytes, bytes], entries: Sequence[Entry]) -> Outcome:
    """Fold order events; each sales order touched says once what it holds now, where that changed."""
    return fold_documents(rows, entries, order.empty, order.fold, _finish)


def clock(key: str, now: int) -> Output:
    """An order's row never asks for one; the entry folds to nothing (now: ms)."""
    event: OrderEvent = {
        **tick(key, now),
        "kind": "CLOCK",
        "order_number": key,
        "order": None,
        "scan": None,
        "reserved": None,
        "promised": None,
        "posted": None,
    }
    return (TOPIC, key, event)


def _finish(row: order.Row, key: str, event: OrderEvent, outputs: list[Output]) -> int:
    changed = row.pop("changed")
    if row["order"] is not None and changed <= _IDLE:
        return 0
    shipped = spread(row["order"], row["shipped"])
    if not changed <= _ON_HAND:
        held = claims(row, shipped)
        claim_changes("ALLOCATE", f"SALES_ORDER:{key}", row["told"], held, event, outputs)
        row["told"] = held
    channel = row["order"]["channel"] if row["order"] else None
    row["open"] = settle(row["open"], conditions(row, key, shipped), event, channel, outputs)
    return 0

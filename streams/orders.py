"""The orders stage: order.events by sales order → what it holds in the ledger, exceptions of picking and shipping."""

from collections.abc import Mapping, Sequence

from schemas.records import OrderEvent
from streams.documents import fold_documents
from tables import order
from tables.conditions import settle
from tables.held import claims, conditions, spread
from tables.ledger_entry import claim_changes
from tables.outcome import Entry, Outcome, Output

TOPIC = "order.events"


def step(rows: Mapping[bytes, bytes], entries: Sequence[Entry]) -> Outcome:
    """Fold order events; each sales order touched says once what it holds now, where that changed."""
    return fold_documents(rows, entries, order.empty, order.fold, _finish)


def clock(key: str, now: int) -> Output:
    """An order's row never asks for one; the entry folds to nothing (now: ms)."""
    event: OrderEvent = {
        "event_id": f"clock/{key}/{now}",
        "occurred_at": now,
        "recorded_at": now,
        "source": "CLOCK",
        "coordinate": f"clock@{now}",
        "correlation_id": "",
        "kind": "CLOCK",
        "order_number": key,
        "order": None,
        "scan": None,
    }
    return (TOPIC, key, event)


def _finish(row: order.Row, key: str, event: OrderEvent, outputs: list[Output]) -> int:
    shipped = spread(row["order"], row["shipped"])
    held = claims(row, shipped)
    claim_changes("ALLOCATE", f"SALES_ORDER:{key}", row["told"], held, event, outputs)
    row["told"] = held
    channel = row["order"]["channel"] if row["order"] else None
    row["open"] = settle(row["open"], conditions(row, key, shipped), event, channel, outputs)
    return 0

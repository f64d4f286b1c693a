"""The orders stage: order.events by sales order → what it holds in the ledger, what the ERP hears of its fulfilment,
exceptions of picking, shipping and returns.
"""

from collections.abc import Mapping, Sequence

from schemas.records import OrderEvent
from streams.documents import fold_documents, tick
from tables import fulfilment, order
from tables.conditions import settle
from tables.held import Scanned, claims, conditions, spread, taken_over
from tables.ledger_entry import claim_changes
from tables.outcome import Entry, Outcome, Output
from tables.posting_book import post, post_absolute

TOPIC = "order.events"

_IDLE = frozenset({"PACKED", "CLOCK"})
"""Events from which nothing follows for an order that is known."""
_PICKING = _IDLE | {"PICKED"}
"""Events the ERP need not hear of: picked stock is still in the building."""
_ON_HAND = _PICKING | {"RETURNED", "INSPECTED", "PROMISED", "POSTED"}
"""Events that leave what the order holds as it was."""


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


def _finish(row: order.Row, key: str, event: OrderEvent, outcome: Outcome) -> int:
    outputs = outcome.outputs
    changed, causes = row.pop("changed"), row.pop("causes", [])
    if row["order"] is not None and changed <= _IDLE:
        return 0
    shipped = spread(row["order"], row["shipped"])
    if not changed <= _ON_HAND:
        held = claims(row, shipped)
        claim_changes("ALLOCATE", f"SALES_ORDER:{key}", row["told"], held, event, outputs, taken_over(row))
        row["told"] = held
    goods = fulfilment.NOTHING
    if row["returned"] or row["moved"] or not changed <= _PICKING:
        goods = fulfilment.fulfilment(row, shipped)
    if not changed <= _PICKING:
        _post(row, key, event, shipped, goods, causes, outputs)
    channel = row["order"]["channel"] if row["order"] else None
    found = conditions(row, key, shipped)
    fulfilment.conditions(row, key, goods, found)
    row["open"] = settle(row["open"], found, event, channel, outputs)
    return 0


def _post(
    row: order.Row,
    key: str,
    event: OrderEvent,
    shipped: Scanned,
    goods: fulfilment.Fulfilment,
    causes: Sequence[str],
    outputs: list[Output],
) -> None:
    """What is taken back goes the other way: the credit before its invoice, the invoice before its shipment."""
    known = row["order"]
    if known is None:
        return
    books, document, said = row["books"], f"SALES_ORDER:{key}", (event, outputs)
    for step, desired in (
        (fulfilment.CREDIT, goods.credit),
        (fulfilment.INVOICE, goods.invoice),
        (fulfilment.CONFIRM, goods.confirm),
    ):
        post(books, document, step, desired, *said, urgency=known["priority"], partner=known["channel"], causes=causes)
    lines = fulfilment.backorders(row, shipped)
    if lines is not None:
        post_absolute(
            books,
            document,
            fulfilment.BACKORDER,
            lines,
            *said,
            urgency=known["priority"],
            partner=known["channel"],
            causes=causes,
        )

"""What the inventory stage tells a sales order."""

from typing import Literal

from schemas.records import LedgerEntry, OrderEvent, OrderPromised, OrderReserved
from tables.outcome import Output


def order_event(
    kind: Literal["RESERVED", "PROMISED"],
    number: str,
    cause: LedgerEntry,
    event_id: str,
    *,
    reserved: OrderReserved | None = None,
    promised: OrderPromised | None = None,
) -> Output:
    """An event of the order, caused by a ledger entry: times and coordinate are the entry's."""
    event: OrderEvent = {
        "event_id": event_id,
        "occurred_at": cause["occurred_at"],
        "recorded_at": cause["recorded_at"],
        "source": cause["source"],
        "coordinate": cause["coordinate"] or cause["event_id"],
        "correlation_id": cause["correlation_id"],
        "kind": kind,
        "order_number": number,
        "order": None,
        "scan": None,
        "reserved": reserved,
        "promised": promised,
        "posted": None,
    }
    return "order.events", number, event

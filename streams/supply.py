"""The supply stage: supply.events by purchase order → expected supply in the ledger, the buyer's exceptions."""

from collections.abc import Mapping, Sequence

from schemas.records import SupplyEvent
from streams.documents import fold_documents, tick
from tables import supply
from tables.conditions import settle
from tables.ladder import derive
from tables.ledger_entry import claim_changes
from tables.outcome import Entry, Outcome, Output
from tables.supply_exceptions import conditions, next_due

TOPIC = "supply.events"


def step(rows: Mapping[bytes, bytes], entries: Sequence[Entry]) -> Outcome:
    """Fold supply events; each purchase order touched says once what is expected of it now, where that changed."""
    return fold_documents(rows, entries, supply.empty, supply.fold, _finish)


def clock(key: str, now: int) -> Output:
    """The entry by which a purchase order hears that time has passed (now: ms)."""
    event: SupplyEvent = {
        **tick(key, now),
        "kind": "CLOCK",
        "po_number": key,
        "order": None,
        "ack": None,
        "shipped": None,
        "received": None,
        "inspected": None,
        "posted": None,
    }
    return (TOPIC, key, event)


def _finish(row: supply.Row, key: str, event: SupplyEvent, outputs: list[Output]) -> int:
    ladder = derive(row)
    claim_changes("EXPECT", f"PURCHASE_ORDER:{key}", row["told"], ladder.claims, event, outputs)
    row["told"] = ladder.claims
    partner = row["order"]["supplier"] if row["order"] else None
    row["open"] = settle(row["open"], conditions(row, key, ladder), event, partner, outputs)
    return next_due(row, ladder)

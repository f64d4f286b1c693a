"""The supply stage: supply.events by purchase order → expected supply in the ledger, goods receipts and order updates
for the ERP, the buyer's exceptions.
"""

from collections.abc import Mapping, Sequence

from schemas.records import SupplyEvent
from streams.documents import fold_documents, tick
from tables import measures, supply
from tables.conditions import settle
from tables.goods_receipt import STEP as GOODS_RECEIPT
from tables.goods_receipt import receipts
from tables.ladder import derive
from tables.ledger_entry import claim_changes
from tables.order_update import STEP as PURCHASE_ORDER_UPDATE
from tables.order_update import updates
from tables.outcome import Entry, Outcome, Output
from tables.posting_book import post, post_absolute
from tables.supply_exceptions import conditions, next_due

TOPIC = "supply.events"
OWNERS = {"ERP_REFUSED": "buyer"}

_ANSWERS = frozenset({"ORDERED", "ACKNOWLEDGED", "POSTED"})
"""Events after which the order may have to be updated in the ERP."""


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


def _finish(row: supply.Row, key: str, event: SupplyEvent, outcome: Outcome) -> int:
    outputs = outcome.outputs
    changed, causes = row.pop("changed"), row.pop("causes", [])
    outcome.measures += measures.climbed(row, row.pop("rung"))
    ladder = derive(row)
    document = f"PURCHASE_ORDER:{key}"
    claim_changes("EXPECT", document, row["told"], ladder.claims, event, outputs)
    if row["told"] != ladder.claims:
        outcome.measures += measures.lines_in(row, row["told"], ladder)
        row["told"] = ladder.claims
    order, books = row["order"], row["books"]
    partner = order["supplier"] if order else None
    goods = receipts(row, ladder)
    post(books, document, GOODS_RECEIPT, goods.desired, event, outputs, partner=partner, causes=causes)
    if order is not None and order["status"] == "OPEN" and not changed.isdisjoint(_ANSWERS):
        lines = updates(row, ladder)
        post_absolute(books, document, PURCHASE_ORDER_UPDATE, lines, event, outputs, partner=partner, causes=causes)
    found = conditions(row, key, ladder, goods)
    row["open"] = settle(row["open"], found, event, partner, outputs, owners=OWNERS)
    return next_due(row, ladder, goods)

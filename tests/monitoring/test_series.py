"""How many series there are does not depend on how many items and documents there are."""

from typing import Any

from prometheus_client import generate_latest

from streams import inventory, supply, telling
from streams import metrics as instruments
from tables import channels
from tables.exceptions import raised
from tables.outcome import Entry, Outcome
from tests.monitoring.exposition import samples
from tests.stages.document_events import NOON, Stage, ack_line, acknowledged, ordered, po_line, received
from tests.stages.ledger_entries import entry

CONFIG = channels.parse({"channels": {"webshop": {"sourcing": ["DC01"]}}})


def take(sku: str, number: int) -> None:
    """An item's receipt, order, acknowledgement, exception and reservation, told as a task tells them."""

    def step(rows: Any, entries: Any) -> Outcome:
        outcome = supply.step(rows, entries)
        telling.measured(outcome.measures)
        return outcome

    po = f"PO-{number}"
    Stage(step).each(
        ordered(po_line("1", sku, 10), po=po),
        acknowledged(ack_line("1", "IA", 10), po=po),
        received(sku, 10, "1", po=po),
    )
    outcome = inventory.step({}, [Entry(number, *entry("RECEIPT", 10, key=f"{sku}|DC01"))], CONFIG)
    telling.measured(outcome.measures)
    telling.committed((record for topic, _, record in outcome.outputs if topic == "availability.snapshots"), NOON)
    subject, evidence = ("POSITION", f"{sku}|DC01"), {"found": "7", "compared": "9"}
    telling.RARE["exceptions"](
        raised("STOCK_DIVERGENCE", subject, sku, coordinate=po, raised_at=0, correlation_id=po, evidence=evidence)
    )
    telling.RARE["reservations.replies"](
        {"channel": "webshop", "action": "RESERVE", "state": "REFUSED", "reason": "INSUFFICIENT", "sku": sku}
    )


def test_items_and_documents_add_no_series() -> None:
    """Two hundred of them have those of the first, and none names one."""
    take("SKU-0", 0)
    of_one = set(samples(generate_latest(instruments.REGISTRY).decode()))
    for number in range(1, 200):
        take(f"SKU-{number}", number)
    of_many = set(samples(generate_latest(instruments.REGISTRY).decode()))

    assert of_many == of_one
    assert any(name == "stockstream_order_lines_received_total" for name, _ in of_one)
    assert any(name == "stockstream_end_to_end_seconds_count" for name, _ in of_one)
    assert not [labels for _, labels in of_one if any("SKU-" in value or "PO-" in value for _, value in labels)]

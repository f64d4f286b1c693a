"""The examples that come with the schemas are documents intake really takes."""

import json
from pathlib import Path

import pytest
from inbound_records import MINUTE, NOW, Dock, categories, of

from schemas.catalogue import catalogue
from streams.intake import INBOUND
from tables.outcome import Output

EXAMPLES = Path(__file__).parents[2] / "schemas" / "examples"
REFERENCE = ("erp.items", "erp.locations", "partners.profiles")
MOMENTS = ("occurred_at", "sent_at", "acknowledged_at", "shipped_at", "ordered_at", "taken_at", "requested_at")


def examples(topic: str) -> list[dict]:
    record = catalogue().topic(topic).record
    return [json.loads(path.read_text()) for path in sorted(EXAMPLES.glob(f"{record}/v*/*.json"))]


@pytest.fixture
def dock() -> Dock:
    """Knows the examples' items, locations and partners and nothing else."""
    dock = Dock(empty=True)
    for topic in REFERENCE:
        for record in examples(topic):
            dock.reference.apply(topic, record)
    return dock


def arrives(dock: Dock, topic: str, record: dict) -> list[Output]:
    """The record comes on the day it speaks of."""
    dock.now = max((record[name] for name in MOMENTS if name in record), default=NOW) + MINUTE
    return dock.send(topic, record)


@pytest.mark.parametrize("topic", INBOUND)
def test_intake_takes_every_example(dock, topic):
    """No example is refused, parked or dead-lettered: a sender may copy it."""
    records = examples(topic)
    outputs = [output for record in records for output in arrives(dock, topic, record)]

    assert records
    assert [] == categories(outputs)
    assert [] == of(outputs, "dead-letters")
    assert [] == dock.parked

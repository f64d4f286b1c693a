"""Reads one SKU's current answers from the compacted snapshots topic, for people at a terminal."""

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition
from rich.table import Table

from schemas.access import librdkafka
from schemas.codec import Codec
from schemas.environment import Shared
from schemas.records import Availability
from schemas.registry import ids

SNAPSHOTS = "availability.snapshots"
TIMEOUT = 30.0


def read_availability(settings: Shared, sku: str, location: str | None = None) -> list[Availability]:
    """Return the newest answer of each location (or of the one named), sorted; raise TimeoutError after 30 s."""
    codec = Codec()
    codec.register(SNAPSHOTS, ids(settings, [SNAPSHOTS])[SNAPSHOTS])
    found: dict[str, Availability] = {}
    prefix = f"{sku}|".encode()
    for key, value in _records(settings):
        if key.startswith(prefix):
            answer: Availability = codec.decode(SNAPSHOTS, value)
            if location in (None, answer["location"]):
                found[answer["location"]] = answer
    return [found[name] for name in sorted(found)]


def _records(settings: Shared) -> Iterator[tuple[bytes, bytes]]:
    """Yield key and value of every record of the topic as it stands now."""
    consumer = Consumer(
        {
            **librdkafka(settings),
            "group.id": f"{settings.app}-availability",  # never joined
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    try:
        partitions = set(consumer.list_topics(SNAPSHOTS, timeout=TIMEOUT).topics[SNAPSHOTS].partitions)
        consumer.assign([TopicPartition(SNAPSHOTS, p, OFFSET_BEGINNING) for p in partitions])
        deadline = time.monotonic() + TIMEOUT
        while partitions:
            for message in consumer.consume(5_000, 0.5):
                if message.error() is None:
                    yield message.key(), message.value()
                elif message.error().code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the client's own name
                    partitions.discard(message.partition())
            if time.monotonic() > deadline:
                raise TimeoutError(f"{SNAPSHOTS} was not read to its end within {TIMEOUT:.0f} s")
    finally:
        consumer.close()


def render(answers: list[Availability]) -> Table:
    """A table for people: what there is, what may be promised, and how old the knowledge is."""
    table = Table(
        "location", "on hand", "allocated", "safety", "ATP", "expected", "later", "as of", title=answers[0]["sku"]
    )
    for answer in answers:
        table.add_row(
            answer["location"],
            " ".join(f"{name} {count}" for name, count in answer["disposition"].items() if count) or "0",
            str(answer["allocated"]),
            str(answer["safety_stock"]),
            f"{answer['atp']} ({answer['atp_signed']})",
            str(sum(part["quantity"] for part in answer["expected"])),
            ", ".join(f"{day(bucket['date'])}: {bucket['atp']}" for bucket in answer["schedule"][:4]),
            datetime.fromtimestamp(answer["as_of"] / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S"),
        )
    return table


def day(days: int) -> str:
    """An Avro date as people write it."""
    return (date(1970, 1, 1) + timedelta(days=days)).isoformat()

"""What the demo sees of the product, from outside: committed offsets of its group, and what it published.

Reads committed records only, as every consumer of Stockstream should.
"""

import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

INPUTS: dict[str, tuple[str, ...]] = {
    "intake": (
        "warehouse.scans", "supplier.acks", "supplier.asns", "carrier.milestones", "erp.purchase-orders",
        "erp.sales-orders", "erp.stock-snapshots", "feeds.heartbeats", "erp.items", "erp.locations", "partners.profiles",
        "reservations.requests", "erp.posting-results",
    ),
    "shipments": ("shipment.events",),
    "supply": ("supply.events",),
    "orders": ("order.events",),
    "inventory": ("inventory.ledger",),
    "feeds": ("feed.events",),
}  # fmt: skip
"""Input topics by stage."""
TIMEOUT_S = 10.0
QUIET = logging.getLogger("local.kafka.clients")
"""Where the demo's clients log: a broker that is still loading or already gone is no news to a reader."""
QUIET.addHandler(logging.NullHandler())
QUIET.propagate = False


class Published(NamedTuple):
    partition: int
    offset: int
    key: str
    value: bytes
    timestamp: int  # ms, wall clock


class Observer:
    """Looks at one product instance, named by its application id. Not for several threads.

    `groups`: other consumer groups that belong to it, and the topics each reads; they count as stages of their own.
    """

    def __init__(self, bootstrap: str, app: str, groups: Mapping[str, Sequence[str]] | None = None) -> None:
        self._bootstrap = bootstrap
        self._probe = self._consumer("demo-observer")
        topics = self._probe.list_topics(timeout=TIMEOUT_S).topics

        def partitions(inputs: Iterable[str]) -> list[TopicPartition]:
            return [TopicPartition(topic, p) for topic in inputs if topic in topics for p in topics[topic].partitions]

        self.partitions = {stage: partitions(inputs) for stage, inputs in INPUTS.items()}
        self._groups = {app: list(chain.from_iterable(self.partitions.values()))}
        for group, inputs in (groups or {}).items():
            self.partitions[group] = partitions(inputs)
            self._groups[group] = self.partitions[group]
        self._all = list(chain.from_iterable(self._groups.values()))
        # Asked for offsets only; none joins. A killed worker leaves a transaction open until its partitions have a new
        # owner: who reads committed records would not be told offsets before that.
        self._members = {group: self._consumer(group, "read_uncommitted") for group in self._groups}

    def _consumer(self, group: str, isolation: str = "read_committed") -> Consumer:
        return Consumer(
            {
                "bootstrap.servers": self._bootstrap,
                "group.id": group,
                "isolation.level": isolation,
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 20,
            },
            logger=QUIET,
        )

    def close(self) -> None:
        for client in (self._probe, *self._members.values()):
            client.close()

    def _committed(self) -> dict[tuple[str, int], int]:
        """By partition; no two groups here read the same topic."""
        committed: dict[tuple[str, int], int] = {}
        for group, partitions in self._groups.items():
            for tp in self._members[group].committed(partitions, timeout=TIMEOUT_S):
                committed[tp.topic, tp.partition] = max(tp.offset, 0)
        return committed

    def ends(self) -> dict[tuple[str, int], int]:
        """End offset of every input partition."""
        return {
            (tp.topic, tp.partition): self._probe.get_watermark_offsets(tp, timeout=TIMEOUT_S, cached=False)[1]
            for tp in self._all
        }

    def lag(self) -> dict[str, int]:
        """Records each stage has before it, transaction markers included (so a few always seem to be left)."""
        ends, committed = self.ends(), self._committed()
        return {
            stage: sum(max(0, ends[tp.topic, tp.partition] - committed[tp.topic, tp.partition]) for tp in partitions)
            for stage, partitions in self.partitions.items()
        }

    def waiting(self) -> list[str]:
        """Input partitions with a record that is not consumed, found by reading from the committed offset."""
        committed = self._committed()
        ends = self.ends()
        open_ones = {at for at, end in ends.items() if end > committed[at]}
        self._probe.assign([TopicPartition(topic, p, committed[topic, p]) for topic, p in sorted(open_ones)])
        found: list[str] = []
        end = time.monotonic() + TIMEOUT_S
        while open_ones and time.monotonic() < end:
            for message in self._probe.consume(100, timeout=0.2):
                at = (message.topic(), message.partition())
                if at not in open_ones:
                    continue
                open_ones.discard(at)
                if message.error() is None:
                    found.append(f"{at[0]}[{at[1]}] at {committed[at]}")
        self._probe.unassign()
        return sorted([*found, *(f"{topic}[{p}] does not answer" for topic, p in open_ones)])

    def read(self, topic: str, within_s: float = 120.0) -> Iterator[Published]:
        """Yield every committed record of a topic, each partition in order."""
        metadata = self._probe.list_topics(topic, timeout=TIMEOUT_S).topics[topic]
        left = set(metadata.partitions)
        self._probe.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in left])
        end = time.monotonic() + within_s
        while left:
            for message in self._probe.consume(5_000, timeout=1):
                error = message.error()
                if error is None:
                    yield _published(message)
                elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the client's own name for it
                    left.discard(message.partition())
                else:
                    raise RuntimeError(f"{topic}: {error}")
            if time.monotonic() > end:
                raise TimeoutError(f"{topic} was not read to its end within {within_s:.0f} s")
        self._probe.unassign()


class Tail:
    """Follows topics from their ends, for the live view."""

    def __init__(self, bootstrap: str, topics: Sequence[str]) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "demo-tail",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
            },
            logger=QUIET,
        )
        known = self._consumer.list_topics(timeout=TIMEOUT_S).topics
        partitions = [TopicPartition(t, p, OFFSET_BEGINNING) for t in topics if t in known for p in known[t].partitions]
        self._consumer.assign(partitions)

    def new(self) -> list[tuple[str, Published]]:
        """What has come since, without waiting."""
        messages = self._consumer.consume(20_000, timeout=0.001)
        return [(m.topic(), _published(m)) for m in messages if m.error() is None and m.value() is not None]

    def close(self) -> None:
        self._consumer.close()


def _published(message: Any) -> Published:
    key = message.key()
    return Published(
        message.partition(),
        message.offset(),
        "" if key is None else key.decode(),
        message.value() or b"",
        message.timestamp()[1],
    )

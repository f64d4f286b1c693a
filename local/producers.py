"""The demo's governed producers: confluent-kafka, idempotent, Avro by the registry; every acknowledgement is journalled.

A record that is not acknowledged is an error of the run: the proof is against what the broker took, all of it.
"""

import time
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from confluent_kafka import KafkaError, Message, Producer

from local.journal import JournalWriter
from local.observer import QUIET
from local.sent import Sent
from local.wire import Encode, Wire

DELIVERY_S = 60
Fields = tuple[str, Mapping[str, Any] | bytes, str, str]


class DeliveryError(RuntimeError):
    """The broker did not acknowledge a record."""


def producer_settings(bootstrap: str, name: str) -> dict[str, Any]:
    """What every producer of the demo runs with; the partitioner is the one the product and Java clients use."""
    return {
        "bootstrap.servers": bootstrap,
        "client.id": f"demo-{name}",
        "partitioner": "murmur2_random",
        "enable.idempotence": True,
        "compression.type": "lz4",
        "linger.ms": 5,
        "queue.buffering.max.messages": 200_000,
        "message.timeout.ms": DELIVERY_S * 1_000,
    }


class Producers:
    """Several producers by name, one journal. Use as a context manager: leaving it without an error flushes."""

    def __init__(self, bootstrap: str, wire: Wire, journal: JournalWriter) -> None:
        self._bootstrap = bootstrap
        self._wire = wire
        self._journal = journal
        self._producers: dict[str, Producer] = {}
        self._encoders: dict[str, Encode] = {}
        self._failures: list[str] = []
        self.sent = 0

    def send(self, sent: Sent) -> None:
        """Encode and produce one record; raises DeliveryError once the broker has refused any."""
        producer = self._producers.get(sent.producer)
        if producer is None:
            producer = Producer(producer_settings(self._bootstrap, sent.producer), logger=QUIET)
            self._producers[sent.producer] = producer
        value = sent.raw
        if value is None:
            encode = self._encoders.get(sent.topic)
            if encode is None:
                encode = self._encoders[sent.topic] = self._wire.encoder(sent.topic)
            assert sent.value is not None
            value = encode(sent.value)
        told = sent.value if sent.raw is None else sent.raw
        assert told is not None
        at = time.time_ns() // 1_000_000
        journal, failures = self._journal, self._failures

        def acknowledged(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                failures.append(f"{sent.topic}, key {sent.key}: {error}")
                return
            journal.add((sent.topic, message.partition(), message.offset(), sent.key, told, at, sent.label, sent.mark))

        while True:
            try:
                producer.produce(sent.topic, value, sent.key, on_delivery=acknowledged, timestamp=at)
                break
            except BufferError:
                producer.poll(0.05)  # the broker is slower than we are: wait for it
        self.sent += 1

    def send_all(self, batch: Iterable[Sent]) -> None:
        for sent in batch:
            self.send(sent)
        self.poll()

    def poll(self) -> None:
        """Take in acknowledgements."""
        for producer in self._producers.values():
            producer.poll(0)
        if self._failures:
            raise DeliveryError(f"{len(self._failures)} records were not acknowledged; the first: {self._failures[0]}")

    def finish(self) -> None:
        """Wait until everything is acknowledged."""
        for name, producer in self._producers.items():
            left = producer.flush(DELIVERY_S)
            if left:
                raise DeliveryError(f"producer {name}: {left} records not acknowledged within {DELIVERY_S} s")
        self.poll()
        if self._journal.count != self.sent:
            raise DeliveryError(f"{self.sent} records sent, {self._journal.count} acknowledged")
        self._journal.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if kind is None:
            self.finish()

"""Writes single records for callers that wait for the broker: each is answered with its coordinate in the log.

The client's own asyncio producer collects records for a tenth of a second and learns of acknowledgements no sooner;
here a thread serves the acknowledgements as they come.
"""

import asyncio
import contextlib
import threading
from collections.abc import Mapping
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from connectors.kafka import client
from schemas.environment import Shared
from schemas.tracing import HERE

POLL_S: Final = 0.1
MOST_FOR_AN_ANSWER_MS: Final = 30_000


class NotWritten(Exception):
    """The broker has not acknowledged a record. It may have it nevertheless: write it again with the same event id."""


class Writer:
    """An idempotent producer for one event loop; records of one partition arrive in the order of the calls."""

    def __init__(self, settings: Shared, patience_ms: int = 5_000) -> None:
        self._producer = Producer(
            {
                **client(settings),
                "enable.idempotence": True,
                "acks": "all",
                "partitioner": "murmur2_random",
                "linger.ms": 1,
                "compression.type": "lz4",
                "delivery.timeout.ms": patience_ms,
                "request.timeout.ms": min(patience_ms, MOST_FOR_AN_ANSWER_MS),
                "topic.metadata.refresh.interval.ms": 60_000,
            }
        )
        self._patience_s = patience_ms / 1000
        self._loop = asyncio.get_running_loop()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="acknowledgements", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while not self._stopping.is_set():
            self._producer.poll(POLL_S)

    def begin(
        self, topic: str, key: str, value: bytes, headers: Mapping[str, bytes] | None = None
    ) -> asyncio.Future[str]:
        """Hand a record over at once; the future becomes its coordinate, or raises NotWritten.

        Where no headers are given, they are those of the trace we are in, if any.
        """
        future: asyncio.Future[str] = self._loop.create_future()

        def answered(error: KafkaError | None, message: Message) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(_settle, future, error, message)

        if headers is None and (here := HERE.get()) is not None:
            headers = dict(here.kafka())
        given: Any = dict(headers) if headers else None
        try:
            self._producer.produce(topic, value, key, on_delivery=answered, headers=given)
        except (BufferError, KafkaException) as error:
            future.set_exception(NotWritten(f"{topic}: {error}"))
        return future

    async def write(self, topic: str, key: str, value: bytes, headers: Mapping[str, bytes] | None = None) -> str:
        """Write one record and return `topic[partition]@offset`; raise NotWritten."""
        return await self.begin(topic, key, value, headers)

    async def close(self) -> None:
        """Wait for what is on its way, as long as for any record."""
        await asyncio.to_thread(self._producer.flush, self._patience_s)
        self._stopping.set()
        await asyncio.to_thread(self._thread.join)


def _settle(future: asyncio.Future[str], error: KafkaError | None, message: Message) -> None:
    if future.done():  # whoever waited has gone
        return
    if error is None:
        future.set_result(f"{message.topic()}[{message.partition()}]@{message.offset()}")
    else:
        future.set_exception(NotWritten(f"{message.topic()}: {error.str()}"))

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

from connectors.kafka import NO_MORE, client, tell_lost
from schemas.environment import Shared
from schemas.tracing import HERE

POLL_S: Final = 0.1
MOST_FOR_AN_ANSWER_MS: Final = 30_000


class NotWritten(Exception):
    """The broker has not acknowledged a record. It may have it nevertheless: write it again with the same event id."""


class Writer:
    """An idempotent producer for one event loop; records of one partition arrive in the order of the calls.

    After a fatal error it writes nothing more: what is under way and any further record is NotWritten at once, and
    `lost` says why. Whoever has the writer is to leave then, for a process started anew to go on.
    """

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
        self.lost: asyncio.Future[KafkaException] = self._loop.create_future()
        """Done once nothing more is written."""
        self._under_way: set[asyncio.Future[str]] = set()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="acknowledgements", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while not self._stopping.is_set():
            try:
                self._producer.poll(POLL_S)
            except KafkaException as error:  # fatal: no callback hears of it
                with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                    self._loop.call_soon_threadsafe(self._lose, error)
                return

    def _lose(self, error: KafkaException) -> None:
        """Answer all that is under way, of which nobody will know what became of it."""
        if not self.lost.done():
            tell_lost(error)
            self.lost.set_result(error)
        for future in list(self._under_way):
            if not future.done():
                future.set_exception(NotWritten(NO_MORE))

    def begin(
        self, topic: str, key: str, value: bytes, headers: Mapping[str, bytes] | None = None
    ) -> asyncio.Future[str]:
        """Hand a record over at once; the future becomes its coordinate, or raises NotWritten.

        Where no headers are given, they are those of the trace we are in, if any.
        """
        future: asyncio.Future[str] = self._loop.create_future()
        if self.lost.done():
            future.set_exception(NotWritten(NO_MORE))
            return future

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
        else:
            self._under_way.add(future)
            future.add_done_callback(self._under_way.discard)
        return future

    async def write(self, topic: str, key: str, value: bytes, headers: Mapping[str, bytes] | None = None) -> str:
        """Write one record and return `topic[partition]@offset`; raise NotWritten."""
        return await self.begin(topic, key, value, headers)

    async def close(self) -> None:
        """Wait for what is on its way, as long as for any record."""
        if not self.lost.done():
            try:
                await asyncio.to_thread(self._producer.flush, self._patience_s)
            except KafkaException as error:  # fatal, and heard here instead of in the thread
                self._lose(error)
        self._stopping.set()
        await asyncio.to_thread(self._thread.join)


def _settle(future: asyncio.Future[str], error: KafkaError | None, message: Message) -> None:
    if future.done():  # whoever waited has gone
        return
    if error is None:
        future.set_result(f"{message.topic()}[{message.partition()}]@{message.offset()}")
    else:
        future.set_exception(NotWritten(f"{message.topic()}: {error.str()}"))

"""One reader of a channel's topic for all its streams in this process, and readers that bring a resuming client up."""

import asyncio
import contextlib
import logging
import uuid
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final, NamedTuple

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.aio import AIOConsumer

from connectors import kafka
from connectors.api.settings import ApiSettings
from connectors.away import Away
from connectors.bounded import bounds
from connectors.decoding import Decoding
from connectors.heartbeat import beat, going_round
from connectors.kafka import Record, checked

WAIT_S: Final = 0.5
"""Longest wait for a record; the first one to come ends it."""
MOST: Final = 500
ANSWER_S: Final = 5.0
AGAIN_S: Final = 1.0
NOT_READ: Final = ("fault", "the channel's topic was not read on here; come back with the last id")
Offsets = dict[int, int]
Render = Callable[[Record], bytes | None]
"""A record as clients get it, None for one that cannot be read; raises SchemaUnavailable before it was learnt."""
log = logging.getLogger(__name__)


class Change(NamedTuple):
    """One record of the channel's topic, ready to be sent to everyone."""

    partition: int
    offset: int
    data: bytes


class OutOfRange(Exception):
    """A cursor that the topic does not reach to, or no longer."""


class Subscriber:
    """What waits for one stream's client; `dropped`, with name and reason, once it cannot be served any more."""

    def __init__(self, backlog: int) -> None:
        self._backlog = backlog
        self.waiting: deque[Change] = deque()
        self.news = asyncio.Event()
        self.dropped: tuple[str, str] | None = None

    def put(self, change: Change) -> None:
        if len(self.waiting) >= self._backlog:
            self.drop("slow", f"more than {self._backlog} changes wait; read faster, and resume")
        elif self.dropped is None:
            self.waiting.append(change)
            self.news.set()

    def drop(self, name: str, reason: str) -> None:
        self.dropped = name, reason
        self.waiting.clear()
        self.news.set()


def _consumer(settings: ApiSettings, *, eof: bool) -> AIOConsumer:
    """A consumer of its own that belongs to no group and holds little."""
    return kafka.consumer(
        settings,
        f"{settings.app}-api-{uuid.uuid4().hex[:12]}",
        enable_partition_eof=eof,
        queued_max_messages_kbytes=4_096,
        auto_offset_reset="error",
    )


async def some(consumer: AIOConsumer) -> list[Any]:
    """What has come, as soon as anything has; nothing after WAIT_S."""
    first = await consumer.poll(WAIT_S)
    if first is None:
        return []
    return [first, *await consumer.consume(MOST, 0)]


class ChannelReader:
    """Follows a channel's topic from its end and hands each record, rendered once, to every subscriber."""

    def __init__(self, settings: ApiSettings, topic: str, decoding: Decoding, render: Render) -> None:
        self._settings, self.topic, self._decoding, self._render = settings, topic, decoding, render
        self.position: Offsets = {}
        """Next offset of every partition, after what the subscribers were handed."""
        self.subscribers: set[Subscriber] = set()
        self._task: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()

    async def start(self) -> None:
        """Find the end of the topic and follow it from there; raise KafkaException where it cannot be reached."""
        async with self._starting:
            if self._task is None or self._task.done():
                consumer = await self._open()
                self._task = asyncio.create_task(self._follow(consumer))

    def join(self, backlog: int) -> Subscriber:
        """One more subscriber, from `position` on; dropped at once where nobody reads any more."""
        subscriber = Subscriber(backlog)
        self.subscribers.add(subscriber)
        if self._task is None or self._task.done():
            subscriber.drop(*NOT_READ)
        return subscriber

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _open(self) -> AIOConsumer:
        consumer = _consumer(self._settings, eof=False)
        try:
            ends = await bounds(consumer, self.topic, ANSWER_S)
            if any(not first <= self.position.get(p, end) <= end for p, (first, end) in ends.items()):
                self.position = {}
                for subscriber in self.subscribers:
                    subscriber.drop("reset", "the channel's topic is a new one; take a snapshot")
            self.position = {p: self.position.get(p, end) for p, (_, end) in ends.items()}
            await consumer.assign([TopicPartition(self.topic, p, offset) for p, offset in self.position.items()])
        except BaseException:
            await consumer.close()
            raise
        return consumer

    async def _follow(self, consumer: AIOConsumer) -> None:
        """Until stopped; a fault of Kafka's or the registry's only delays. Any other ends it, and nobody waits on."""
        opened: AIOConsumer | None = consumer
        try:
            with going_round(f"following {self.topic}"):
                while True:
                    beat()
                    try:
                        opened = opened or await self._open()
                        await self._hand_out(await some(opened))
                    except (KafkaException, Away) as error:
                        log.warning("%s: %s; trying again", self.topic, error)
                        if opened is not None:
                            await opened.close()
                        opened = None
                        await asyncio.sleep(AGAIN_S)
        except Exception:
            log.exception("%s is not read any more; the next stream begins anew", self.topic)
            for subscriber in self.subscribers:
                subscriber.drop(*NOT_READ)
        finally:
            if opened is not None:
                await opened.close()

    async def _hand_out(self, messages: list[Any]) -> None:
        """Hand out what came; what Away is raised before is read again, since the position has not moved."""
        records = [record for message in messages if (record := checked(message)) is not None]
        await self._decoding.learn(record.value for record in records)
        for record in records:
            self.position[record.partition] = record.offset + 1
            if self.subscribers and (data := self._render(record)) is not None:
                change = Change(record.partition, record.offset, data)
                for subscriber in self.subscribers:
                    subscriber.put(change)


class Replay:
    """Reads the topic from a cursor up to where the channel's reader is."""

    def __init__(self, settings: ApiSettings, topic: str) -> None:
        self._settings, self._topic = settings, topic

    @contextlib.asynccontextmanager
    async def open(self, cursor: Mapping[int, int]) -> AsyncIterator[AIOConsumer]:
        """A consumer placed at the cursor; raise OutOfRange or KafkaException."""
        consumer = _consumer(self._settings, eof=True)
        try:
            ends = await bounds(consumer, self._topic, ANSWER_S)
            places = {partition: cursor.get(partition, 0) for partition in ends}
            lost = [p for p, (first, end) in ends.items() if not first <= places[p] <= end and places[p] > 0]
            if lost or set(cursor) - set(ends):
                raise OutOfRange(f"{self._topic} no longer reaches to this cursor, or never did")
            await consumer.assign(
                [TopicPartition(self._topic, p, max(offset, ends[p][0])) for p, offset in places.items()]
            )
            yield consumer
        finally:
            await consumer.close()

"""Kafka clients of the connectors: one place for what all of them set."""

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple, Self

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.aio import AIOConsumer, AIOProducer

from connectors import refusals
from connectors.away import passes
from schemas.access import librdkafka
from schemas.environment import Shared

LOG: Final = logging.getLogger("kafka.producer")
NO_MORE: Final = "this process writes nothing more before it is started again"
LOOK_S = 0.2
"""How long a consumer waits for records before its owner may look at something else."""


class Record(NamedTuple):
    """One record as read; key and value as bytes, `value` None for a deletion."""

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes | None
    timestamp: int
    headers: Mapping[str, bytes]

    @property
    def coordinate(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.offset}"

    @classmethod
    def of(cls, message: Message) -> Self:
        return cls(
            message.topic(),
            message.partition(),
            message.offset(),
            message.key() or b"",
            message.value(),
            message.timestamp()[1],
            dict(message.headers() or ()),
        )


def client(settings: Shared) -> dict[str, Any]:
    """What every client needs to reach the broker; what it logs is logged, a repeated complaint once a minute."""
    return {**librdkafka(settings), "client.id": settings.app, "logger": refusals.LOG}


def consumer(settings: Shared, group: str, **more: Any) -> AIOConsumer:
    """A consumer that sees committed records only and commits when told; `more` in librdkafka's names, _ for a dot."""
    return AIOConsumer(
        {
            **client(settings),
            "error_cb": refusals.hear,
            "group.id": group,
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "earliest",
            "partition.assignment.strategy": "cooperative-sticky",
            "fetch.wait.max.ms": 50,
            **{name.replace("_", "."): value for name, value in more.items()},
        }
    )


def producer(settings: Shared, **more: Any) -> "AnsweringProducer":
    """An idempotent producer; partitions are those of the Java client (murmur2), as everywhere in the product."""
    return AnsweringProducer(
        {
            **client(settings),
            "error_cb": refusals.hear,
            "enable.idempotence": True,
            "acks": "all",
            "partitioner": "murmur2_random",
            "linger.ms": 2,
            "compression.type": "lz4",
            **{name.replace("_", "."): value for name, value in more.items()},
        },
        buffer_timeout=0.005,
    )


class Lost(RuntimeError):
    """A producer writes nothing more, and of what is under way nobody knows; a process started anew goes on."""


def tell_lost(error: BaseException) -> None:
    """One line in the log about a producer that has met a fatal error."""
    met = error.args[0] if error.args else None
    why = f"{met.name()}: {met.str()}" if isinstance(met, KafkaError) else str(error) or type(error).__name__
    LOG.critical("the producer has met a fatal error, and nothing more is written before a new start: %s", why)


class AnsweringProducer(AIOProducer):  # type: ignore[misc]  # its types are not told
    """Answers each record, even after a fatal error: it then raises Lost for those under way and for any further one.

    librdkafka tells such an error to no callback: it raises from the next call, which is one of the client's timer.
    That ends with it, and alone would leave every record unanswered for ever.
    """

    def __init__(self, conf: dict[str, Any], *, buffer_timeout: float) -> None:
        super().__init__(conf, buffer_timeout=buffer_timeout)
        self._under_way: set[asyncio.Future[Any]] = set()
        self._lost: BaseException | None = None
        timer: Any = self._buffer_timeout_manager._timeout_task  # noqa: SLF001 - nothing else says that it has ended
        timer.add_done_callback(self._timer_ended)

    async def produce(
        self, topic: str, value: Any = None, key: Any = None, *args: Any, **kwargs: Any
    ) -> asyncio.Future[Any]:
        """Hand a record over; the future becomes the message as written. Raise Lost, as the future does."""
        if self._lost is not None:
            raise Lost(NO_MORE) from self._lost
        try:
            answer: asyncio.Future[Any] = await super().produce(topic, value, key, *args, **kwargs)
        except KafkaException as error:  # it has handed over what had gathered
            self._lose(error)
            raise Lost(NO_MORE) from error
        self._under_way.add(answer)
        answer.add_done_callback(self._under_way.discard)
        if self._lost is not None:  # meanwhile
            self._lose(self._lost)
        return answer

    async def close(self) -> None:
        """Wait for what is under way; raise Lost. One that is lost already has nothing to wait for."""
        try:
            if self._lost is None:
                await super().close()
        except KafkaException as error:
            self._lose(error)
            raise Lost(NO_MORE) from error
        finally:
            self.executor.shutdown(wait=False)

    def _timer_ended(self, timer: asyncio.Task[None]) -> None:
        if not timer.cancelled() and (error := timer.exception()) is not None:
            self._lose(error)

    def _lose(self, error: BaseException) -> None:
        if self._lost is None:
            tell_lost(error)
            self._lost = error
        for future in list(self._under_way):
            lost = Lost(NO_MORE)
            lost.__cause__ = error
            with contextlib.suppress(asyncio.InvalidStateError):  # answered, or nobody waits any more
                future.set_exception(lost)


async def read(
    source: AIOConsumer, most: int = 500, wait_s: float = LOOK_S, ended: set[int] | None = None
) -> list[Record]:
    """The next records, none after `wait_s`; raises KafkaException for a fault that does not pass by itself.

    `ended` collects partitions read to their end, of a consumer with `enable_partition_eof`.
    """
    records: list[Record] = []
    for message in await source.consume(most, wait_s):
        record = checked(message)
        if record is not None:
            records.append(record)
        elif ended is not None and message.error().name() == "_PARTITION_EOF":
            ended.add(message.partition())
    return records


def checked(message: Message) -> Record | None:
    """The record, None for an event that is no fault or passes; raise KafkaException for any other."""
    error = message.error()
    if error is None:
        return Record.of(message)
    if passes(error):
        return None
    raise KafkaException(error)


def without_errors(places: Iterable[TopicPartition]) -> list[TopicPartition]:
    """What a broker has told of each partition; raise KafkaException where of one it told an error instead."""
    found = list(places)
    for place in found:
        if place.error is not None:
            raise KafkaException(place.error)
    return found


MOVED: Final = frozenset(
    {"REBALANCE_IN_PROGRESS", "ILLEGAL_GENERATION", "UNKNOWN_MEMBER_ID", "_NO_OFFSET", "_ASSIGNMENT_LOST"}
)
"""A commit refused for one of these a rebalance made void: whoever has the partition then commits."""


def moved(error: KafkaException) -> bool:
    return error.args[0].name() in MOVED


def after(records: Iterable[Record]) -> list[TopicPartition]:
    """The offsets to commit once these records are dealt with."""
    ends: dict[tuple[str, int], int] = {}
    for record in records:
        place = record.topic, record.partition
        ends[place] = max(ends.get(place, 0), record.offset + 1)
    return [TopicPartition(topic, partition, offset) for (topic, partition), offset in ends.items()]

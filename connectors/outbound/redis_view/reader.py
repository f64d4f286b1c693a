"""The Kafka side of the view: partitions shared out by the group, read from where Redis stands."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

from confluent_kafka import IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from confluent_kafka.aio import AIOConsumer

from connectors import kafka
from connectors.away import kafka_away, passes
from connectors.kafka import Record
from connectors.outbound.redis_view.places import Partition
from connectors.outbound.redis_view.settings import Settings

ASK_WITHIN_S: Final = 5.0
SEEK_TRIES: Final = 100
SEEK_AGAIN_S: Final = 0.05

Told = Callable[[list[Partition]], Awaitable[None]]


class Reader:
    """A consumer whose positions come from elsewhere: new partitions are still until `start` says where."""

    def __init__(self, settings: Settings, topics: list[str], assigned: Told, revoked: Told) -> None:
        self._topics, self._assigned, self._revoked = topics, assigned, revoked
        self._busy = False
        self._most = settings.batch_records
        self._consumer: AIOConsumer = kafka.consumer(
            settings,
            f"{settings.app}-redis-view",
            enable_partition_eof=True,
            allow_auto_create_topics=False,
            session_timeout_ms=settings.session_timeout_ms,
            heartbeat_interval_ms=max(1, settings.session_timeout_ms // 3),
        )
        self._asking = {**kafka.client(settings), "log_level": 2}
        self._admin = AdminClient(self._asking)

    async def partitions(self) -> list[Partition]:
        """All partitions of the view's topics; raise MissingTopic."""
        try:
            known = (await self._consumer.list_topics(timeout=ASK_WITHIN_S)).topics
        except KafkaException as error:
            raise kafka_away(error) from error
        missing = [topic for topic in self._topics if topic not in known]
        if missing:
            raise MissingTopic(f"{', '.join(missing)}: no such topic; run `stockstream topics apply`")
        return [(topic, number) for topic in self._topics for number in sorted(known[topic].partitions)]

    async def subscribe(self) -> None:
        await self._consumer.subscribe(
            self._topics, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke
        )

    async def _on_assign(self, consumer: AIOConsumer, partitions: list[TopicPartition]) -> None:
        still = [TopicPartition(p.topic, p.partition, 0) for p in partitions]
        if still:
            await consumer.incremental_assign(still)
            await consumer.pause(still)
        await self._assigned(_names(partitions))

    async def _on_revoke(self, consumer: AIOConsumer, partitions: list[TopicPartition]) -> None:
        await self._revoked(_names(partitions))
        if partitions:
            await consumer.incremental_unassign(partitions)

    async def read(self) -> tuple[list[Record], dict[Partition, int]]:
        """The next records, and the ends of logs met; nothing after a while. What comes first comes at once."""
        messages: list[Any] = []
        if not self._busy:
            messages = await self._consumer.consume(1, kafka.LOOK_S)
            if not messages:
                return [], {}
        messages += await self._consumer.consume(self._most - len(messages), 0 if messages else kafka.LOOK_S / 10)
        self._busy = len(messages) >= self._most
        records, ends = list[Record](), dict[Partition, int]()
        for message in messages:
            error = message.error()
            if error is None:
                records.append(Record.of(message))
            elif error.name() == "_PARTITION_EOF":
                ends[message.topic(), message.partition()] = message.offset()
            elif error.name() == "UNKNOWN_TOPIC_OR_PART":
                raise MissingTopic(f"{error.str()}: run `stockstream topics apply`")
            elif not passes(error):
                raise KafkaException(error)
        return records, ends

    async def keep_alive(self) -> None:
        """Stay in the group, reading nothing: all partitions are still."""
        await self._consumer.consume(1, kafka.LOOK_S)

    async def still(self, partitions: Iterable[Partition]) -> None:
        """Read these no further until `start`."""
        await self._consumer.pause([TopicPartition(*partition) for partition in partitions])

    async def start(self, offsets: dict[Partition, int]) -> None:
        """Read these partitions from here."""
        for (topic, partition), offset in offsets.items():
            await self._seek(TopicPartition(topic, partition, offset))
        await self._consumer.resume([TopicPartition(*partition) for partition in offsets])

    async def _seek(self, to: TopicPartition) -> None:
        """A partition can be positioned a moment after it was assigned, not at once."""
        for _ in range(SEEK_TRIES):
            try:
                await self._consumer.seek(to)
            except KafkaException as error:
                if error.args[0].name() != "_STATE":
                    raise
                await asyncio.sleep(SEEK_AGAIN_S)
            else:
                return
        raise KafkaException(f"{to.topic}[{to.partition}] took no position within {SEEK_TRIES * SEEK_AGAIN_S:.0f} s")

    async def extents(self, partitions: Iterable[Partition]) -> dict[Partition, tuple[int, int]]:
        """Oldest offset and end of committed records of each partition; raise Away when no broker says."""
        low, high = await asyncio.gather(
            self._offsets(partitions, OffsetSpec.earliest()), self._offsets(partitions, OffsetSpec.latest())
        )
        return {partition: (low[partition], high[partition]) for partition in high}

    async def ends(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """End of committed records of each partition; raise Away when no broker says."""
        return await self._offsets(partitions, OffsetSpec.latest())

    async def _offsets(self, partitions: Iterable[Partition], which: OffsetSpec) -> dict[Partition, int]:
        asked = {TopicPartition(*partition): which for partition in partitions}
        if not asked:
            return {}
        try:
            answers = self._admin.list_offsets(
                asked, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=ASK_WITHIN_S
            )
            return {(p.topic, p.partition): (await asyncio.wrap_future(f)).offset for p, f in answers.items()}
        except KafkaException as error:
            # It asks by the leaders it knew before the broker went, is refused for their epoch, and does not look anew
            # until its metadata is minutes old: another client knows nothing and asks at once.
            self._admin = AdminClient(self._asking)
            raise kafka_away(error) from error

    async def close(self) -> None:
        await self._consumer.close()


class MissingTopic(RuntimeError):
    """A topic of the view is not there; the message says how to make it."""


def _names(partitions: Iterable[TopicPartition]) -> list[Partition]:
    return [(p.topic, p.partition) for p in partitions]

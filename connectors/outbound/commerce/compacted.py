"""A compacted topic read whole and then followed: the newest record of every key, for small topics."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from confluent_kafka import KafkaException, TopicPartition

from connectors import kafka
from connectors.bounded import bounds, up_to
from connectors.decoding import Decoding
from schemas.codec import Codec
from schemas.environment import Shared

WITHIN_S: Final = 60.0


class MissingTopic(LookupError):
    """The broker has no such topic; the message says how to make it."""


class Compacted:
    """Gives each record to `take_in(key, record or None, offset)`; one that cannot be read is passed over."""

    def __init__(self, settings: Shared, codec: Codec, topic: str, take_in: Callable[[str, Any, int], None]) -> None:
        self._settings, self._decoding, self._topic, self._take_in = settings, Decoding(settings, codec), topic, take_in
        self._source: Any = None

    async def open(self) -> None:
        """Read all there is; raise TimeoutError after a minute, MissingTopic where it is not there."""
        self._source = kafka.consumer(
            self._settings, f"{self._settings.app}.commerce.{self._topic}", enable_partition_eof=True
        )
        try:
            found = await bounds(self._source, self._topic)
        except KafkaException as error:
            if error.args[0].name() != "UNKNOWN_TOPIC_OR_PART":
                raise
            found = {}
        if not found:
            raise MissingTopic(f"the broker has no topic {self._topic}: run `stockstream topics apply`")
        await self._source.assign([TopicPartition(self._topic, number, low) for number, (low, _) in found.items()])
        ends = {number: high for number, (low, high) in found.items() if high > low}
        async for records in up_to(self._source, self._topic, ends, WITHIN_S):
            await self._take_all_in(records)

    async def follow(self, wait_s: float = 0.05) -> None:
        """Take in what has come since; nothing before `open`."""
        if self._source is not None:
            await self._take_all_in(await kafka.read(self._source, 5_000, wait_s))

    async def _take_all_in(self, records: list[kafka.Record]) -> None:
        await self._decoding.learn_patiently([record.value for record in records])
        for record in records:
            value = self._decoding.decoded(record)
            if value is not None or record.value is None:
                self._take_in(record.key.decode(), value, record.offset)

    async def close(self) -> None:
        if self._source is not None:
            source, self._source = self._source, None
            await asyncio.shield(source.close())

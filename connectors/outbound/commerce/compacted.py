"""A compacted topic read whole and then followed: the newest record of every key, for small topics."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

from confluent_kafka import OFFSET_BEGINNING, TopicPartition

from connectors import kafka
from connectors.outbound.commerce.reader import learn
from schemas.codec import Codec
from schemas.environment import Shared

WITHIN_S: Final = 60.0


class Compacted:
    """Gives each record to `take_in(key, record or None, offset)`."""

    def __init__(self, settings: Shared, codec: Codec, topic: str, take_in: Callable[[str, Any, int], None]) -> None:
        self._settings, self._codec, self._topic, self._take_in = settings, codec, topic, take_in
        self._decode = codec.decoder(topic)
        self._source: Any = None

    async def open(self) -> None:
        """Read all there is; raise TimeoutError after a minute, LookupError where there is no such topic."""
        self._source = kafka.consumer(self._settings, f"{self._settings.app}.commerce.{self._topic}")
        known = (await self._source.list_topics(self._topic, timeout=10)).topics[self._topic].partitions
        if not known:
            raise LookupError(f"the broker has no topic {self._topic}: run `stockstream topics apply`")
        parts = [TopicPartition(self._topic, number, OFFSET_BEGINNING) for number in known]
        await self._source.assign(parts)
        left = {}
        for each in parts:
            low, high = await self._source.get_watermark_offsets(each, timeout=10)
            if high > low:
                left[each.partition] = high
        end = time.monotonic() + WITHIN_S
        while left:
            await self.follow()
            for each in await self._source.position([TopicPartition(self._topic, number) for number in left]):
                if each.offset >= left[each.partition]:
                    del left[each.partition]
            if time.monotonic() > end:
                raise TimeoutError(f"{self._topic} was not read to its end within {WITHIN_S:.0f} s")

    async def follow(self, wait_s: float = 0.05) -> None:
        """Take in what has come since; nothing before `open`."""
        if self._source is None:
            return
        records = await kafka.read(self._source, 5_000, wait_s)
        await learn(self._settings, self._codec, records)
        for record in records:
            value = None if record.value is None else self._decode(record.value)
            self._take_in(record.key.decode(), value, record.offset)

    async def close(self) -> None:
        if self._source is not None:
            source, self._source = self._source, None
            await asyncio.shield(source.close())

"""Reference data, read whole by every worker before it starts and followed after that."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

Apply = Callable[[str, Sequence[Any]], set[str]]
"""Takes a topic and its new records; returns the keys that waiting input may now find."""
Learn = Callable[[Sequence[Any]], Awaitable[None]]
"""Makes sure that the schemas of records can be told, however long the registry is away."""


class References:
    """Follows the reference topics, all partitions of them."""

    def __init__(self, topics: Sequence[str], client: Mapping[str, Any], apply: Apply, learn: Learn) -> None:
        self._topics, self._client, self._apply, self._learn = topics, client, apply, learn
        self._consumer: AIOKafkaConsumer | None = None

    async def load(self) -> None:
        """Read everything there is now."""
        self._consumer = consumer = AIOKafkaConsumer(
            **self._client,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=100,
        )
        await consumer.start()
        partitions = [TopicPartition(t, p) for t in self._topics for p in sorted(await self._partitions(t))]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        deadline = time.monotonic() + 120
        while any([await consumer.position(tp) < ends[tp] for tp in partitions]):
            for tp, run in (await consumer.getmany(timeout_ms=200, max_records=10_000)).items():
                await self._learn(run)
                self._apply(tp.topic, run)
            if time.monotonic() > deadline:
                raise TimeoutError(f"reference topics {', '.join(self._topics)} were not read within 120 s")

    async def _partitions(self, topic: str) -> set[int]:
        consumer = self._consumer
        assert consumer is not None
        await consumer._client._wait_on_metadata(topic)  # noqa: SLF001 - partitions_for_topic answers from a cache only
        return consumer.partitions_for_topic(topic) or set()

    async def follow(self, changed: Callable[[set[str]], None]) -> None:
        """Apply what comes, and tell which keys it may settle; runs until cancelled."""
        consumer = self._consumer
        assert consumer is not None
        while True:
            keys: set[str] = set()
            for tp, run in (await consumer.getmany(timeout_ms=500, max_records=10_000)).items():
                await self._learn(run)
                keys |= self._apply(tp.topic, run)
            if keys:
                changed(keys)
            await asyncio.sleep(0.05)

    async def stop(self) -> None:
        if self._consumer is not None:
            await self._consumer.stop()

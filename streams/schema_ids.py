"""Schema ids for a worker: its own looked up before it starts, other writers' when they first appear.

The registry may be down while a worker runs: what it needs is cached, and input under an id that nobody could be asked
about waits, parked, until somebody can.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from schemas import registry
from schemas.catalogue import catalogue
from schemas.codec import Codec


class SchemaIds:
    """Fills a codec from the registry, off the hot path."""

    ASK_AGAIN = 5.0  # seconds between questions to a registry that does not answer

    def __init__(self, where: registry.Registry, codec: Codec, channels: Iterable[str]) -> None:
        self._where, self._codec, self._channels = where, codec, tuple(channels)
        self._client = registry.client(where, timeout=3.0)
        self._silent_until = 0.0
        self.awaited: set[int] = set()
        """Ids that parked input waits for."""

    async def load(self) -> None:
        """Look up the ids of every topic; raise RegistryError when one is missing."""
        names = [topic.name for topic in catalogue().for_channels(self._channels)]
        for topic, schema_id in (await asyncio.to_thread(registry.ids, self._where, names)).items():
            self._codec.register(topic, schema_id)

    async def learn(self, run: Sequence[Any]) -> None:
        """Ask about ids in this chunk that are new to us; returns at once when there are none."""
        unknown = self._codec.unknown_ids(record.value for record in run)
        if time.monotonic() < self._silent_until:
            self.awaited |= unknown
            return
        for schema_id in unknown:
            try:
                text = await asyncio.to_thread(registry.schema_of, self._client, schema_id)
            except registry.RegistryError:
                self._silent_until = time.monotonic() + self.ASK_AGAIN
                self.awaited |= unknown
                return
            self._codec.learn(schema_id, text)

    async def learn_patiently(self, run: Sequence[Any]) -> None:
        """The same, returning once there is nothing left to ask about: reference data wait for a registry that is away."""
        while self._codec.unknown_ids(record.value for record in run):
            await self.learn(run)
            await asyncio.sleep(max(0.0, min(self.ASK_AGAIN, self._silent_until - time.monotonic())))

    async def follow(self, found: Callable[[set[str]], None]) -> None:
        """Ask again for what input waits for; runs until cancelled."""
        while True:
            await asyncio.sleep(self.ASK_AGAIN)
            for schema_id in sorted(self.awaited):
                try:
                    text = await asyncio.to_thread(registry.schema_of, self._client, schema_id)
                except registry.RegistryError:
                    break
                self._codec.learn(schema_id, text)
                self.awaited.discard(schema_id)
                found({f"schema|{schema_id}"})

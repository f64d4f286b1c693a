"""Values of the outbound topics as records; ids of other writers' schemas are asked for off the loop."""

import asyncio
from collections.abc import Iterable, Sequence

from connectors.outbound.redis_view.away import Away
from schemas import registry
from schemas.codec import Codec
from schemas.environment import Shared

TIMEOUT_S = 3.0


class Decoding:
    """A codec that learns."""

    def __init__(self, settings: Shared, topics: Sequence[str]) -> None:
        self._settings, self._topics = settings, topics
        self._codec = Codec()
        self._client = registry.client(settings, TIMEOUT_S)
        self.decode = self._codec.decode

    async def load(self) -> None:
        """Look up the ids of the topics' schemas; raise RegistryError, which says what to do, when one is missing."""
        for topic, schema_id in (await asyncio.to_thread(registry.ids, self._settings, self._topics)).items():
            self._codec.register(topic, schema_id)

    async def learn(self, values: Iterable[bytes | None]) -> None:
        """Ask about ids that are new here; raise Away when the registry does not say: the values wait for it."""
        for schema_id in self._codec.unknown_ids(values):
            try:
                text = await asyncio.to_thread(registry.schema_of, self._client, schema_id)
            except registry.RegistryError as error:
                raise Away("registry", error) from error
            self._codec.learn(schema_id, text)

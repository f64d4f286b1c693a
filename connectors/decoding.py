"""Values of our topics as records: schemas of other writers (a newer release, say) are asked for before decoding."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, Final

from confluent_kafka.schema_registry import SchemaRegistryClient

from connectors.away import Away, pauses
from connectors.heartbeat import beat
from connectors.kafka import Record
from schemas import metrics, registry
from schemas.codec import Codec, Undecodable
from schemas.environment import Shared
from schemas.instruments import counter
from schemas.logs import AtMost

TIMEOUT_S: Final = 3.0
UNDECODABLE: Final = counter(metrics.UNDECODABLE)
LOG: Final = logging.getLogger(__name__)
LOG.addFilter(AtMost())


class Decoding:
    """A codec that learns; a new one, or one that others use as well."""

    def __init__(self, settings: Shared, codec: Codec | None = None) -> None:
        self._settings = settings
        self.codec = codec or Codec()
        self.decode = self.codec.decode

    @cached_property
    def _client(self) -> SchemaRegistryClient:
        return registry.client(self._settings, TIMEOUT_S)

    async def load(self, topics: Sequence[str]) -> None:
        """Look up the ids of the topics' schemas; raise RegistryError, which says what to do, when one is missing."""
        for topic, schema_id in (await asyncio.to_thread(registry.ids, self._settings, topics)).items():
            self.codec.register(topic, schema_id)

    async def learn(self, values: Iterable[bytes | None]) -> None:
        """Ask about ids that are new here, off the loop; raise Away when the registry does not say."""
        if unknown := self.codec.unknown_ids(values):
            await asyncio.to_thread(self._ask, unknown)

    def learn_here(self, values: Iterable[bytes | None]) -> None:
        """The same, in a thread that may wait."""
        self._ask(self.codec.unknown_ids(values))

    async def learn_patiently(
        self, values: Sequence[bytes | None], meanwhile: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """The same, for as long as it takes: the values wait for the registry. `meanwhile` is done between tries."""
        for pause in pauses():
            beat()
            try:
                await self.learn(values)
            except Away as away:
                LOG.warning("%s; records wait for it", away)
                await asyncio.sleep(pause)
                if meanwhile is not None:
                    await meanwhile()
            else:
                break

    def decoded(self, record: Record) -> Any:
        """A record's value, None for a deletion and for what is none of ours: that is told, counted and passed over."""
        if record.value is None:
            return None
        try:
            return self.decode(record.topic, record.value)
        except Undecodable as error:
            UNDECODABLE.labels(record.topic).inc()
            told = {"coordinate": record.coordinate, "category": error.category}
            LOG.error("%s is passed over: %s; who writes here?", record.coordinate, error, extra=told)  # noqa: TRY400 - no trace
            return None

    def decoded_here(self, records: Sequence[Record]) -> Iterator[tuple[Record, Any]]:
        """Each record with its value, as `decoded` has it; schemas that are new here are asked for first."""
        self.learn_here(record.value for record in records)
        for record in records:
            yield record, self.decoded(record)

    def _ask(self, unknown: Iterable[int]) -> None:
        for schema_id in unknown:
            try:
                text = registry.schema_of(self._client, schema_id)
            except registry.RegistryError as error:
                raise Away("registry", error) from error
            self.codec.learn(schema_id, text)

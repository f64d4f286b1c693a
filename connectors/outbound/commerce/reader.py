"""Reads a channel's topic into an outbox for one consumer group, and commits what is dealt with.

Offsets are the only memory of what was delivered: whatever ends the process, the next one reads from there.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

from confluent_kafka import KafkaException, TopicPartition

from connectors import kafka
from connectors.outbound.commerce.outbox import Change, Outbox
from connectors.outbound.commerce.settings import Commerce
from schemas.codec import Codec, Undecodable
from schemas.environment import Shared
from schemas.records import ChannelAvailability
from schemas.registry import client, schema_of

COMMIT_S: Final = 0.3
"""How often offsets are committed at most; a crash repeats no more than this and what was under way."""
LOOK_S: Final = 0.05
SESSION_MS: Final = 10_000
"""After this long the partitions of a process that was killed go to another."""

REBALANCING: Final = frozenset(
    {"REBALANCE_IN_PROGRESS", "ILLEGAL_GENERATION", "UNKNOWN_MEMBER_ID", "_NO_OFFSET", "_ASSIGNMENT_LOST"}
)
"""A commit refused for one of these is made again, by whoever has the partition then."""
LOG: Final = logging.getLogger(__name__)

Wants = Callable[[ChannelAvailability], bool]


class ChannelReader:
    """One consumer group's view of a channel. `arrived` is set when there is something new in the outbox."""

    def __init__(self, settings: Commerce, codec: Codec, topic: str, group: str, wants: Wants = lambda _: True) -> None:
        self._settings, self._topic, self._group, self._wants = settings, topic, group, wants
        self._codec, self._decode = codec, codec.decoder(topic)
        self.outbox = Outbox()
        self.arrived = asyncio.Event()
        self.revoked: Callable[[], None] = lambda: None
        """Called after partitions went to another reader."""

    async def run(self) -> None:
        """Read and commit until cancelled."""
        source = kafka.consumer(self._settings, self._group, enable_partition_eof=True, session_timeout_ms=SESSION_MS)
        try:
            await source.subscribe([self._topic], on_revoke=self._revoke, on_lost=self._revoke)
            await self._follow(source)
        finally:
            await source.close()

    async def _follow(self, source: Any) -> None:
        last_commit, paused = 0.0, False
        while True:
            ended: set[int] = set()
            records = await kafka.read(source, wait_s=LOOK_S, ended=ended)
            await learn(self._settings, self._codec, records)
            for record in records:
                self._take_in(record)
            full = len(self.outbox) >= self._settings.pending
            if self.outbox.live(ended, everything=full):
                self.arrived.set()
            if full:
                await source.pause(await source.assignment())
                paused = True
            elif paused:
                await source.resume(await source.assignment())
                paused = False
            if time.monotonic() - last_commit >= COMMIT_S:
                await self._commit(source)
                last_commit = time.monotonic()

    def _take_in(self, record: kafka.Record) -> None:
        if record.value is None:
            self.outbox.add(record.partition, record.offset, None)
            return
        try:
            offer: ChannelAvailability = self._decode(record.value)
        except Undecodable as error:  # not of our making: the topic's other records must not wait for it
            LOG.error("%s: %s; it is passed over: who writes here?", record.coordinate, error)  # noqa: TRY400 - no trace
            self.outbox.add(record.partition, record.offset, None)
            return
        if not self._wants(offer):
            self.outbox.add(record.partition, record.offset, None)
            return
        change = Change(offer["sku"], record.partition, record.offset, record.coordinate, offer, time.monotonic())
        self.outbox.add(record.partition, record.offset, change)
        self.arrived.set()

    async def _commit(self, source: Any) -> None:
        ends = self.outbox.ends()
        if ends:
            offsets = [TopicPartition(self._topic, number, end) for number, end in ends.items()]
            try:
                await source.commit(offsets=offsets, asynchronous=False)
            except KafkaException as error:
                if error.args[0].name() not in REBALANCING:
                    raise
            else:
                self.outbox.committed(ends)

    async def _revoke(self, source: Any, partitions: list[TopicPartition]) -> None:
        del source
        self.outbox.drop(each.partition for each in partitions)
        self.revoked()


async def learn(settings: Shared, codec: Codec, records: Iterable[kafka.Record]) -> None:
    """Ask the registry for schemas of other writers (a newer release, say) before their records are decoded."""
    for schema_id in codec.unknown_ids(record.value for record in records):
        codec.learn(schema_id, await asyncio.to_thread(schema_of, client(settings), schema_id))

"""Reads a channel's topic into an outbox for one consumer group, and commits what is dealt with.

Offsets, with a note of the rules in force, are the only memory of what was delivered: whatever ends the process, the
next one reads from there.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, Final

from confluent_kafka import KafkaException, TopicPartition

from connectors import kafka
from connectors.bounded import bounds, up_to
from connectors.decoding import Decoding
from connectors.heartbeat import BROKER_S, beat, going_round, through
from connectors.outbound.commerce.feeds import Feeds
from connectors.outbound.commerce.outbox import Change, Outbox
from connectors.outbound.commerce.settings import Commerce
from connectors.outbound.commerce.told import Told
from schemas.codec import Codec
from schemas.records import ChannelAvailability
from schemas.trace_context import from_kafka
from tables.channels import Channel

log = logging.getLogger(__name__)
COMMIT_S: Final = 0.3
"""How often offsets are committed at most; a crash repeats no more than this and what was under way."""
LOOK_S: Final = 0.05
ASK_S: Final = 10.0
AGAIN_WITHIN_S: Final = 240.0
"""Longest time to read a channel once more; below the five minutes that a group waits for a silent member."""
SESSION_MS: Final = 10_000
"""After this long the partitions of a process that was killed go to another."""

Wants = Callable[[ChannelAvailability], bool]


class ChannelReader:
    """One consumer group's view of a channel. `arrived` is set when there is something new in the outbox."""

    def __init__(
        self,
        settings: Commerce,
        codec: Codec,
        channel: Channel,
        feeds: Feeds,
        group: str,
        wants: Wants = lambda _: True,
    ) -> None:
        self._settings, self._feeds, self._group, self._wants = settings, feeds, group, wants
        self._topic, self._decoding = channel.topic, Decoding(settings, codec)
        self.outbox, self.told = Outbox(), Told(channel)
        self.arrived = asyncio.Event()
        self.revoked: Callable[[], None] = lambda: None
        """Called after partitions went to another reader."""
        self._new: set[int] = set()
        self._at_end: set[int] = set()

    async def run(self) -> None:
        """Read and commit until cancelled."""
        source = kafka.consumer(self._settings, self._group, enable_partition_eof=True, session_timeout_ms=SESSION_MS)
        try:
            await source.subscribe([self._topic], on_assign=self._assign, on_revoke=self._revoke, on_lost=self._revoke)
            with going_round(f"reading for {self._group}"):
                await self._follow(source)
        finally:
            await source.close()

    async def _follow(self, source: Any) -> None:
        last_commit, paused = 0.0, False
        while True:
            beat()
            records = await kafka.read(source, wait_s=LOOK_S, ended=self._at_end)
            await self._decoding.learn_patiently([record.value for record in records])
            for record in records:
                self._take_in(record)
            await self._open(source)
            await self._heed_feeds(source)
            full = len(self.outbox) >= self._settings.pending
            self._go_on(everything=full)
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
        change = self._change(record)
        self.outbox.add(record.partition, record.offset, change)
        if change is not None:
            self.arrived.set()

    def _change(self, record: kafka.Record) -> Change | None:
        """What there is to tell; None for a deletion, what is no offer, and what is nobody's business here."""
        offer: ChannelAvailability | None = self._decoding.decoded(record)
        if offer is None or not self._wants(offer):
            return None
        trace = from_kafka(record.headers) if record.headers else None
        at = time.monotonic()
        return Change(offer["sku"], record.partition, record.offset, record.coordinate, offer, at, trace=trace)

    def _go_on(self, *, everything: bool) -> None:
        """Tell of partitions read to their end (or of all, where memory is full) whose rules are known."""
        mine = set(self.outbox.positions()) if everything else self._at_end
        if self.outbox.live(number for number in mine if self.told.ready(number)):
            self.arrived.set()

    # ---- feeds --------------------------------------------------------------------------------------------------

    async def _heed_feeds(self, source: Any) -> None:
        """Where feeds change what a rule gives: note it, then tell by the new one, all that it concerns anew."""
        now = self._feeds.now
        if doubted := self.told.doubt(now):
            if not await self._commit(source):
                return
            for partition in doubted:
                self.told.use(partition, now)
            for change in await self._named(doubted):
                self.outbox.anew(change)
            self.arrived.set()
        for partition in self.outbox.positions():
            if not self.outbox.telling_anew(partition):
                self.told.settled(partition)

    async def _named(self, places: dict[int, set[str]]) -> list[Change]:
        """The newest offers, of those read so far, that name one of a partition's locations: read once more."""
        ends = {number: end for number, end in self.outbox.positions().items() if number in places}
        if not ends:
            return []
        source = kafka.consumer(
            self._settings, f"{self._settings.app}.commerce.{self._topic}", enable_partition_eof=True
        )
        found: dict[tuple[int, bytes], Change | None] = {}
        try:
            lows = await bounds(source, self._topic)
            ends = {number: end for number, end in ends.items() if end > lows[number][0]}
            await source.assign([TopicPartition(self._topic, number, lows[number][0]) for number in ends])
            async for records in up_to(source, self._topic, ends, AGAIN_WITHIN_S):
                await self._decoding.learn_patiently([record.value for record in records])
                for record in records:
                    if record.offset < ends[record.partition]:
                        found[record.partition, record.key] = self._concerned(record, places[record.partition])
        finally:
            await source.close()
        return [change for change in found.values() if change is not None]

    def _concerned(self, record: kafka.Record, places: set[str]) -> Change | None:
        change = self._change(record)
        if change is None or places.isdisjoint(place["location"] for place in change.offer["by_location"]):
            return None
        return change

    # ---- the group ----------------------------------------------------------------------------------------------

    async def _assign(self, source: Any, partitions: list[TopicPartition]) -> None:
        self._new |= {each.partition for each in partitions}
        # librdkafka keeps a partition paused beyond its assignment, and `_follow` resumes only what is ours when there
        # is room again. Where there is none, it pauses these with the others at once.
        await source.resume(partitions)
        log.info("partitions assigned", extra={"topic": self._topic, "partitions": sorted(self._new)})

    async def _open(self, source: Any) -> None:
        """Learn where new partitions stand and under which rules that was told; until then nothing of them is."""
        if not self._new:
            return
        asked = [TopicPartition(self._topic, number) for number in self._new]
        try:
            found = await source.committed(asked, timeout=ASK_S)
        except KafkaException as error:
            if kafka.moved(error):
                return
            raise
        for each in kafka.without_errors(found):
            if each.partition in self._new:  # not taken away in the meantime
                self._new.discard(each.partition)
                self.outbox.open(each.partition, max(each.offset, -1))
                self.told.open(each.partition, each.metadata)

    async def _commit(self, source: Any) -> bool:
        """Commit what has moved; False where a rebalance is under way."""
        ends, notes = self.outbox.told(), self.told.notes()
        moved = self.outbox.ends()
        due = {n: end for n, end in ends.items() if n in notes and (n in moved or self.told.news(n))}
        if not due:
            return True
        offsets = [TopicPartition(self._topic, number, end, notes[number]) for number, end in due.items()]
        try:
            await through(source.commit(offsets=offsets, asynchronous=False), BROKER_S)
        except KafkaException as error:
            if not kafka.moved(error):
                raise
            return False
        self.outbox.committed(due)
        for number in due:
            self.told.committed(number, notes[number])
        return True

    async def _revoke(self, source: Any, partitions: list[TopicPartition]) -> None:
        del source
        gone = [each.partition for each in partitions]
        log.info("partitions revoked", extra={"topic": self._topic, "partitions": gone})
        self._new.difference_update(gone)
        self._at_end.difference_update(gone)
        self.outbox.drop(gone)
        for number in gone:
            self.told.drop(number)
        self.revoked()

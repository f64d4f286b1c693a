"""The view's loop: read, decode, apply; wait when something is away; start over when Redis lost what it had.

Positions live in Redis, beside the data and written with it, so whatever happens to either is seen as one.
"""

import asyncio
import logging
import time
from collections.abc import Iterable
from datetime import UTC, datetime

from connectors import view_keys as keys
from connectors.away import Away, pauses
from connectors.decoding import Decoding
from connectors.heartbeat import beat, going_round
from connectors.kafka import Record
from connectors.outbound.redis_view import metrics
from connectors.outbound.redis_view.changes import Changes
from connectors.outbound.redis_view.places import Partition, Place, Places
from connectors.outbound.redis_view.reader import Reader
from connectors.outbound.redis_view.settings import Settings
from connectors.outbound.redis_view.store import NotTheView, Store
from schemas.clock import wall_ms
from schemas.codec import Undecodable

log = logging.getLogger("redis-view")
CHECK_S = 1.0
LOGGED_PER_TOPIC = 20
"""Undecodable records told one by one; after that they are only counted, and told by the thousand."""


class Batch:
    """What one look at Kafka brought: changes, and how far each partition gets with them."""

    def __init__(self, app: str) -> None:
        self.changes = Changes(app)
        self.reached: dict[Partition, int] = {}
        self.ends: dict[Partition, int] = {}
        self.since: int | None = None
        """When the first record of a partition that is live was written (wall clock, ms)."""


class View:
    """One instance of the view; `run` until told to stop."""

    def __init__(
        self, settings: Settings, topics: list[str], store: Store, decoding: Decoding, stopping: asyncio.Event
    ) -> None:
        self._settings, self._topics, self._store, self._decoding = settings, topics, store, decoding
        self._stopping = stopping
        self.places = Places()
        self.reader = Reader(settings, topics, self._assigned, self._revoked)
        self.away: tuple[Away, datetime] | None = None
        """What is away and since when."""
        self.joined = False
        self.partitions: list[Partition] = []
        """Of all the view's topics, whoever has them."""
        self._astray = False
        self._told: Away | None = None
        self._checked = time.monotonic()
        self._applying: asyncio.Task[None] | None = None

    # ---- the group's doing --------------------------------------------------------------------------------------

    async def _assigned(self, partitions: list[Partition]) -> None:
        self.joined = True
        log.info("partitions assigned", extra={"partitions": [*map(str, partitions)]})
        self.places.assign(partitions)

    async def _revoked(self, partitions: list[Partition]) -> None:
        """The next owner starts where Redis stands, so what is under way there ends first."""
        if self._applying is not None:
            await asyncio.wait([self._applying])
        log.info("partitions revoked", extra={"partitions": [*map(str, partitions)]})
        self.places.revoke(partitions)

    def tell(self, away: Away) -> None:
        """Somebody else has noticed first."""
        self._told = away

    # ---- the loop -----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        self.partitions = await self.reader.partitions()
        await self.reader.subscribe()
        with going_round("the view"):
            while not self._stopping.is_set():
                beat()
                try:
                    await self._turn()
                except Away as away:
                    await self._wait_for(away)
                except NotTheView as other:
                    self.start_over(other)
        await self._settle(heeding=False)

    async def _turn(self) -> None:
        if self._told is not None:
            raise self._told
        if self._astray:
            await self._settle(heeding=False)
            self._astray = False
            await self.reader.still(self.places.all)
            self.places.close()
            await self._store.open()
        if self.places.unopened:
            await self._settle()
            await self._open(sorted(self.places.unopened))
        records, ends = await self.reader.read()
        await self._decoding.learn(record.value for record in records)
        batch = self._batch(records, ends)
        await self._settle()
        if batch.reached or batch.ends:
            self._applying = asyncio.create_task(self._apply(batch))
        elif time.monotonic() > self._checked + CHECK_S:
            await self._check()

    def start_over(self, other: NotTheView) -> None:
        """Read all positions again before anything else is applied."""
        if not self._astray:
            level = logging.WARNING if other.why == "emptied" else logging.INFO
            log.log(level, "positions are read again: %s", other)
            metrics.REPOSITIONED.labels(other.why).inc()
        self._astray = True

    async def _settle(self, *, heeding: bool = True) -> None:
        """Wait for the batch under way; raise what came of it, or not."""
        task, self._applying = self._applying, None
        if task is None:
            return
        await asyncio.wait([task])
        if heeding:
            task.result()
        else:
            task.exception()

    async def _open(self, partitions: list[Partition]) -> None:
        """Find out where Redis stands and read on from there."""
        if await self._store.open():
            log.info("the view's marker is %s", self._store.epoch)
            if policy := await self._store.evicts():
                log.warning("maxmemory-policy is %s: Redis may make holes in the view; set it to noeviction", policy)
        stored = await self._store.positions(partitions)
        extents = await self.reader.extents(partitions)
        found = {}
        for partition, (offset, built) in zip(partitions, stored, strict=True):
            low, high = extents[partition]
            if offset and int(offset) > high:
                await self._store.forget()
                raise NotTheView(
                    "emptied", f"{partition[0]}[{partition[1]}] ends at {high}, before {offset}: another log"
                )
            begin = max(low, int(offset)) if offset else low
            found[partition] = Place(offset, begin, low, high, high, built=built)
        mine = {partition: place for partition, place in found.items() if partition in self.places.unopened}
        await self.reader.start({partition: place.next for partition, place in mine.items()})
        self.places.open(mine)
        await self._mark_built()

    async def _check(self) -> None:
        """With nothing to do: does Redis still stand where it stood? After a failover to a copy it may not."""
        self._checked = time.monotonic()
        partitions = list(self.places.opened)
        found = await self._store.positions(partitions) if partitions else []
        for partition, (offset, _) in zip(partitions, found, strict=True):
            if offset != self.places.opened[partition].stored:
                raise NotTheView("moved", keys.offset_field(*partition))

    def _batch(self, records: Iterable[Record], ends: dict[Partition, int]) -> Batch:
        batch = Batch(self._settings.app)
        for record in records:
            place = self.places.opened.get((record.topic, record.partition))
            if place is None or record.offset < place.next:
                continue
            self._add(batch.changes, record)
            if place.live and batch.since is None and record.timestamp > 0:
                batch.since = record.timestamp
            place.next = batch.reached[record.topic, record.partition] = record.offset + 1
        batch.ends = {partition: offset for partition, offset in ends.items() if partition in self.places.opened}
        return batch

    def _add(self, changes: Changes, record: Record) -> None:
        """A record that cannot be read is told and passed over."""
        try:
            value = None if record.value is None else self._decoding.decode(record.topic, record.value)
            changes.add(record.topic, record.key.decode(), value, record.timestamp)
        except (Undecodable, UnicodeDecodeError) as error:
            counter = metrics.RECORDS.labels(record.topic, "undecodable")
            counter.inc()
            number = int(counter._value.get())  # noqa: SLF001 - a counter's own reading
            if number <= LOGGED_PER_TOPIC or number % 1000 == 0:
                text = "%s is left out of the view (number %d of its topic): %s"
                told = {"coordinate": record.coordinate}
                log.error(text, record.coordinate, number, error, extra=told)  # noqa: TRY400 - the sender's fault, not ours

    async def _apply(self, batch: Batch) -> None:
        """Bring one batch into Redis; positions move only when it is there."""
        places = self.places.opened
        steps = {p: (places[p].stored, str(offset)) for p, offset in batch.reached.items() if p in places}
        if steps:
            begun = time.monotonic()
            counts = await self._store.apply(batch.changes, steps)
            metrics.BATCH.observe(time.monotonic() - begun)
            if batch.since is not None:
                metrics.WAIT.observe(max(0, wall_ms() - batch.since) / 1000)
            for topic, (applied, old) in counts.items():
                metrics.RECORDS.labels(topic, "applied").inc(applied)
                metrics.RECORDS.labels(topic, "old").inc(old)
        for partition, (_, following) in steps.items():
            if place := places.get(partition):
                place.stored = following
                place.reach(int(following))
        for partition, end in batch.ends.items():
            if place := places.get(partition):
                place.reach(end)
        await self._mark_built()

    async def _mark_built(self) -> None:
        """Tell Redis, once, which partitions have been read to their end."""
        places = self.places.opened
        if new := [partition for partition, place in places.items() if place.live and not place.built]:
            await self._store.mark_built(new)
            for partition in new:
                places[partition].built = True

    # ---- outages ------------------------------------------------------------------------------------------------

    async def _wait_for(self, away: Away) -> None:
        """Stay in the group with everything still until what is away has come back; then read all positions again."""
        since = datetime.now(UTC)
        self.away = away, since
        metrics.OUTAGES.labels(away.what).inc()
        metrics.AWAY.labels(away.what).set(1)
        log.warning("%s", away)
        await self._settle(heeding=False)
        await self.reader.still(self.places.all)
        self.places.close()
        self._told = None
        for pause in pauses():
            again = time.monotonic() + pause
            while time.monotonic() < again and not self._stopping.is_set():
                beat()
                await self.reader.keep_alive()
            if self._stopping.is_set() or await self._is_back(away):
                break
        self.away = self._told = None
        metrics.AWAY.labels(away.what).set(0)
        log.warning("%s is back after %.1f s", away.what, (datetime.now(UTC) - since).total_seconds())

    async def _is_back(self, away: Away) -> bool:
        """Ask what was away; the loop finds out whether the rest is there."""
        try:
            match away.what:
                case "redis":
                    await self._store.open()
                case "kafka":
                    await self.reader.ends(sorted(self.places.all)[:1])
                case _:
                    await self._decoding.load(self._topics)
        except Exception as error:  # noqa: BLE001 - the registry's and the clients' errors differ; the next try tells
            log.info("%s is still away: %s", away.what, error)
            return False
        return True

"""One consumer group over erp.postings: reads, routes, holds what is under way, commits what is settled and told.

    erp.postings ─► decode ─► route ─► window ─► system (lanes ─► attempt) ─► erp.posting-results ─► commit
                      └► dead-letters  └► exceptions       └► exceptions (refused)

The systems of record share one group; each shadow system has a group of its own, so that it never holds them up.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.aio import AIOConsumer

from connectors.decoding import Decoding
from connectors.heartbeat import BROKER_S, DELIVERY_S, beat, going_round, through
from connectors.kafka import Record, consumer, moved, read, without_errors
from connectors.outbound.erp import metrics
from connectors.outbound.erp.adapter import OPERATIONS, Answer
from connectors.outbound.erp.comparison import Answers, Comparison
from connectors.outbound.erp.driver import Driver, decode_notes, encode_notes
from connectors.outbound.erp.epoch import in_epoch
from connectors.outbound.erp.lanes import Entry
from connectors.outbound.erp.results import POSTINGS, Results
from connectors.outbound.erp.routing import Ambiguous, Route, Routing
from connectors.outbound.erp.settings import Settings
from connectors.outbound.erp.window import Track
from schemas.codec import Codec, Undecodable
from schemas.records import ErpPosting

log = logging.getLogger(__name__)
READ: Final = 500
LOOK_S: Final = 0.05
REMEMBERED: Final = 100_000
"""Documents whose system was found out, kept so that it need not be asked again."""


class Connector:
    """Runs one group until `stop`. `shadow` names the shadow system it serves; empty: the systems of record."""

    def __init__(self, settings: Settings, routing: Routing, codec: Codec, results: Results, shadow: str = "") -> None:
        self._settings, self._routing, self._codec, self._results, self._shadow = (
            settings,
            routing,
            codec,
            results,
            shadow,
        )
        self.group = f"{settings.app}-erp-shadow-{shadow}" if shadow else f"{settings.app}-erp"
        self.drivers: dict[str, Driver] = {}
        self.answers = Answers()
        self.comparison: Comparison | None = None
        self._tracks: dict[int, Track] = {}
        self._systems: OrderedDict[str, dict[tuple[str, ...], str]] = OrderedDict()
        """By document and by the systems that may have it: the one that was found to have it, or takes it."""
        self._consumer: AIOConsumer
        self._decoding = Decoding(settings, codec)
        self._stopping = False
        self._beat: Callable[[], None] = lambda: None
        """For what the group calls, outside of the loop."""
        self._started = asyncio.Event()
        self._committed: dict[int, tuple[int, str]] = {}
        self._commit_at = 0.0
        self._patience_s = settings.total_timeout_ms / 1000 + 5

    # ---- running ------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Read until told to stop, then let what is under way end and commit it."""
        self._consumer = consumer(
            self._settings,
            self.group,
            session_timeout_ms=self._settings.session_timeout_ms,
            heartbeat_interval_ms=max(500, self._settings.session_timeout_ms // 3),
            queued_max_messages_kbytes=16_384,
        )
        await self._consumer.subscribe(
            [POSTINGS], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost
        )
        try:
            async with asyncio.TaskGroup() as systems:
                running = [systems.create_task(driver.run()) for driver in self.drivers.values()]
                if self.comparison is not None:
                    running.append(systems.create_task(self.comparison.run()))
                with going_round(f"reading for {self.group}") as heartbeat:
                    self._beat = heartbeat.beat
                    while not self._stopping:
                        beat()
                        await self._take(await read(self._consumer, READ, LOOK_S))
                        await self._keep_house()
                await asyncio.gather(*(driver.stop(self._patience_s) for driver in self.drivers.values()))
                for task in running:
                    task.cancel()
            await self._commit()
        finally:
            await self._consumer.close()

    def stop(self) -> None:
        self._stopping = True

    # ---- one read -----------------------------------------------------------------------------------------------

    async def _take(self, records: list[Record]) -> None:
        # Meanwhile nothing is read again: a position that moved back would be put forward by the records in hand.
        await self._decoding.learn_patiently([record.value for record in records], self._commit_when_due)
        told: list[Awaitable[None]] = []
        for record in records:
            track = self._tracks.get(record.partition)
            if track is None or track.seen(record.offset):
                continue
            try:
                posting = self._decoded(record)
            except Undecodable as error:
                told.append(self._results.dead_letter(record, error))
                continue
            self._place(track, record, posting, told)
        if told:  # the position is past them: they are told before anything is committed
            await through(asyncio.gather(*told), DELIVERY_S)

    def _decoded(self, record: Record) -> ErpPosting:
        if record.value is None:
            raise Undecodable("NULL_VALUE", "a posting without a value")
        posting: ErpPosting = self._codec.decode(POSTINGS, record.value)
        return in_epoch(posting, self._settings.epoch)

    def _place(self, track: Track, record: Record, posting: ErpPosting, told: list[Awaitable[None]]) -> None:
        """Hand a posting to its system, leave it in the topic for later, or say what is wrong with it."""
        try:
            route = self._routing.route(posting)
        except Ambiguous as error:
            if not self._shadow:
                told.append(self._refuse(record, posting, "ROUTING_AMBIGUOUS", str(error)))
            return
        if self._shadow:
            if self._shadow not in route.shadow:
                return
            route = Route(self._shadow)
        if posting["operation"] not in OPERATIONS:
            if not self._shadow:
                known = ", ".join(OPERATIONS)
                told.append(
                    self._refuse(
                        record, posting, "UNKNOWN_OPERATION", f"no operation {posting['operation']}; there are {known}"
                    )
                )
            return
        entry = Entry(record, posting, route.system, posting["document"])
        entry.ask = record.offset < track.ask_below
        self._choose(entry, route)
        if self._routing.systems[entry.system].adapter == "csv":
            entry.document = entry.system  # a file has one order for all of it
        driver = self.drivers[entry.system]
        note = driver.notes(record.partition)
        promised = note is not None and record.offset < note[1]
        if track.admit(entry, lambda other: self.drivers[other.system].withdraw(other), promised=promised):
            driver.add(entry)
        else:
            driver.urge(record.partition)

    def _choose(self, entry: Entry, route: Route) -> None:
        """Keep a document that may change over with the system that has it, by what the systems say alone.

        What was found out before only spares the question: for the same systems, while no other rule gave the document
        to one of them, and where nothing of the document is still under way in a system asked earlier.
        """
        if not route.former:
            self._systems.pop(entry.document, None)
            return
        entry.chain = route.chain
        known = self._systems.get(entry.document, {}).get(entry.chain)
        earlier = () if known is None else entry.chain[: entry.chain.index(known)]
        if known is None or any(self.drivers[system].has(entry.document) for system in earlier):
            entry.system, entry.former = route.former[0], route.former
        else:
            entry.system = known

    async def _refuse(self, record: Record, posting: ErpPosting, category: str, reason: str) -> None:
        """A posting no system gets: an exception, and REFUSED in the audit trail."""
        await self._results.exception(
            category,
            posting,
            reason,
            coordinate=record.coordinate,
            evidence={"document": posting["document"], "operation": posting["operation"]},
            original=record.value or b"",
        )
        await self._results.attempt(posting, "REFUSED", system="", attempt=1, reason=f"{category}: {reason}")

    # ---- what the systems say -----------------------------------------------------------------------------------

    def settled(self, entry: Entry, answer: Answer | None) -> None:
        """Its result is written: it need not be read again, unless a shadow's answer is still to be compared."""
        if self._shadow and self.comparison is not None and answer is not None:
            self.comparison.add(entry, answer)
            return
        self.answers.remember(entry, answer)
        self.finished(entry)

    def finished(self, entry: Entry) -> None:
        """Nothing more is to be done about it."""
        track = self._tracks.get(entry.record.partition)
        if track is not None and not entry.dropped:
            track.finished(entry)

    def move(self, entry: Entry, system: str) -> None:
        """`system` has nothing of the document: the next one gets the posting."""
        entry.former = entry.former[1:] if entry.former and entry.former[0] == system else entry.former
        following = entry.former[0] if entry.former else entry.chain[-1]
        if not entry.former:
            self._remember(entry, following)
        track = self._tracks.get(entry.record.partition)
        if track is not None and not entry.dropped:
            track.moved(entry, following)
            self.drivers[following].add(entry)

    def keep(self, entry: Entry, system: str) -> None:
        """`system` has some of the document and keeps it."""
        self._remember(entry, system)

    def _remember(self, entry: Entry, system: str) -> None:
        self._systems.setdefault(entry.document, {})[entry.chain] = system
        self._systems.move_to_end(entry.document)
        if len(self._systems) > REMEMBERED:
            self._systems.popitem(last=False)

    # ---- offsets ------------------------------------------------------------------------------------------------

    async def _keep_house(self) -> None:
        """Read again what was left, pause at the horizon, and commit when it is time."""
        for track in list(self._tracks.values()):
            place = TopicPartition(POSTINGS, track.partition)
            if track.full != track.paused:
                track.paused = track.full
                await (self._consumer.pause([place]) if track.full else self._consumer.resume([place]))
            start = track.again_from()
            if start is not None:
                await self._consumer.seek(TopicPartition(POSTINGS, track.partition, start))
        await self._commit_when_due()

    async def _commit_when_due(self) -> None:
        if time.monotonic() >= self._commit_at:
            self._commit_at = time.monotonic() + self._settings.commit_interval_ms / 1000
            for track in list(self._tracks.values()):
                _, end = await self._consumer.get_watermark_offsets(
                    TopicPartition(POSTINGS, track.partition), cached=True
                )
                track.end = max(track.end, end)
            await self._commit()

    async def _commit(self) -> None:
        await self._commit_of(list(self._tracks.values()))

    async def _commit_of(self, tracks: list[Track]) -> None:
        places = []
        for track in tracks:
            offset, note = track.committable(), self._note(track.partition)
            if self._committed.get(track.partition) != (offset, note):
                places.append(TopicPartition(POSTINGS, track.partition, offset, note))
        if not places:
            return
        try:
            await through(self._consumer.commit(offsets=places, asynchronous=False), BROKER_S)
        except KafkaException as error:
            if not moved(error):  # the next owner reads again, and asks before it sends
                raise
            log.info("offsets not committed: %s", error)
            return
        for place in places:
            self._committed[place.partition] = place.offset, place.metadata or ""
            notes = decode_notes(place.metadata)
            for name, driver in self.drivers.items():
                driver.committed(place.partition, notes.get(name))

    def _note(self, partition: int) -> str:
        return encode_notes({name: driver.notes(partition) for name, driver in self.drivers.items()})

    # ---- partitions come and go ---------------------------------------------------------------------------------

    async def _assigned(self, source: AIOConsumer, places: list[TopicPartition]) -> None:
        """Start each partition where it was committed; whatever stands in it by now may have been sent."""
        _tell("assigned", places)
        starts = []
        for place in without_errors(await source.committed(places, timeout=30.0)):
            self._beat()
            low, high = await source.get_watermark_offsets(place, timeout=30.0)
            start = max(place.offset, low)
            track = Track(place.partition, start, high, limit=self._settings.window, horizon=self._settings.horizon)
            notes = decode_notes(place.metadata)
            for name, driver in self.drivers.items():
                await driver.assigned(place.partition, notes.get(name))
            self._tracks[place.partition] = track
            self._committed.pop(place.partition, None)
            starts.append(TopicPartition(place.topic, place.partition, start))
        await source.incremental_assign(starts)
        # librdkafka keeps a partition paused beyond its assignment: one that left while it was would stay so for good.
        await source.resume(starts)
        self._share()
        self._started.set()

    async def _revoked(self, source: AIOConsumer, places: list[TopicPartition]) -> None:
        """Let what is under way end, commit it, and let go."""
        tracks = [self._tracks[place.partition] for place in places if place.partition in self._tracks]
        patience = min(self._patience_s, self._settings.session_timeout_ms / 2000)
        for track in tracks:
            self._beat()
            await asyncio.gather(*(driver.drop(track.partition, patience) for driver in self.drivers.values()))
        await self._commit_of(tracks)
        for place in places:
            self._forget(place.partition)
        await source.incremental_unassign(places)
        self._share()
        _tell("revoked", places)

    async def _lost(self, source: AIOConsumer, places: list[TopicPartition]) -> None:
        """Another instance has them already: stop at once, commit nothing."""
        _tell("lost", places)
        for place in places:
            self._forget(place.partition)
            for driver in self.drivers.values():
                await driver.drop(place.partition, 0)
        await source.incremental_unassign(places)
        self._share()

    def _forget(self, partition: int) -> None:
        """It is another instance's from now on: so is its backlog, which summed over instances must not count twice."""
        self._tracks.pop(partition, None)
        metrics.BACKLOG.remove(self.group, str(partition))

    def _share(self) -> None:
        """Divide the window fairly, so that no partition and no system that is down takes all of it."""
        parts = max(1, len(self._tracks) * len(self.drivers))
        for track in self._tracks.values():
            track.limit = max(10, self._settings.window // parts)

    # ---- how it is ----------------------------------------------------------------------------------------------

    def measure(self) -> None:
        """Bring the gauges up to date, as of now."""
        now = self._results.now()
        ages = [now - oldest for track in self._tracks.values() if (oldest := track.oldest()) is not None]
        metrics.OLDEST_SECONDS.labels(self.group).set(max(0, max(ages, default=0)) / 1000)
        metrics.LEFT.labels(self.group).set(sum(track.left.total() for track in self._tracks.values()))
        for track in self._tracks.values():
            committed = self._committed.get(track.partition, (track.position, ""))[0]
            metrics.BACKLOG.labels(self.group, str(track.partition)).set(max(0, track.end - committed))
        for name in self.drivers:
            metrics.WAITING.labels(self.group, name).set(sum(track.count[name] for track in self._tracks.values()))

    def state(self) -> dict[str, Any]:
        """For /readyz: backlog in offsets, age of the oldest posting in seconds, and each system."""
        now = self._results.now()
        tracks = self._tracks.values()
        ages = [now - oldest for track in tracks if (oldest := track.oldest()) is not None]
        return {
            "partitions": sorted(self._tracks),
            "backlog": sum(
                max(0, track.end - self._committed.get(track.partition, (track.position, ""))[0]) for track in tracks
            ),
            "held": sum(len(track.held) for track in tracks),
            "left_in_topic": sum(track.left.total() for track in tracks),
            "oldest_s": max(0, max(ages, default=0)) / 1000,
            "systems": {name: driver.state() for name, driver in self.drivers.items()},
        }

    @property
    def assigned(self) -> bool:
        """Whether the group has said which partitions are ours."""
        return self._started.is_set()

    def read_to(self, partition: int, system: str) -> int:
        """Below this offset all that a system gets of a partition was read and is held by it, or settled."""
        track = self._tracks.get(partition)
        return 0 if track is None else track.read_to(system)

    def clear_to(self, partition: int, system: str) -> int:
        """The first offset of a partition that may be the system's and is not in its hands; beyond all if none."""
        track = self._tracks.get(partition)
        return 0 if track is None else track.clear_to(system)

    def committed(self, partition: int) -> int | None:
        """The offset below which everything of a partition is settled; None: another instance has it."""
        return self._committed[partition][0] if partition in self._tracks and partition in self._committed else None


def _tell(what: str, places: Iterable[TopicPartition]) -> None:
    log.info("partitions %s", what, extra={"topic": POSTINGS, "partitions": sorted(p.partition for p in places)})

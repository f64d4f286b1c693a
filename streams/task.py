"""One partition number: its tables, its producer, its transactions.

A task runs every stage of its partition. Chunks are folded as they come; a commit loop carries what has gathered
(changed rows, outputs, input offsets) in one transaction. Memory runs ahead of the log only by that, and any failure
leaves the process, so the log is always the truth.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.producer import sender

from schemas.clock import Clock, wall_ms
from schemas.trace_context import TraceContext
from schemas.tracing import tracer
from streams import metrics, telling, turned_away
from streams.delivery import Delivery, Send
from streams.pace import Pace
from streams.stages import Rows, StageRun
from streams.stores import Progress, read_back
from streams.traces import ChunkSpan, Headers, Traces, transaction
from streams.turned_away import TurnedAway
from tables.outcome import Outcome

# A transaction that begins while the markers of the one before are written is told to wait; markers take 1 to 3 ms here,
# aiokafka's 20 would be most of our commit interval.
sender.BACKOFF_OVERRIDE = 0.003
EACH: Final = 7
"""Of so many records one tells how long it waited: enough to know the share that is late, and no cost a record. An odd
number, as marks of transactions take every other offset of a quiet topic."""

Encode = Callable[[str, Mapping[str, Any]], bytes]
Partition = Callable[[str, bytes], int]


@dataclass(frozen=True, slots=True)
class TaskPlan:
    """What all tasks of a worker share."""

    app: str
    client: Mapping[str, Any]
    encode: Encode
    partition: Partition
    compacted: frozenset[str]
    """Topics of which only the newest record of a key counts: a transaction carries no other."""
    clock: Clock
    changelogs: Mapping[str, str]
    interval: float
    timeout_ms: int
    pace: Pace
    learn: Callable[[Sequence[Any]], Awaitable[None]]
    """Asks the registry about schemas in a chunk that are new here."""
    traces: Traces
    """Which traces what comes in belongs to."""
    leave: Callable[[BaseException, str], None]
    """Called with a failure that memory cannot survive; does not return."""


class Pending:
    """What the next transaction will carry."""

    __slots__ = ("away", "began", "chunks", "count", "headers", "newest", "offsets", "outputs", "rows")

    def __init__(self) -> None:
        self.rows: dict[str, dict[bytes, bytes | None]] = defaultdict(dict)
        self.newest: dict[str, dict[str, Mapping[str, Any]]] = defaultdict(dict)
        self.outputs: dict[tuple[str, int], list[Send]] = defaultdict(list)
        self.offsets: dict[TopicPartition, int] = {}
        self.count = 0
        self.began = 0.0
        """When the first of it was folded (perf_counter)."""
        self.headers: dict[tuple[str, int], dict[int, Headers]] = {}
        """Of outputs that belong to a trace, by their place among those of their partition."""
        self.chunks: list[TraceContext] = []
        """Spans of the chunks it was folded from, where spans are made."""
        self.away: TurnedAway | None = None
        """What the log says of it once it is committed, where anybody listens."""

    def __bool__(self) -> bool:
        return bool(self.offsets or self.outputs or self.newest or self.rows)


class Task:
    """Owns one partition number of every keyed topic."""

    MOST_PENDING = 60_000  # outputs gathered before folding waits for the commit in flight

    def __init__(self, plan: TaskPlan, partition: int, stages: Mapping[str, StageRun]) -> None:
        self.plan, self.partition, self.stages = plan, partition, stages
        self.closed = True
        self.progressed = time.monotonic()
        self._waits_since: float | None = None
        self._under_way = False
        self._coming: dict[str, int] = {}
        self._looked_at = plan.compacted | telling.RARE.keys()
        self._known_traces = plan.traces.known
        self._pending = Pending()
        self._next: dict[str, int] = {}
        self._work = asyncio.Event()
        self._idle = asyncio.Event()
        self._room = asyncio.Event()
        self._producer: AIOKafkaProducer | None = None
        self._loop: asyncio.Task[None] | None = None

    @property
    def transactional_id(self) -> str:
        return f"{self.plan.app}-{self.partition}"

    # ---- owning -------------------------------------------------------------------------------------------------

    async def own(self, progress: Progress) -> None:
        """Fence any older owner, then read the tables back. Order matters: after the fence the log is still."""
        self._producer = AIOKafkaProducer(
            **self.plan.client,
            transactional_id=self.transactional_id,
            transaction_timeout_ms=self.plan.timeout_ms,
            retry_backoff_ms=3,  # the broker verifies a transaction's first write and asks once to try again
            max_batch_size=512 << 10,
            linger_ms=0,
        )
        await self._producer.start()
        tables: dict[str, Rows] = await read_back(self.plan.changelogs, self.partition, self.plan.client, progress)
        for name, stage in self.stages.items():
            stage.recover(tables[name])
        self.resume()
        self._loop = asyncio.ensure_future(self._commit_loop())

    def resume(self) -> None:
        """Take chunks again.

        What was folded before stays known: a commit is told before its markers are written, so the group's offsets may
        still be those before it, and the chunks come once more.
        """
        self._coming.clear()
        self.progressed = time.monotonic()
        self.closed = False

    async def quiesce(self) -> None:
        """Take no more chunks and wait until all that was folded is committed."""
        self.closed = True
        self._work.set()
        while self._pending or not self._idle.is_set():
            self._idle.clear()
            self._work.set()
            await self._idle.wait()

    async def release(self) -> None:
        """Give the partition back; call quiesce first."""
        self.closed = True
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.wait([self._loop], timeout=5)
        if self._producer is not None:
            await asyncio.wait_for(self._producer.stop(), 5)

    # ---- waiting ------------------------------------------------------------------------------------------------

    def coming(self, topic: str, following: int) -> None:
        """Fetched up to here, and on its way to `feed`."""
        self._coming[topic] = following

    def look(self, lag: int) -> None:
        """Note whether anything waits for a commit: at the broker, on its way, in memory or in a transaction."""
        ahead = lag > 0 or any(self._next.get(topic, 0) < following for topic, following in self._coming.items())
        if self._under_way or self._pending or (ahead and not self.closed):
            self._waits_since = self._waits_since or time.monotonic()
        else:
            self._waits_since = None

    def waits(self) -> float:
        """For how long it has waited without a commit (s), as of the last look; 0 where nothing does."""
        since = self._waits_since
        return 0.0 if since is None else max(0.0, time.monotonic() - max(since, self.progressed))

    # ---- folding ------------------------------------------------------------------------------------------------

    async def feed(self, stage: str, topic: str, run: Sequence[Any]) -> None:
        """Fold one chunk of one topic into its stage."""
        while self._pending.count > self.MOST_PENDING:
            self._room.clear()
            await self._room.wait()
        await self.plan.pace.room()
        await self.plan.learn(run)
        if self.closed:
            return
        expected = self._next.get(topic)
        if expected is not None and run[0].offset < expected:
            run = [record for record in run if record.offset >= expected]
            if not run:
                return
        began = time.perf_counter()
        _waited(topic, run)
        traced = [record for record in run if record.headers]
        contexts = self.plan.traces.note(topic, traced) if traced else ()
        span = ChunkSpan(self.plan.app, stage, topic, run, contexts) if tracer.wanted(contexts) else None
        self.collect(stage, self.stages[stage].step(topic, run, self.plan.clock()))
        if span is not None and (told := span.end()) is not None:
            self._pending.chunks.append(told)
        self._next[topic] = self._pending.offsets[TopicPartition(topic, self.partition)] = run[-1].offset + 1
        metrics.CHUNK_SECONDS.labels(stage).observe(time.perf_counter() - began)
        metrics.EVENTS.labels(stage).inc(len(run))
        self._work.set()

    def sweep(self) -> None:
        """Let every stage say what has fallen due."""
        if self.closed:
            return
        now = self.plan.clock()
        for name, stage in self.stages.items():
            self.collect(name, stage.sweep(now))
        if self._pending:
            self._work.set()

    def settle(self, keys: set[str]) -> None:
        """Reference data under these keys came or changed: take the input that waited for it again."""
        if self.closed:
            return
        now = self.plan.clock()
        for name, stage in self.stages.items():
            self.collect(name, stage.settle(keys, now))
        if self._pending:
            self._work.set()

    def collect(self, stage: str, outcome: Outcome) -> None:
        """Gather a step's rows and outputs for the next transaction."""
        pending = self._pending
        if not pending:
            pending.began = time.perf_counter()
        if outcome.rows:
            pending.rows[stage].update(outcome.rows)
        if outcome.measures:
            telling.measured(outcome.measures)
        compacted, looked_at, newest = self.plan.compacted, self._looked_at, pending.newest
        for topic, key, record in outcome.outputs:
            if topic not in looked_at:
                self._encode(pending, topic, key, record)
            elif topic in compacted:
                before = newest[topic].get(key)
                newest[topic][key] = record if before is None else _in_place_of(before, record)
            else:
                telling.RARE[topic](record)
                self._note(pending, topic, record)
                self._encode(pending, topic, key, record)
        pending.count += len(outcome.outputs) + len(outcome.rows)

    def _note(self, pending: Pending, topic: str, record: Mapping[str, Any]) -> None:
        if turned_away.listened_to():
            pending.away = pending.away or TurnedAway()
            pending.away.note(topic, record, self.plan.traces.of(record) if self.plan.traces else ())

    def _encode(self, pending: Pending, topic: str, key: str, record: Mapping[str, Any]) -> None:
        raw = key.encode()
        place = topic, self.plan.partition(topic, raw)
        sends = pending.outputs[place]
        if self._known_traces and (headers := self.plan.traces.of(record)):
            pending.headers.setdefault(place, {})[len(sends)] = headers
        sends.append((raw, self.plan.encode(topic, record)))

    # ---- committing ---------------------------------------------------------------------------------------------

    async def _commit_loop(self) -> None:
        try:
            while True:
                await self._work.wait()
                self._work.clear()
                if not self._pending:
                    self._idle.set()
                    continue
                self._idle.clear()
                began = time.monotonic()
                self._under_way = True
                await self._commit()
                self._under_way = False
                if not self._pending:
                    self._idle.set()
                elif (rest := self.plan.interval - (time.monotonic() - began)) > 0 and not self.closed:
                    await asyncio.sleep(rest)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever it is, memory is ahead of the log now
            self.plan.leave(error, f"transaction of partition {self.partition}")

    async def _commit(self) -> None:
        pending, self._pending = self._pending, Pending()
        self._room.set()
        for name, records in pending.newest.items():
            for key, record in records.items():
                self._encode(pending, name, key, record)
        producer = self._producer
        assert producer is not None
        began = time.perf_counter()
        span = transaction(self.partition, pending.chunks, len(pending.outputs)) if pending.chunks else None
        with self.plan.pace.transaction(self.partition):
            await producer.begin_transaction()
            delivery = Delivery(producer, wall_ms())
            try:
                for stage, rows in pending.rows.items():
                    await delivery.send(self.plan.changelogs[stage], self.partition, list(rows.items()))
                for (topic, partition), sends in pending.outputs.items():
                    await delivery.send(topic, partition, sends, pending.headers.get((topic, partition)))
                    metrics.OUTPUTS.labels(topic).inc(len(sends))
                if pending.offsets:
                    await producer.send_offsets_to_transaction(pending.offsets, self.plan.app)
                await delivery.complete()
                await producer.commit_transaction()
            finally:
                delivery.drop()
        if span is not None:
            span.end()
        self.progressed = time.monotonic()
        if pending.away is not None:
            pending.away.tell()
        metrics.TRANSACTIONS.inc()
        ended = time.perf_counter()
        metrics.TRANSACTION_SECONDS.observe(ended - began)
        metrics.COMMIT_SECONDS.observe(ended - (pending.began or began))
        if snapshots := pending.newest.get("availability.snapshots"):
            telling.committed(snapshots.values(), self.plan.clock())


_CONTINUES = ("previous_revision", "previous_quantity")


def _waited(topic: str, run: Sequence[Any]) -> None:
    """How long records had been in their topic (wall clock, both), where they have a time of their own."""
    now, waited = wall_ms(), metrics.WAIT_SECONDS.labels(topic)
    for record in run[-run[0].offset % EACH :: EACH]:
        if record.timestamp and record.timestamp > 0:
            waited.observe(max(0, now - record.timestamp) / 1000)


def _in_place_of(before: Mapping[str, Any], record: Mapping[str, Any]) -> Mapping[str, Any]:
    """The newer of two records of a key, sent alone: it continues from where the older one did, or readers see a gap."""
    return {**record, **{name: before[name] for name in _CONTINUES if name in before}}

"""The tasks of one worker: taken over, quiesced, released and swept. Knows Kafka's client, not Faust."""

import asyncio
import gc
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from streams import metrics
from streams.references import References
from streams.schema_ids import SchemaIds
from streams.stages import Stage
from streams.task import Task, TaskPlan
from streams.watchdog import Standing

log = logging.getLogger("worker")
REBALANCE_S = 60.0
"""How long the group waits for its members before it gives out partitions without them."""


@dataclass(slots=True)
class Recovery:
    """How far a takeover is; `None` times mean none is under way."""

    began: float | None = None
    moved: float = 0.0
    read: dict[int, tuple[int, int]] | None = None

    @property
    def progress(self) -> tuple[int, int]:
        parts = (self.read or {}).values()
        return sum(done for done, _ in parts), sum(total for _, total in parts)

    def describe(self) -> str:
        """For people: `recovering, 62 %, 4 s left`."""
        done, total = self.progress
        if self.began is None or not total:
            return "recovering"
        elapsed = time.monotonic() - self.began
        left = elapsed * (total - done) / done if done else 0.0
        return f"recovering, {100 * done // total} %, {left:.0f} s left"


class Pipeline:
    """All tasks of this worker, by partition number."""

    def __init__(
        self,
        plan: TaskPlan,
        stages: Sequence[Stage],
        references: References,
        ids: SchemaIds,
        sweep_interval: float,
    ) -> None:
        self.plan, self.stages, self.references, self.ids = plan, stages, references, ids
        self.tasks: dict[int, Task] = {}
        self.recovery = Recovery()
        self.ready = False
        self._sweep_interval = sweep_interval
        self._prepared = False
        self._without_since: float | None = time.monotonic()
        """Since when the group has given out nothing: from a rebalance's begin to the takeover; None outside."""
        self._background: list[asyncio.Task[None]] = []

    async def prepare(self) -> None:
        """Before the first takeover: schema ids and reference data."""
        if self._prepared:
            return
        await self.ids.load()
        await self.references.load()
        self._background = [
            asyncio.ensure_future(self._guarded(self.references.follow(self._settle), "following reference data")),
            asyncio.ensure_future(self._guarded(self.ids.follow(self._settle), "asking for schemas")),
            asyncio.ensure_future(self._guarded(self._sweeps(), "the sweep")),
        ]
        self._prepared = True

    async def take_over(self, partitions: set[int], *, keep: bool) -> None:
        """Own exactly these partitions.

        With keep, a task that stays here keeps its memory: nobody else can have owned it in between, and if somebody
        did, the broker fences our next transaction and the process leaves.
        """
        self._without_since = None
        await self.prepare()
        began = time.monotonic()
        lost = [p for p in self.tasks if p not in partitions or not keep]
        await asyncio.gather(*(self.tasks.pop(p).release() for p in lost))
        # One that was taken over while the group rebalanced again was not yet among those that `quiesce` asked.
        await asyncio.gather(*(task.quiesce() for task in self.tasks.values()))
        for task in self.tasks.values():
            task.resume()
        gained = sorted(partitions - self.tasks.keys())
        if gained:
            self.recovery = Recovery(time.monotonic(), time.monotonic(), {})
            fresh = {p: self._new_task(p) for p in gained}
            log.info("recovery begins", extra={"partitions": gained})
            try:
                await asyncio.gather(*(task.own(self._progress(p)) for p, task in fresh.items()))
            except asyncio.CancelledError:  # the group rebalances again: these tasks were never ours
                await asyncio.shield(asyncio.gather(*(task.release() for task in fresh.values())))
                raise
            self.tasks.update(fresh)
            read, _ = self.recovery.progress
            seconds = round(time.monotonic() - began, 3)
            log.info("recovery ends", extra={"partitions": gained, "records_read": read, "seconds": seconds})
            self.recovery = Recovery()
        gc.collect()
        gc.freeze()  # rows live long: no collection need walk over them again
        metrics.TASKS.set(len(self.tasks))
        metrics.REBALANCES.inc()
        self.ready = True
        told = {"partitions": sorted(self.tasks), "gained": gained, "lost": sorted(set(lost) - set(gained))}
        log.info("partitions taken over", extra={**told, "seconds": round(time.monotonic() - began, 3)})

    def _new_task(self, partition: int) -> Task:
        return Task(self.plan, partition, {stage.name: stage.start(partition) for stage in self.stages})

    def _progress(self, partition: int) -> Callable[[int, int], None]:
        def note(done: int, total: int) -> None:
            recovery = self.recovery
            if recovery.read is not None:
                recovery.read[partition] = (done, total)
                recovery.moved = time.monotonic()
                metrics.RECOVERY_READ.set(recovery.progress[0])
                metrics.RECOVERY_TARGET.set(recovery.progress[1])

        return note

    async def quiesce(self) -> None:
        """Before partitions are revoked: commit what was folded, so that the next owner fences nothing in flight."""
        self.ready = False
        self._without_since = time.monotonic()
        log.info("partitions are committed before a rebalance", extra={"partitions": sorted(self.tasks)})
        await asyncio.gather(*(task.quiesce() for task in self.tasks.values()))

    async def stop(self) -> None:
        """Leave in order: commit, release, stop following."""
        for background in self._background:
            background.cancel()
        await self.quiesce()
        await asyncio.gather(*(self.tasks.pop(p).release() for p in list(self.tasks)))
        await self.references.stop()

    async def feed(self, stage: str, topic: str, partition: int, run: Sequence[Any]) -> None:
        task = self.tasks.get(partition)
        if task is not None:
            await task.feed(stage, topic, run)

    def coming(self, topic: str, partition: int, following: int) -> None:
        """The consumer has fetched a topic's partition up to here, and hands it on."""
        task = self.tasks.get(partition)
        if task is not None:
            task.coming(topic, following)

    # ---- background ---------------------------------------------------------------------------------------------

    def _settle(self, keys: set[str]) -> None:
        for task in self.tasks.values():
            task.settle(keys)

    async def _sweeps(self) -> None:
        while True:
            await asyncio.sleep(self._sweep_interval)
            for task in list(self.tasks.values()):
                task.sweep()
                await asyncio.sleep(0)
            self._count_rows()

    def _count_rows(self) -> None:
        counts: dict[str, int] = dict.fromkeys((stage.name for stage in self.stages), 0)
        for task in self.tasks.values():
            for name, stage in task.stages.items():
                counts[name] += len(stage.rows)
        for name, count in counts.items():
            metrics.ROWS.labels(name).set(count)

    async def _guarded(self, work: Any, what: str) -> None:
        try:
            await work
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - crash-only: a worker without it would go quietly wrong
            self.plan.leave(error, what)

    # ---- for the watchdog ---------------------------------------------------------------------------------------

    def look(self, lag: Mapping[int, int]) -> None:
        """Note which partitions have something to commit; `lag` are records at the broker, by partition."""
        for partition, task in self.tasks.items():
            task.look(lag.get(partition, 0))

    def commit_age(self) -> float:
        """Longest time without a commit (s) among partitions that have something to commit; 0 where none has."""
        return max((task.waits() for task in self.tasks.values()), default=0.0)

    def standing(self) -> Standing | None:
        """What has stood still for longest although it should move, None where nothing does."""
        if self.recovery.began is not None:
            return Standing("recovery makes no progress", time.monotonic() - self.recovery.moved)
        if self._without_since is not None:
            without = time.monotonic() - self._without_since - REBALANCE_S
            return Standing("the group gives out no partitions", without) if without > 0 else None
        waits, partition = max(((task.waits(), partition) for partition, task in self.tasks.items()), default=(0.0, 0))
        return Standing(f"partition {partition} has committed nothing", waits) if waits else None

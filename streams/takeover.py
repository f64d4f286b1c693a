"""A takeover in place of Faust's recovery: park the flow, release, fence, read back, seek, resume.

Faust's own order (resume, seek, clear) loses events that are in flight; here nothing flows until every partition
stands where its committed offsets say.
"""

import asyncio
from typing import Any

from faust.tables import TableManager
from faust.tables.recovery import RebalanceAgain, Recovery, ServiceStopped
from mode import Service

PARK_SECONDS = 20.0


class Takeover(Recovery):
    """Runs once for each rebalance generation."""

    _done_generation = -1

    @Service.task
    async def _restart_recovery(self) -> None:
        while not self.should_stop:
            if await self.wait_for_stopped(self.signal_recovery_start):
                return
            self.signal_recovery_start.clear()
            try:
                await self._wait(self._take_over(self._generation_id))
            except RebalanceAgain:
                continue
            except ServiceStopped:
                return
            except asyncio.CancelledError:
                raise
            except BaseException as error:  # noqa: BLE001 - crash-only
                self.app.pipeline.plan.leave(error, "takeover")

    @Service.task
    async def _slurp_changelogs(self) -> None:
        return

    async def on_stop(self) -> None:
        return

    async def _take_over(self, generation: int) -> None:
        app, consumer = self.app, self.app.consumer
        rebalances = app.rebalancing_count
        consumer.stop_flow()
        app.flow_control.suspend()
        app.flow_control.clear()
        if app._fetcher.started:
            await asyncio.wait_for(consumer.parked.wait(), PARK_SECONDS)
        assignment = set(consumer.assignment())
        changelogs = {tp for tp in assignment if self._is_changelog_tp(tp)}
        sources = assignment - changelogs
        partitions = self._whole_partitions(sources)
        if changelogs:
            await consumer.pause_at_broker(changelogs)
        # A generation missed means somebody else may have owned our partitions: read everything back.
        await app.pipeline.take_over(partitions, keep=generation == self._done_generation + 1)
        self._done_generation = generation
        if app.consumer_generation_id != generation:
            return
        if sources:
            await asyncio.wait_for(consumer.perform_seek(), app.conf.broker_request_timeout)
            consumer.resume_partitions(sources)
        if app.rebalancing_count != rebalances:  # the next takeover lets it flow
            return
        self.completed.set()
        app.flow_control.resume()
        consumer.resume_flow()
        await app._fetcher.maybe_start()
        self.tables.on_actives_ready()
        self.tables.on_standbys_ready()
        app.on_rebalance_end()
        self.log.info("Ready: generation %s, partitions %s", generation, sorted(partitions))

    def _whole_partitions(self, sources: set[Any]) -> set[int]:
        """The partition numbers owned; each must come with every topic, or a task would lack input."""
        topics = {topic for stage in self.app.pipeline.stages for topic in stage.topics}
        partitions = {tp.partition for tp in sources}
        for partition in partitions:
            missing = topics - {tp.topic for tp in sources if tp.partition == partition}
            if missing:
                raise RuntimeError(
                    f"partition {partition} was assigned without {', '.join(sorted(missing))}: "
                    f"all keyed topics must have one partition count and every worker one release"
                )
        return partitions


class Tables(TableManager):
    """Faust's table manager with our takeover for its recovery."""

    @property
    def recovery(self) -> Takeover:
        recovery: Takeover | None = self._recovery  # type: ignore[has-type]
        if recovery is None:
            recovery = self._recovery = Takeover(self.app, self, beacon=self.beacon, loop=self.loop)
        return recovery

    async def on_stop(self) -> None:
        await super().on_stop()
        await self.app.pipeline.stop()

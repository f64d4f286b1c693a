"""The wiring: which stage reads what. Reads as the picture of the path in the README.

inbound topics → intake ┬→ shipment.events → shipments ─┐
                        ├→ supply.events   → supply ────┤
                        ├→ order.events    → orders ────┼→ inventory.ledger → inventory → availability, channels
                        ├───────────────────────────────┘
                        └→ feed.events     → feeds → feeds.status
"""

import asyncio
import gc
import sys
from collections.abc import Awaitable, Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import faust
import faust.streams
from faust.app.base import BootStrategy

from schemas.tracing import tracer
from streams import broker, topics
from streams.assignor import WholeAssignor
from streams.chunks import ChunkTransport
from streams.gauges import Gauges
from streams.health import Health
from streams.pace import Pace
from streams.pipeline import REBALANCE_S, Pipeline
from streams.settings import Settings
from streams.takeover import Tables
from streams.task import TaskPlan
from streams.traces import Traces
from streams.watchdog import Standing, Watchdog, leave
from streams.wiring import connect
from tables import freshness

EXACT = {"faust-streaming": "0.15.3", "aiokafka": "0.14.0", "mode-streaming": "0.7.1"}
"""We subclass internals of these three; another release may lose events without an error."""


def check_versions() -> None:
    """Refuse to start on releases that the transport and the takeover were not proved with."""
    wrong = [f"{name} {version(name)} (needs {want})" for name, want in EXACT.items() if version(name) != want]
    if wrong:
        raise RuntimeError(f"wrong release: {', '.join(wrong)}; install with the constraints file")
    if faust.streams._CStreamIterator is None:
        raise RuntimeError("Faust's compiled stream iterator is missing; install the wheel, not the source")


class WithoutWeb(BootStrategy):
    """Faust's web server listens on all interfaces without authentication, whatever the settings say."""

    enable_web = False


class StreamApp(faust.App):
    """A Faust app whose consumer delivers chunks and whose recovery is our takeover."""

    BootStrategy = WithoutWeb
    pipeline: Pipeline
    fetch_wait_ms: int

    def _new_transport(self) -> ChunkTransport:
        return ChunkTransport(self.conf.broker_consumer, self, loop=self.loop)


def build_app(settings: Settings) -> StreamApp:
    """Wire a worker. Connects to nothing until it is started."""
    check_versions()
    sys.setswitchinterval(0.001)  # the consumer thread waits for the fold at most this long
    gc.set_threshold(100_000, 20, 100)  # a chunk makes many records and no cycles
    parts = connect(settings)
    Path(settings.data_dir).mkdir(parents=True, exist_ok=True)
    app = StreamApp(
        settings.app,
        broker=[f"kafka://{server.strip()}" for server in settings.bootstrap.split(",")],
        broker_credentials=broker.credentials(settings),
        store="memory://",
        topic_partitions=settings.partitions,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        consumer_auto_offset_reset="earliest",
        broker_max_poll_records=settings.poll_records,
        broker_session_timeout=settings.session_timeout_ms / 1000,
        broker_heartbeat_interval=max(0.3, settings.session_timeout_ms / 10_000),
        broker_rebalance_timeout=REBALANCE_S,
        broker_max_poll_interval=10 * 365 * 86_400.0,  # idle or recovering is no fault; the watchdog sees what is
        broker_commit_interval=3600.0,  # ours commit in transactions
        table_standby_replicas=0,
        stream_buffer_maxsize=16,
        stream_wait_empty=False,
        datadir=str(settings.directory),
        TableManager=Tables,
        PartitionAssignor=WholeAssignor,
    )
    app.fetch_wait_ms = settings.fetch_wait_ms
    plan = TaskPlan(
        app=settings.app,
        client=parts.client,
        encode=parts.codec.encode,
        partition=topics.partitioner(settings.partitions),
        compacted=parts.compacted,
        clock=parts.clock,
        changelogs={stage.name: topics.changelog(settings.app, stage.name) for stage in parts.stages},
        interval=settings.commit_interval_ms / 1000,
        timeout_ms=settings.session_timeout_ms,
        pace=Pace(settings.session_timeout_ms / 4000),
        learn=parts.ids.learn,
        traces=Traces(parts.codec.decode),
        leave=leave,
    )
    app.pipeline = Pipeline(plan, parts.stages, parts.references, parts.ids, settings.sweep_interval_ms / 1000)
    for stage in parts.stages:
        _agent(app, stage.name, stage.topics)
    _life(app, settings)
    return app


def _agent(app: StreamApp, name: str, inputs: tuple[str, ...]) -> None:
    """One agent and one table a stage; the agent hands its chunks to the task of their partition."""
    source = app.topic(*inputs, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
    app.Table(name, key_type=bytes, value_type=bytes, partitions=app.conf.topic_partitions)
    pipeline = app.pipeline

    async def feed(stream: Any) -> None:
        async for event in stream.events():
            message = event.message
            if message.generation_id == app.consumer_generation_id:
                try:
                    await pipeline.feed(name, message.topic, message.partition, message.value)
                except Exception as error:  # noqa: BLE001 - Faust would acknowledge it and go on
                    leave(error, f"stage {name}, {message.topic}[{message.partition}]@{message.value[0].offset}")

    app.agent(source, name=name)(feed)


def _life(app: StreamApp, settings: Settings) -> None:
    """What starts and stops with the worker."""
    pipeline = app.pipeline

    def standing() -> Standing | None:
        if (error := _out_of_the_group(app)) is not None:
            leave(error, "joining the group")
        pipeline.look(_by_partition(_lag(app)))
        return pipeline.standing()

    def gets_through(within_s: float) -> Awaitable[bool]:
        return broker.takes_transactions(pipeline.plan.client, f"{settings.app}-watchdog", within_s)

    watchdog = Watchdog(standing, gets_through, settings.stuck_after_ms / 1000)
    thresholds = freshness.Thresholds(settings.feed_late_after_ms, settings.feed_stale_after_ms)
    gauges = Gauges(pipeline, lambda: _lag(app), pipeline.plan.clock, thresholds)
    health = Health(pipeline, gauges, lambda: watchdog.alive, settings.http_host, settings.http_port)
    running: list[asyncio.Task[None]] = []

    async def before_rebalance(*_: Any, **__: Any) -> None:
        await pipeline.quiesce()

    async def start(*_: Any, **__: Any) -> None:
        tracer.start(settings, "worker")
        running.append(asyncio.ensure_future(watchdog.run()))
        await health.start()
        (settings.directory / "worker.url").write_text(health.url)

    async def stop(*_: Any, **__: Any) -> None:
        for task in running:
            task.cancel()
        await health.stop()

    app.on_partitions_revoked.connect(before_rebalance, weak=False)
    _on_start(app, start)
    app.on_before_shutdown.connect(stop, weak=False)


def _on_start(app: StreamApp, start: Callable[..., Awaitable[None]]) -> None:
    """Faust has no signal that comes before recovery, and health has to answer during it."""
    original = app.on_first_start

    async def on_first_start() -> None:
        await original()
        await start()

    app.on_first_start = on_first_start


def _out_of_the_group(app: StreamApp) -> BaseException | None:
    """Why aiokafka's coordination has ended or waits for somebody to hear of an error: Faust never asks."""
    consumer = getattr(app.consumer, "_thread", None) and app.consumer._thread._consumer
    coordinator = getattr(consumer, "_coordinator", None)
    if coordinator is None or coordinator._closing.done():
        return None
    ended = coordinator._coordination_task
    error: BaseException | None = coordinator._pending_exception
    if ended.done() and not ended.cancelled():
        error = ended.exception() or error
    return error


def _lag(app: StreamApp) -> dict[tuple[str, int], int]:
    """Records at the broker not yet fetched, by topic and partition; positions count past transaction markers."""
    consumer = getattr(app.consumer, "_thread", None) and app.consumer._thread._consumer
    subscription = consumer._subscription.subscription if consumer else None
    assignment = subscription.assignment if subscription else None
    lag: dict[tuple[str, int], int] = {}
    if assignment is None:
        return {}
    for tp in assignment.tps:
        state = assignment.state_value(tp)
        if state is None or state.paused or not state.has_valid_position or state.highwater is None:
            continue
        behind = (state.lso if state.lso is not None else state.highwater) - state.position
        lag[tp.topic, tp.partition] = max(0, behind)
    return lag


def _by_partition(lag: Mapping[tuple[str, int], int]) -> dict[int, int]:
    total: dict[int, int] = {}
    for (_, partition), behind in lag.items():
        total[partition] = total.get(partition, 0) + behind
    return total

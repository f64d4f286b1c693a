"""The demo: a network's business days on a local stack, a worker killed half-way, and the proof that nothing is off.

`run_demo` reads as its story. What is shown while it runs is in `live.py`, what is told at the end in `summary.py`.
"""

import json
import os
import queue
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import orjson
import yaml
from confluent_kafka import KafkaException
from rich.console import Console

from local.clock_file import ClockFile
from local.edges import SHOP_CHANNEL, Edges, edges, groups
from local.evidence import Evidence, gather
from local.journal import JournalWriter
from local.live import State, View, view_for
from local.network import build_network
from local.observer import Observer, Tail
from local.producers import Producers
from local.production import Plan
from local.sent import Sent
from local.simulator import Simulation
from local.stack import LocalStack
from local.summary import PARTITIONS, Summary, render, summarise
from local.supervised import importable
from local.up import Site
from local.wire import Wire
from local.worker_process import WorkerProcess, await_ready

APP = "stockstream"
SESSION_TIMEOUT_MS = 6_000
FEED_LATE_AFTER_MS, FEED_STALE_AFTER_MS = 90 * 60_000, 150 * 60_000  # a business hour passes in half a second
DOWN_S = 2.0  # how long the killed worker stays away
SETTLED_S = 4.0  # nothing new for this long, several sweeps, is the end
HOME_WITHIN_S = 60.0  # for shoppers to cancel what they hold
MOST_WANTED = 60  # items that shoppers look at
STALLED_S = 120.0  # the wait gives up when nothing has moved for this long
TOLD = ("availability.deltas", "exceptions", "exceptions.resolutions", "feeds.status")


class DemoError(RuntimeError):
    """The demo could not be played to its end; the message says what it waited for."""


@dataclass(slots=True)
class Run:
    """One demo on its way: where its files are, and what happened when (wall clock, ms)."""

    directory: Path
    plan: Plan
    simulation: Simulation
    channels: Path
    state: State
    view: View
    console: Console
    killed_ms: int = 0
    killed_partitions: list[int] = field(default_factory=list)
    began_ms: int = 0
    produced_ms: int = 0
    settled_ms: int = 0
    production_s: float = 0.0
    restarts: int = 0
    shopped: dict[str, Any] = field(default_factory=dict)

    @property
    def journals(self) -> tuple[Path, Path]:
        return self.directory / "reference.journal", Path(self.plan.journal)


def run_demo(
    *,
    events: int = 60_000,
    seed: int = 7,
    workers: int = 2,
    days: int = 5,
    keep: bool = False,
    as_json: bool = False,
    duration: float = 60.0,
    skus: int = 500,
    channels: Path = Path("channels.yaml"),
    directory: Path | None = None,
) -> int:
    """Play the demo; returns the process's exit code: 0 exact, 1 not exact or not finished, 130 broken off."""
    console = Console(stderr=as_json)
    directory = directory or Path(".stockstream") / time.strftime("demo-%Y%m%d-%H%M%S")
    directory.mkdir(parents=True, exist_ok=True)
    view = view_for(console)
    run = _plan(
        directory.resolve(), Plan(seed, skus, events, days, duration, "", ""), channels.resolve(), view, console
    )
    try:
        with ExitStack() as open_things:
            with view:
                summary, endpoints = _play(run, workers, open_things)
            _tell(summary, console, as_json)
            if keep:
                _leave_running(endpoints, console)
    except KeyboardInterrupt:
        console.print("stopped", highlight=False)
        return 130
    except (RuntimeError, KafkaException, TimeoutError, OSError) as error:  # ours are RuntimeErrors
        console.print(
            f"error: {error}\nLogs are in {directory}", style="red", highlight=False, markup=False, soft_wrap=True
        )
        return 1
    if summary.exact:  # else it is evidence
        shutil.rmtree(directory / "stack" / "data", ignore_errors=True)
    return 0 if summary.exact else 1


def _tell(summary: Summary, console: Console, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(orjson.dumps(summary.facts, option=orjson.OPT_INDENT_2).decode() + "\n")
        sys.stdout.flush()
    else:
        console.print(render(summary))


def _leave_running(endpoints: dict[str, str], console: Console) -> None:
    """Until Ctrl-C, which is the way to end it and no failure."""
    console.print("Left running; Ctrl-C stops it.", highlight=False)
    for name, url in endpoints.items():
        console.print(f"  {name:<10} {url}", highlight=False, markup=False)
    with suppress(KeyboardInterrupt):
        threading.Event().wait()


def _plan(directory: Path, plan: Plan, channels: Path, view: View, console: Console) -> Run:
    plan = replace(plan, clock=str(directory / "business.clock"), journal=str(directory / "production.journal"))
    plan.save(directory / "plan.json")
    simulation = Simulation(build_network(plan.seed, plan.skus), plan.events, plan.days)
    return Run(directory, plan, simulation, channels, State(total=plan.events), view, console)


def _play(run: Run, workers: int, open_things: ExitStack) -> tuple[Summary, dict[str, str]]:
    """The story, from the start of the stack to the proof."""
    production = open_things.enter_context(Production(run))
    run.view.say("starting Kafka, the schema registry and Redis")
    stack = open_things.enter_context(LocalStack(run.directory / "stack", progress=run.console))
    site = Site(stack, list(yaml.safe_load(run.channels.read_text())["channels"]), APP, PARTITIONS)
    site.prepare()
    open_things.enter_context(ClockFile(Path(run.plan.clock), run.simulation.start))
    _publish_reference_data(run, stack.bootstrap, stack.registry_url)
    run.view.say(f"starting {workers} workers")
    crew = open_things.enter_context(_crew(run, site, workers))
    run.view.say("starting the API, the connectors, a stand-in ERP and a stand-in shop")
    around = open_things.enter_context(edges(site, run.directory, run.channels, clock=f"file:{run.plan.clock}"))
    await_ready(crew, within_s=120)
    observer = Observer(stack.bootstrap, APP, groups(APP))
    open_things.callback(observer.close)
    wire = Wire(stack.registry_url)
    watch = Watch(run, crew, around, observer, Tail(stack.bootstrap, TOLD), wire)
    open_things.callback(watch.tail.close)
    shoppers = open_things.enter_context(_shoppers(run, around))
    _produce(run, production, watch, {"bootstrap": stack.bootstrap, "registry": stack.registry_url})
    run.shopped = _go_home(shoppers, watch)
    _settle(run, watch)
    run.restarts = sum(process.restarts for process in (*crew, *around.all))
    run.state.phase = "proving"
    run.view.show(run.state)
    evidence: Evidence = gather(observer, wire, run.channels, around, stack.redis_url, APP)
    summary = summarise(run, evidence)
    endpoints = {"kafka": stack.bootstrap, "registry": stack.registry_url, "redis": stack.redis_url}
    endpoints |= {"api": f"{around.api_url}/docs", "erp": around.erp.url, "shop": around.shop.url}
    return summary, {**endpoints, **{worker.name: worker.url for worker in crew}, "files": str(run.directory)}


@contextmanager
def _shoppers(run: Run, around: Edges) -> Iterator[subprocess.Popen[str]]:
    """A crowd that reserves and lets go through the API, the sought-after items most."""
    by_demand = sorted(run.simulation.published, key=lambda product: -product.weight)
    skus = [product.sku for product in by_demand[:MOST_WANTED]]
    with (run.directory / "shoppers.log").open("wb") as log:
        crowd = subprocess.Popen(
            [sys.executable, "-m", "local.shoppers", around.api_url, SHOP_CHANNEL, str(run.plan.seed), *skus],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, "PYTHONPATH": importable()},
            start_new_session=True,
            text=True,
        )
    assert crowd.stdin is not None
    crowd.stdin.write(around.shop_key + "\n")
    crowd.stdin.flush()
    try:
        yield crowd
    finally:
        crowd.kill()
        crowd.wait()


def _go_home(crowd: "subprocess.Popen[str]", watch: "Watch") -> dict[str, Any]:
    """Let the shoppers cancel what they hold; returns what they lived through."""
    assert crowd.stdin is not None
    assert crowd.stdout is not None
    crowd.stdin.close()
    end = time.monotonic() + HOME_WITHIN_S
    while crowd.poll() is None:
        watch.look()
        if time.monotonic() > end:
            raise DemoError(f"the shoppers had not cancelled their reservations within {HOME_WITHIN_S:.0f} s")
        time.sleep(0.05)
    told = crowd.stdout.read()
    if crowd.returncode:
        raise DemoError(
            f"the shoppers ended with status {crowd.returncode}; see {watch.run.directory / 'shoppers.log'}"
        )
    return dict(json.loads(told))


def _publish_reference_data(run: Run, bootstrap: str, registry: str) -> None:
    """Items, locations and partners, but for the items master data has forgotten."""
    network, start = run.simulation.network, run.simulation.start
    with JournalWriter(run.journals[0]) as journal, Producers(bootstrap, Wire(registry), journal) as producers:
        for product in network.products:
            if product.sku not in run.simulation.unpublished:
                producers.send(Sent(start, "erp", "erp.items", product.sku, product.item, None, "ITEM", ""))
        for location in network.locations:
            producers.send(Sent(start, "erp", "erp.locations", location["location"], location, None, "LOCATION", ""))
        for profile in network.profiles:
            producers.send(Sent(start, "erp", "partners.profiles", profile["partner"], profile, None, "PARTNER", ""))


@contextmanager
def _crew(run: Run, site: Site, workers: int) -> Iterator[list[WorkerProcess]]:
    settings: dict[str, Any] = {
        "clock": f"file:{run.plan.clock}",
        "session_timeout_ms": SESSION_TIMEOUT_MS,
        "feed_late_after_ms": FEED_LATE_AFTER_MS,
        "feed_stale_after_ms": FEED_STALE_AFTER_MS,
    }
    crew = [site.worker(f"worker-{n}", run.directory, run.channels, **settings) for n in range(1, workers + 1)]
    try:
        for worker in crew:
            worker.start()
        yield crew
    finally:
        stopping = [threading.Thread(target=worker.stop) for worker in crew]
        for thread in stopping:
            thread.start()
        for thread in stopping:
            thread.join()


class Production:
    """The production process, from here: what it says arrives in a queue."""

    def __init__(self, run: Run) -> None:
        self._log = (run.directory / "production.log").open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "local.production", str(run.directory / "plan.json")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, "PYTHONPATH": importable()},
            start_new_session=True,
        )
        self._said: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._directory = run.directory
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said.put(json.loads(line))

    def start(self, endpoints: dict[str, str]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(endpoints).encode() + b"\n")
        self._process.stdin.flush()

    def said(self) -> Iterator[dict[str, Any]]:
        """What it has said since; raises DemoError if it has gone without being done."""
        code = self._process.poll()
        with suppress(queue.Empty):
            while True:
                yield self._said.get_nowait()
        if code:
            raise DemoError(f"production ended with status {code}; see {self._directory / 'production.log'}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()


class Watch:
    """Keeps the state on view up to date, and the workers running."""

    def __init__(
        self, run: Run, crew: list[WorkerProcess], around: Edges, observer: Observer, tail: Tail, wire: Wire
    ) -> None:
        self.run, self.crew, self.around, self.observer, self.tail = run, crew, around, observer, tail
        self._wire = wire
        self._looked = 0.0
        self._owner: dict[str, str] = {}  # of each exception
        self.moved = time.monotonic()
        self.down: WorkerProcess | None = None
        """The worker that was killed, while it is away; the ERP connector was killed with it."""

    def revive(self) -> None:
        """Start what was killed."""
        if self.down is not None:
            self.down.start()
            self.around.erp_connector.start()
            self.down = None

    def look(self) -> None:
        """One round: new records, lag, workers; then show it."""
        state = self.run.state
        for topic, record in self.tail.new():
            if topic == "availability.deltas":
                state.deltas += 1
                if state.deltas % 50 == 0:
                    state.latest.append(self._wire.decode(record.value))
            elif topic == "exceptions":
                self._owner[record.key] = self._wire.decode(record.value)["owner"]
                state.owners[self._owner[record.key]] += 1
            elif topic == "exceptions.resolutions":
                state.owners[self._owner.get(record.key, "")] -= 1
            else:
                state.feeds[record.key] = self._wire.decode(record.value)["status"]
        if time.monotonic() - self._looked > 1:
            self._looked = time.monotonic()
            lag = self.observer.lag()
            if lag != state.lag:
                self.moved = time.monotonic()
            state.lag = lag
            for worker in self.crew:
                if worker is not self.down:
                    worker.look_after()
                state.workers[worker.name] = "killed" if worker is self.down else worker.state()[1]
            for process in self.around.all:
                process.look_after()
        self.run.view.show(state)


def _produce(run: Run, production: Production, watch: Watch, endpoints: dict[str, str]) -> None:
    """Let the days go by; half-way, kill a worker and start it again."""
    state, view = run.state, run.view
    view.say(f"producing about {run.plan.events:,} events over {run.plan.duration_s:.0f} s")
    state.phase = "producing"
    run.began_ms = time.time_ns() // 1_000_000
    production.start(endpoints)
    victim, back_at = watch.crew[-1], 0.0
    last = (time.monotonic(), 0)
    done = False
    while not done:
        for said in production.said():
            state.sent = said.get("sent", said.get("done", state.sent))
            state.business_ms = said.get("business", state.business_ms)
            if "done" in said:
                done = True
                state.total = said["done"]
                run.production_s = said["seconds"]
                run.produced_ms = time.time_ns() // 1_000_000
        now = time.monotonic()
        if now - last[0] >= 1:
            state.rate = (state.sent - last[1]) / (now - last[0])
            last = (now, state.sent)
        if not run.killed_ms and state.sent >= run.plan.events // 2:
            run.killed_partitions = victim.state()[2]
            run.killed_ms = time.time_ns() // 1_000_000
            watch.down = victim
            victim.kill()
            watch.around.erp_connector.kill()
            back_at = now + DOWN_S
            view.say(
                f"{victim.name} killed (SIGKILL), it had partitions {run.killed_partitions}; the ERP connector as well"
            )
        elif watch.down is not None and now >= back_at:
            watch.revive()
            view.say(f"{victim.name} and the ERP connector started again")
        watch.look()
        time.sleep(0.05)


def _settle(run: Run, watch: Watch) -> None:
    """Wait until every input is consumed and several sweeps have found nothing more to say."""
    run.state.phase = "settling"
    run.state.rate = 0.0
    quiet_since = 0.0
    ends: dict[tuple[str, int], int] = {}
    watch.moved = time.monotonic()
    while not quiet_since or time.monotonic() - quiet_since < SETTLED_S:
        watch.revive()
        watch.look()
        now_ends = watch.observer.ends()
        waiting = watch.observer.waiting()
        if waiting or now_ends != ends:
            quiet_since, ends = 0.0, now_ends
            if now_ends != ends:
                watch.moved = time.monotonic()
        elif not quiet_since:
            quiet_since = time.monotonic()
            run.settled_ms = time.time_ns() // 1_000_000
        if time.monotonic() - watch.moved > STALLED_S:
            raise DemoError(
                f"waited {STALLED_S:.0f} s without progress for {', '.join(waiting[:5]) or 'the topics to come to rest'}; "
                f"workers: {', '.join(f'{name} {told}' for name, told in run.state.workers.items())}"
            )
        time.sleep(0.2)

"""Production in a process of its own, next to the stack: simulates ahead while the stack starts, then sends in step.

Started as `python -m local.production PLAN`; PLAN is a JSON file (see `Plan`). It prints a JSON line when it has
simulated ahead, waits for one line on stdin with the endpoints, then prints its progress. The end of stdin ends it:
it never outlives the demo.
"""

import gc
import itertools
import json
import select
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from local.clock_file import ClockFile
from local.journal import JournalWriter
from local.network import HOUR, build_network
from local.producers import Producers
from local.sent import Sent
from local.simulator import Simulation
from local.wire import Wire

AHEAD = 400_000  # records simulated before the start; beyond that, simulation goes on during production
TICK_S = 0.02
BATCH = 500
FASTEST = 5 * HOUR  # most business time in a second of the wall's: feeds shall not look stale for our haste
TELL_EVERY_S = 0.25


@dataclass(frozen=True, slots=True)
class Plan:
    seed: int
    skus: int
    events: int
    days: int
    duration_s: float  # over how long the records are spread; 0: as fast as they go
    clock: str  # path of the clock file
    journal: str  # path of the journal to write

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)))


def say(**facts: object) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def produce(plan: Plan, records: Iterator[Sent], end: int, producers: Producers, clock: ClockFile) -> None:
    """Send all records, evenly over the plan's duration, moving the business clock along; then set it to the end.

    Quiet nights come on top: business time never runs faster than FASTEST, and the day does not make up for it.
    """
    rate = plan.events / plan.duration_s if plan.duration_s else float("inf")
    started = began = told = ticked = time.monotonic()
    head = next(records, None)
    while head is not None:
        now = time.monotonic()
        reach = clock.now + int((now - ticked) * FASTEST) if plan.duration_s else end
        ticked, due = now, (now - began) * rate - producers.sent
        batch: list[Sent] = []
        while head is not None and len(batch) < min(due, BATCH) and head.at <= reach:
            batch.append(head)
            head = next(records, None)
        if batch:
            clock.set(batch[-1].at)  # before the records leave: nobody may see them come from the future
            producers.send_all(batch)
        elif due >= 1:
            clock.set(reach)
            began = now - producers.sent / rate
        producers.poll()
        if now - told >= TELL_EVERY_S:
            told = now
            say(sent=producers.sent, business=clock.now)
            if select.select([sys.stdin], [], [], 0)[0]:
                raise SystemExit("the demo has gone")
        if due < BATCH:
            time.sleep(TICK_S)
    producers.finish()
    clock.set(end)
    say(done=producers.sent, seconds=round(time.monotonic() - started, 3), business=clock.now)


def main() -> None:
    plan = Plan(**json.loads(Path(sys.argv[1]).read_text()))
    sim = Simulation(build_network(plan.seed, plan.skus), plan.events, plan.days)
    records = sim.records()
    gc.disable()  # nothing here is cyclic, and a million records at hand make each collection long
    ahead = list(itertools.islice(records, min(AHEAD, plan.events * 2)))
    say(prepared=len(ahead))
    line = sys.stdin.readline()
    if not line:
        return
    endpoints = json.loads(line)
    wire = Wire(endpoints["registry"])
    with (
        JournalWriter(Path(plan.journal)) as journal,
        ClockFile(Path(plan.clock), sim.start) as clock,
        Producers(endpoints["bootstrap"], wire, journal) as producers,
    ):
        produce(plan, itertools.chain(ahead, records), sim.end, producers, clock)


if __name__ == "__main__":
    main()

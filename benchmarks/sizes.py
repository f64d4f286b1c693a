"""Bytes on the broker's disk by topic, and a worker's memory at rest: what capacity planning multiplies.

    python -m benchmarks.sizes --events 20000

A simulated distributor's days through intake and all stages, one worker. On disk is what the segments weigh, compressed
where the writer compresses; records are sent as fast as they go, so batches are large: a slow topic compresses less.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from benchmarks.rig import Rig, ready, resident_mb, rig, wait
from local.clock_file import ClockFile
from local.journal import JournalWriter
from local.network import build_network
from local.observer import Observer
from local.producers import Producers
from local.sent import Sent
from local.simulator import Simulation
from local.wire import Wire

AT_ONCE = 200


class Weight(NamedTuple):
    """One topic: how many records there are, the bytes of keys and values, and of the segments."""

    records: int
    content: int
    disk: int


def run(rig: Rig, events: int = 20_000) -> dict[str, Any]:
    """Send the days, wait until all is folded, weigh every topic that has records."""
    simulation = Simulation(build_network(7, 200), events, 5)
    clock = ClockFile(rig.directory / "business.clock", simulation.start)
    url = rig.start_worker("worker", clock=f"file:{clock.path}")
    wait(lambda: ready(url), 120, "the worker")
    at_rest = resident_mb(rig.workers[-1].pid)
    with (
        JournalWriter(rig.directory / "journal") as journal,
        Producers(rig.stack.bootstrap, Wire(rig.stack.registry_url), journal) as producers,
    ):
        sent = [*_reference(simulation), *simulation.records()]
        for first in range(0, len(sent), AT_ONCE):
            clock.set(sent[first + AT_ONCE - 1].at if first + AT_ONCE <= len(sent) else sent[-1].at)
            producers.send_all(sent[first : first + AT_ONCE])
    observer = Observer(rig.stack.bootstrap, "bench")
    wait(lambda: not observer.waiting(), 600, "all stages", 1.0)
    time.sleep(3)
    found = {topic: _weigh(observer, rig.stack.directory, topic) for topic in sorted(_topics(rig.stack.directory))}
    observer.close()
    clock.close()
    each = {
        topic: {"records": w.records, "bytes": round(w.content / w.records), "on_disk": round(w.disk / w.records)}
        for topic, w in found.items()
        if w.records
    }
    return {"events": len(sent), "worker_at_rest_mb": round(at_rest), "topics": each}


def _reference(simulation: Simulation) -> list[Sent]:
    network, start = simulation.network, simulation.start
    known: list[tuple[str, str, Any]] = [("erp.items", p.sku, p.item) for p in simulation.published]
    known += [("erp.locations", x["location"], x) for x in network.locations]
    known += [("partners.profiles", x["partner"], x) for x in network.profiles]
    return [Sent(start, "erp", topic, key, value, None, "", "") for topic, key, value in known]


def _topics(directory: Path) -> set[str]:
    return {path.parent.name.rpartition("-")[0] for path in directory.rglob("*.log") if path.stem.isdigit()} - {
        "__consumer_offsets", "__transaction_state", "__cluster_metadata"
    }  # fmt: skip


def _weigh(observer: Observer, directory: Path, topic: str) -> Weight:
    records = content = 0
    for record in observer.read(topic):
        records += 1
        content += len(record.key.encode()) + len(record.value)
    disk = sum(
        path.stat().st_size
        for path in directory.rglob("*.log")
        if path.stem.isdigit() and path.parent.name.rpartition("-")[0] == topic
    )
    return Weight(records, content, disk)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=20_000)
    events = parser.parse_args().events
    with rig() as it:
        sys.stdout.write(orjson.dumps(run(it, events), option=orjson.OPT_INDENT_2).decode() + "\n")


if __name__ == "__main__":
    main()

"""What every benchmark needs: a fresh local stack, workers as processes, a way to see how far they are."""

import os
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from confluent_kafka import Producer

from local.stack import LocalStack
from local.up import Site
from local.worker_process import WorkerProcess
from schemas import registry
from schemas.codec import Codec

CHANNELS = ("webshop", "marketplace")
DECLARED = Path(__file__).resolve().parent.parent / "channels.yaml"


@dataclass
class Rig:
    """A stack with topics and schemas in place."""

    stack: LocalStack
    site: Site
    codec: Codec
    directory: Path
    partitions: int = 4
    workers: list[WorkerProcess] = field(default_factory=list)

    def producer(self) -> Producer:
        return Producer(
            {
                "bootstrap.servers": self.stack.bootstrap,
                "partitioner": "murmur2_random",
                "linger.ms": 2,
                "compression.type": "lz4",
                "queue.buffering.max.messages": 2_000_000,
            }
        )

    def start_worker(self, name: str, **settings: Any) -> str:
        """Start a worker; return its URL once it answers (not: once it is ready)."""
        worker = self.site.worker(name, self.directory, DECLARED, **settings)
        worker.start()
        self.workers.append(worker)
        wait(lambda: worker.state()[1] not in {"starting", "killed"}, 60, f"worker {name} to answer; see {worker.log}")
        return worker.url

    def stop_workers(self) -> None:
        for worker in self.workers:
            worker.stop()
        self.workers.clear()


@contextmanager
def rig(partitions: int = 4) -> Iterator[Rig]:
    """A stack of its own under a temporary directory, stopped at the end."""
    with TemporaryDirectory(prefix="stockstream-bench-") as name, LocalStack(Path(name) / "stack") as stack:
        site = Site(stack, list(CHANNELS), "bench", partitions)
        site.prepare()
        it = Rig(stack, site, registry.connected_codec(stack.registry_url, CHANNELS), Path(name), partitions)
        try:
            yield it
        finally:
            it.stop_workers()


def wait(condition: Any, seconds: float, what: str, interval: float = 0.05) -> None:
    """Wait for a condition; say what was waited for when it does not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}")
        time.sleep(interval)


def metric(url: str, name: str) -> float:
    """One sample of a worker's /metrics, by its full text up to the value."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
        for line in answer.read().decode().splitlines():
            if line.startswith(name + " "):
                return float(line.rsplit(" ", 1)[1])
    return 0.0


def ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=10) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0

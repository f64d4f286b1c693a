"""What every benchmark needs: a fresh local stack, workers as processes, a way to see how far they are."""

import os
import subprocess
import sys
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
from schemas import registry, topics_admin
from schemas.codec import Codec
from streams.topics import changelog

STAGES = ("intake", "shipments", "supply", "orders", "inventory", "feeds")
CHANNELS = ("webshop", "marketplace")
ROOT = Path(__file__).resolve().parent.parent


@dataclass
class Rig:
    """A stack with topics and schemas in place."""

    stack: LocalStack
    codec: Codec
    directory: Path
    partitions: int = 4
    app: str = "bench"
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def producer(self) -> Producer:
        return Producer(
            {
                "bootstrap.servers": self.stack.bootstrap,
                "partitioner": "murmur2_random",
                "linger.ms": 5,
                "compression.type": "lz4",
                "queue.buffering.max.messages": 2_000_000,
            }
        )

    def start_worker(self, name: str, **settings: Any) -> str:
        """Start a worker, return its URL once it answers (not: once it is ready)."""
        data = self.directory / name
        data.mkdir(exist_ok=True)
        url = data / "worker.url"
        url.unlink(missing_ok=True)
        environment = {
            "STOCKSTREAM_BOOTSTRAP": self.stack.bootstrap,
            "STOCKSTREAM_REGISTRY": self.stack.registry_url,
            "STOCKSTREAM_APP": self.app,
            "STOCKSTREAM_PARTITIONS": str(self.partitions),
            "STOCKSTREAM_CHANNELS": str(ROOT / "channels.yaml"),
            "STOCKSTREAM_DATA_DIR": str(data),
            **{f"STOCKSTREAM_{key.upper()}": str(value) for key, value in settings.items()},
        }
        log = (self.directory / f"{name}.log").open("ab")
        self.workers.append(
            subprocess.Popen(
                [sys.executable, "-m", "cli.main", "worker"],
                env={**os.environ, **environment},
                stdout=log,
                stderr=log,
                cwd=ROOT,
            )
        )
        wait(lambda: url.exists() and url.read_text(), 60, f"worker {name} to answer; its log is {name}.log")
        return url.read_text()

    def stop_workers(self) -> None:
        for worker in self.workers:
            worker.terminate()
        for worker in self.workers:
            worker.wait(30)
        self.workers.clear()


@contextmanager
def rig(partitions: int = 4) -> Iterator[Rig]:
    """A stack of its own under a temporary directory, stopped at the end."""
    with TemporaryDirectory(prefix="stockstream-bench-") as name, LocalStack(Path(name) / "stack") as stack:
        prepare(stack, partitions, "bench")
        it = Rig(stack, registry.connected_codec(stack.registry_url, CHANNELS), Path(name), partitions)
        try:
            yield it
        finally:
            it.stop_workers()


def prepare(stack: LocalStack, partitions: int, app: str) -> None:
    """Topics, changelogs and schemas."""
    registry.register_all(stack.registry_url, CHANNELS)
    topics_admin.apply(
        {"bootstrap.servers": stack.bootstrap},
        partitions=partitions,
        replication=1,
        channels=CHANNELS,
        changelogs=[changelog(app, stage) for stage in STAGES],
    )


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
            return answer.status == 200
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

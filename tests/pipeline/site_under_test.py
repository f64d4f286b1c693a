"""What the pipeline's tests drive: a distributor's site with workers, scans and a plain account of what should be.

The account is additions in a dict, apart from anything the product does.
"""

import itertools
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from confluent_kafka import Producer

from local import up
from local.observer import Observer
from local.worker_process import COMMAND, WorkerProcess, await_ready
from schemas import registry
from streams.settings import Settings
from streams.topics import changelog
from tables.position import Position
from tests.reference_records import item, location

APP = "faults"
PARTITIONS = 4
CHANNELS = ("webshop", "marketplace")
SESSION_MS = 6_000
ROOT = Path(__file__).resolve().parents[2]


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Site:
    """One application id on one stack; tests keep apart by their SKUs."""

    def __init__(self, stack: Any, directory: Path, app: str = APP, replication: int = 1) -> None:
        self.stack, self.directory, self.app = stack, directory, app
        self.site = up.Site(stack, list(CHANNELS), app, PARTITIONS)
        self.site.prepare(Settings(replication=replication))
        self.codec = registry.connected_codec(stack.registry_url, CHANNELS)
        self.producer = Producer(
            {"bootstrap.servers": stack.bootstrap, "partitioner": "murmur2_random", "linger.ms": 5}
        )
        self.observer = Observer(stack.bootstrap, app)
        self.workers: dict[str, WorkerProcess] = {}
        self.expected: dict[str, int] = defaultdict(int)
        self._numbers = itertools.count()
        for name in ("DC01", "DC02", "DC03", "DC04"):
            self.send("erp.locations", name, location(name))
        self.producer.flush(30)

    def close(self) -> None:
        self.stop_workers()
        self.observer.close()

    # ---- workers ------------------------------------------------------------------------------------------------

    def start(self, *names: str, command: Sequence[str] = COMMAND, wait: bool = True, **settings: Any) -> None:
        for name in names:
            worker = self.site.worker(
                name,
                self.directory,
                ROOT / "channels.yaml",
                command=command,
                **{"session_timeout_ms": SESSION_MS, **settings},
            )
            worker.start()
            self.workers[name] = worker
        if wait:
            self.await_ready()

    def await_ready(self) -> None:
        await_ready(list(self.workers.values()), within_s=60)

    def stop_workers(self) -> None:
        for worker in self.workers.values():
            worker.stop()
        self.workers.clear()

    # ---- records ------------------------------------------------------------------------------------------------

    def send(self, topic: str, key: str | None, record: dict[str, Any] | bytes) -> None:
        value = record if isinstance(record, bytes) else self.codec.encode(topic, record)
        self.producer.produce(topic, value, key)
        self.producer.poll(0)

    def new_items(self, prefix: str, count: int) -> list[str]:
        """Items of a test's own."""
        skus = [f"{prefix}-{number:04d}" for number in range(count)]
        for sku in skus:
            self.send("erp.items", sku, item(sku, packs=[{"uom": "CS", "factor": 12}]))
        self.producer.flush(30)
        return skus

    def scan(self, sku: str, place: str, quantity: int, **changes: Any) -> dict[str, Any]:
        """Send an adjustment and enter it in the account."""
        record = {**scan(sku, place, quantity, next(self._numbers)), **changes}
        self.send("warehouse.scans", sku, record)
        self.expected[f"{sku}|{place}"] += quantity
        return record

    def scans(self, skus: Sequence[str], count: int, pause: float = 0.0) -> None:
        for number in range(count):
            self.scan(skus[number % len(skus)], f"DC0{number % 4 + 1}", number % 7 + 1)
            if pause and number % 20 == 0:
                time.sleep(pause)
        self.producer.flush(30)

    # ---- what came of it ----------------------------------------------------------------------------------------

    def settle(self, within_s: float = 60.0) -> None:
        """Wait until every input topic is consumed, and still is a little later."""
        quiet = 0
        end = time.monotonic() + within_s
        while quiet < 2:
            waiting = self.observer.waiting()
            quiet = 0 if waiting else quiet + 1
            if time.monotonic() > end:
                raise TimeoutError(f"not consumed within {within_s:.0f} s: {waiting[:5]}")
            for worker in self.workers.values():
                worker.look_after()
            time.sleep(0.3)

    def read(self, topic: str, about: str = "") -> list[Any]:
        """Every record, or those that have this text: other tests of the session put there what nobody can read."""
        decode, text = self.codec.decoder(topic), about.encode()
        return [decode(record.value) for record in self.observer.read(topic) if record.value and text in record.value]

    def on_hand(self, skus: Sequence[str]) -> dict[str, int]:
        """On hand by key, from the snapshots."""
        mine = set(skus)
        found = self.read("availability.snapshots")
        return {f"{a['sku']}|{a['location']}": a["on_hand"] for a in found if a["sku"] in mine}

    def kept(self, skus: Sequence[str]) -> dict[str, int]:
        """On hand by key, from the table's changelog: what a worker that starts would read back."""
        mine, found = set(skus), dict[str, int]()
        for record in self.observer.read(changelog(self.app, "inventory")):
            if record.key.partition("|")[0] in mine and not record.key.endswith("|*"):
                found[record.key] = Position.load(record.value).on_hand()
        return found

    def account(self, skus: Sequence[str]) -> dict[str, int]:
        mine = set(skus)
        return {key: quantity for key, quantity in self.expected.items() if key.partition("|")[0] in mine}

    def assert_exact(self, skus: Sequence[str]) -> None:
        """Snapshots, changelog and the chain of deltas all say what the account says."""
        account = self.account(skus)

        assert account == self.on_hand(skus)
        assert account == self.kept(skus)
        self._assert_chain(set(skus))

    def _assert_chain(self, mine: set[str]) -> None:
        last: dict[str, int] = {}
        for delta in self.read("availability.deltas"):
            if delta["sku"] in mine:
                key = f"{delta['sku']}|{delta['location']}"
                assert delta["previous_revision"] == last.get(key, 0), f"{key}: a gap or a repeat"
                last[key] = delta["revision"]


def wait_for(condition: Callable[[], Any], within_s: float, what: str | Callable[[], str]) -> None:
    end = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {within_s:.0f} s for {what if isinstance(what, str) else what()}")
        time.sleep(0.1)


def scan(sku: str, place: str, quantity: int, number: int) -> dict[str, Any]:
    at = now_ms()
    return {
        "event_id": str(uuid.uuid4()),
        "scan_type": "ADJUST",
        "item": {"scheme": "SKU", "code": sku},
        "location": place,
        "quantity": quantity,
        "uom": "EA",
        "disposition": None,
        "to_disposition": None,
        "to_location": None,
        "lot": None,
        "device_id": "RF-1",
        "operator": None,
        "reference": {"kind": "NONE", "number": "", "line": None},
        "corrects": None,
        "occurred_at": at,
        "sent_at": at,
        "source": f"WMS-{place}",
        "correlation_id": f"test-{number}",
    }

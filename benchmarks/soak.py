"""Kills at random under load for as long as wanted, then EXACT or what differs: `make soak ARGS="--minutes 5"`.

Two workers, the Redis view, the ERP connector and a stand-in ERP on a stack of their own. What is killed, frozen, asked
to leave or taken away, and when, follows from the seed; how far the work is then, does not.
"""

import argparse
import os
import random
import signal
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx2
from confluent_kafka import KafkaException, Producer

from benchmarks.inventory_stage import LOCATIONS
from benchmarks.rig import CHANNELS, DECLARED, Rig, resident_mb, rig, wait
from benchmarks.scans import TOPIC, reference_data, scan
from local.account import differences
from local.observer import Observer
from local.supervised import Supervised
from local.tended import Tended

SKUS, SESSION_MS = 50, 6_000
WORKERS = ("one", "two")
SETTLED_WITHIN_S, READY_WITHIN_S = 180.0, 120.0
APART_S = (4.0, 15.0)
"""Least and most time between two faults."""


class Soak:
    """The site, its account, and the ways to hurt it."""

    def __init__(self, on: Rig, seed: int, rate: int, running: ExitStack) -> None:
        self.rig, self.rate, self.chance = on, rate, random.Random(seed)
        self.account: dict[str, int] = defaultdict(int)
        self.faults: Counter[str] = Counter()
        self.sent = 0
        self.tended = Tended()
        running.callback(self.tended.close)
        self.producer = Producer(
            {
                "bootstrap.servers": on.stack.bootstrap,
                "partitioner": "murmur2_random",
                "enable.idempotence": True,
                "message.timeout.ms": 300_000,
                "reconnect.backoff.max.ms": 500,
                "log_level": 0,
            }
        )
        reference_data(on, SKUS)
        state = str(on.directory / "erp.sqlite")
        self.erp = Supervised(
            "erp", ("-m", "local.erp_server", "--port", "{port}", "--state", state), {}, on.directory, health="/faults"
        )
        self.tended.keep(self.erp)
        wait(lambda: self.erp.answer()[0], READY_WITHIN_S, f"the stand-in ERP; see {self.erp.log}")
        self.workers = {name: self._worker(name) for name in WORKERS}
        self.connectors = {
            "redis-view": self._edge("redis-view", ("connect", "redis"), "STOCKSTREAM_VIEW_HTTP_PORT"),
            "erp-connector": self._edge(
                "erp-connector", ("connect", "erp"), "STOCKSTREAM_ERP_HTTP_PORT", erp_url=f"{self.erp.url}/odata",
                erp_rate=5_000, erp_session_timeout_ms=SESSION_MS,
            ),
        }  # fmt: skip
        for process in (*self.workers.values(), *self.connectors.values()):
            self.tended.keep(process)

    def _worker(self, name: str) -> Supervised:
        return self.rig.site.worker(name, self.rig.directory, DECLARED, session_timeout_ms=SESSION_MS)

    def _edge(self, name: str, command: Sequence[str], port_variable: str, **settings: object) -> Supervised:
        return self.rig.site.edge(name, command, self.rig.directory, DECLARED, port_variable=port_variable, **settings)

    # ---- load and faults ----------------------------------------------------------------------------------------

    @contextmanager
    def load(self) -> Iterator[None]:
        """Scans at the pace chosen, while the block runs; all are at the broker when it ends."""
        over, lost = threading.Event(), list[str]()
        encode, chance = self.rig.codec.encoder(TOPIC), random.Random(self.rate)

        def told(error: Any, _: Any) -> None:
            if error is not None:
                lost.append(str(error))

        def send() -> None:
            began = time.monotonic()
            while not over.wait(0.02):
                while self.sent < (time.monotonic() - began) * self.rate:
                    sku, place = f"SKU-{chance.randrange(SKUS):06d}", LOCATIONS[self.sent % 4]
                    quantity = chance.randrange(1, 40)
                    value = encode(scan(sku, place, quantity, time.time_ns() // 1_000_000))
                    self.producer.produce(TOPIC, value, sku, on_delivery=told)
                    self.producer.poll(0)
                    self.account[f"{sku}|{place}"] += quantity
                    self.sent += 1

        thread = threading.Thread(target=send, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join(30)
        if self.producer.flush(SETTLED_WITHIN_S) or lost:
            raise TimeoutError(f"the broker did not take every scan: {lost[:3]}")

    def hurt(self) -> None:
        """One fault, drawn."""
        ways: tuple[tuple[int, str, Callable[[], object]], ...] = (
            (5, "worker killed", lambda: self._signal(self.workers, signal.SIGKILL)),
            (2, "worker asked to leave", self._leave),
            (2, "worker frozen", self._freeze),
            (2, "connector killed", lambda: self._signal(self.connectors, signal.SIGKILL)),
            (1, "ERP killed", lambda: self._signal({"erp": self.erp}, signal.SIGKILL)),
            (1, "broker killed", self._broker),
        )
        _, name, way = self.chance.choices(ways, [weight for weight, *_ in ways])[0]
        print(f"{time.strftime('%H:%M:%S')} {name}", flush=True)
        self.faults[name] += 1
        way()

    def _signal(self, among: dict[str, Supervised], number: int) -> Supervised:
        process = among[self.chance.choice(sorted(among))]
        if process.ended() is None:
            os.kill(process.pid, number)
        return process

    def _freeze(self) -> None:
        frozen = self._signal(self.workers, signal.SIGSTOP)
        pid = frozen.pid
        time.sleep(self.chance.uniform(1, 2 * SESSION_MS / 1000))
        if frozen.pid == pid and frozen.ended() is None:
            os.kill(pid, signal.SIGCONT)

    def _leave(self) -> None:
        name = self.chance.choice(WORKERS)
        self.tended.release(name)
        time.sleep(self.chance.uniform(0, 5))
        self.tended.keep(self.workers[name])

    def _broker(self) -> None:
        self.rig.stack.stop_broker(kill=True)
        time.sleep(self.chance.uniform(0, 10))
        self.rig.stack.start_broker()

    # ---- the end ------------------------------------------------------------------------------------------------

    def judged(self) -> list[str]:
        """Restart the workers from the log, then hold everything published, and the ERP, against the account."""
        observer = Observer(self.rig.stack.bootstrap, "bench", {"bench-erp": ("erp.postings",)})
        _settle(observer, self.tended)
        for name in WORKERS:
            self.tended.release(name)
            self.tended.keep(self.workers[name])
        self._once_more()
        _settle(observer, self.tended)
        found = differences(observer, self.rig.codec, "bench", self.account, CHANNELS)
        documents: dict[str, list[str]] = defaultdict(list)
        decode = self.rig.codec.decoder("erp.postings")
        for record in observer.read("erp.postings"):
            posting = decode(record.value)
            documents[posting["document"]].append(posting["idempotency_key"])
        in_erp = httpx2.get(f"{self.erp.url}/state", timeout=60).raise_for_status().json()["documents"]
        wrong = [name for name in documents.keys() | in_erp.keys() if documents.get(name) != in_erp.get(name)]
        observer.close()
        return found + [f"ERP: {name}: {in_erp.get(name)}, not {documents.get(name)}" for name in sorted(wrong)[:5]]

    def _once_more(self) -> None:
        """One more scan of each position, so that every row is folded on after the restart."""
        encode = self.rig.codec.encoder(TOPIC)
        for key in sorted(self.account):
            sku, _, place = key.partition("|")
            self.producer.produce(TOPIC, encode(scan(sku, place, 1, time.time_ns() // 1_000_000)), sku)
            self.account[key] += 1
        self.producer.flush(60)


def _settle(observer: Observer, tended: Tended) -> None:
    end, waiting, quiet = time.monotonic() + SETTLED_WITHIN_S, ["nothing asked yet"], 0
    while quiet < 2:
        try:
            waiting = observer.waiting()
        except (KafkaException, TimeoutError) as error:
            waiting = [f"the broker does not answer: {error!r}"]
        quiet = 0 if waiting else quiet + 1
        if time.monotonic() > end:
            raise TimeoutError(f"not consumed within {SETTLED_WITHIN_S:.0f} s: {waiting[:5]}; left: {tended.left}")
        time.sleep(0.3)


def run(minutes: float, seed: int, rate: int) -> int:
    """Soak; 0 for exact, 1 for a difference."""
    print(f"seed {seed}, {minutes:g} min, {rate} scans/s", flush=True)
    with rig() as on, ExitStack() as running:
        soak = Soak(on, seed, rate, running)
        wait(lambda: all(w.answer()[0] for w in soak.workers.values()), READY_WITHIN_S, "the workers to be ready")
        with soak.load():
            end = time.monotonic() + minutes * 60
            while time.monotonic() < end:
                time.sleep(soak.chance.uniform(*APART_S))
                soak.hurt()
        found = soak.judged()
        memory = ", ".join(f"{resident_mb(worker.pid):.0f} MB" for worker in soak.workers.values())
        left = Counter(f"{name} {code}" for name, code in soak.tended.left)
    print(f"{soak.sent} scans; faults: {dict(soak.faults)}; left: {dict(left)}; workers {memory}")
    print("\n".join(["NOT EXACT", *found]) if found else "EXACT")
    return 1 if found else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--rate", type=int, default=200, help="scans a second")
    chosen = parser.parse_args()
    return run(chosen.minutes, chosen.seed, chosen.rate)


if __name__ == "__main__":
    sys.exit(main())

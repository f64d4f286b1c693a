"""A site on brokers of a test's own: scans at a steady pace, workers under a supervisor, the whole account at the end."""

import os
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import redis
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from connectors import view_keys
from local.account import differences
from local.observer import QUIET, Observer
from local.supervised import Supervised, await_all
from local.tended import Tended
from local.worker_process import COMMAND
from schemas.exit_codes import FAULT, STUCK
from tests.faults.own_brokers import Brokers
from tests.pipeline.site_under_test import CHANNELS, PARTITIONS, ROOT, SESSION_MS, Site, wait_for

FAULT_OR_STUCK = {FAULT, STUCK}
"""What a worker may leave with when something outside fails: both ask for a new start."""
AWAY = (KafkaException, TimeoutError)
PLACES = ("DC01", "DC02", "DC03", "DC04")


class HurtSite(Site):
    """A Site whose producer outlasts outages and whose processes are started again whenever they end."""

    def __init__(self, brokers: Brokers, directory: Path, app: str) -> None:
        self.undelivered: list[str] = []
        self.stamp: int | None = None
        """What the records' own timestamp shall be; the time of sending where None."""
        super().__init__(brokers, directory, app, brokers.replication)
        self.brokers, self.tended = brokers, Tended()
        self.producer = Producer(
            {
                "bootstrap.servers": brokers.bootstrap,
                "partitioner": "murmur2_random",
                "enable.idempotence": True,
                "linger.ms": 5,
                "message.timeout.ms": 180_000,
                "reconnect.backoff.max.ms": 500,
            },
            logger=QUIET,
        )

    def close(self) -> None:
        self.workers.clear()
        self.tended.close()
        super().close()

    # ---- processes ----------------------------------------------------------------------------------------------

    def start(
        self, *names: str, command: Sequence[str] = COMMAND, wait: bool = True, restart: bool = True, **settings: Any
    ) -> None:
        for name in names:
            self.workers[name] = self.site.worker(
                name,
                self.directory,
                ROOT / "channels.yaml",
                command=command,
                **{"session_timeout_ms": SESSION_MS, **settings},
            )
            self.tended.keep(self.workers[name], restart=restart)
        if wait:
            self.await_ready()

    def await_ready(self, within_s: float = 90.0) -> None:
        """Return once the workers that run have all partitions between them."""

        def owned() -> bool:
            states = [worker.state() for worker in self.workers.values()]
            return all(r for r, _, _ in states) and sorted(p for *_, ps in states for p in ps) == [0, 1, 2, 3]

        try:
            wait_for(owned, within_s, "all partitions to be owned")
        except TimeoutError as error:
            states = {name: worker.answer() for name, worker in self.workers.items()}
            raise TimeoutError(f"{error}; {states}; left: {self.tended.left}; see {self.directory}") from None

    def stop_workers(self) -> None:
        for name in list(self.workers):
            del self.workers[name]
            self.tended.release(name)

    def edge(self, name: str, command: Sequence[str], port_variable: str, **settings: object) -> Supervised:
        """Start a connector and wait until it is ready."""
        channels = ROOT / "channels.yaml"
        edge = self.site.edge(name, command, self.directory, channels, port_variable=port_variable, **settings)
        self.tended.keep(edge)
        await_all([edge], 60)
        return edge

    def hit(self, name: str) -> None:
        """SIGKILL; the supervisor starts it again."""
        os.kill(self.workers[name].pid, signal.SIGKILL)
        wait_for(lambda: (name, -signal.SIGKILL) in self.tended.left, 20, f"{name} to be started again")

    # ---- load and end -------------------------------------------------------------------------------------------

    @contextmanager
    def load(self, skus: Sequence[str], per_s: int = 200) -> Iterator[None]:
        """Scans at this pace while the block runs; all of them are at the broker when it has ended."""
        over = threading.Event()

        def send() -> None:
            number, began = 0, time.monotonic()
            while not over.wait(0.05):
                while number < (time.monotonic() - began) * per_s:
                    self.scan(skus[number % len(skus)], PLACES[number // len(skus) % 4], number % 7 + 1)
                    number += 1

        thread = threading.Thread(target=send, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join(30)
        self.delivered()

    def delivered(self) -> None:
        """Wait until the broker has all that was sent."""
        left = self.producer.flush(180)
        assert left == 0, f"{left} scans could not be handed to the broker within 180 s"
        assert not self.undelivered, f"the broker did not take {self.undelivered[:3]}"

    def send(self, topic: str, key: str | None, record: dict[str, Any] | bytes) -> None:
        value = record if isinstance(record, bytes) else self.codec.encode(topic, record)
        self.producer.produce(topic, value, key, on_delivery=self._told, timestamp=self.stamp or 0)
        self.producer.poll(0)

    def _told(self, error: Any, message: Any) -> None:
        if error is not None:
            self.undelivered.append(f"{message.topic()}: {error}")

    def settle(self, within_s: float = 120.0) -> None:
        """Wait until every input topic is consumed, and still is a little later; a broker may be away meanwhile."""
        quiet, end, waiting = 0, time.monotonic() + within_s, ["nothing asked yet"]
        while quiet < 2:
            try:
                waiting = self.observer.waiting()
            except AWAY as error:
                waiting = [f"the broker does not answer: {error!r}"]
                self._look_anew()
            quiet = 0 if waiting else quiet + 1
            if time.monotonic() > end:
                raise TimeoutError(f"not consumed within {within_s:.0f} s: {waiting[:5]}; left: {self.tended.left}")
            time.sleep(0.3)

    def _look_anew(self) -> None:
        """Another client: one that asked while most brokers were away may believe for good that topics are smaller."""
        self.observer.close()
        try:
            self.observer = Observer(self.brokers.bootstrap, self.app)
        except AWAY:
            time.sleep(0.3)

    def committed(self) -> int:
        """Committed offsets of the workers, added up; 0 while the broker does not tell."""
        # A client of its own each time: one that saw the broker die waits before it asks again.
        client = Consumer({"bootstrap.servers": self.brokers.bootstrap, "group.id": self.app}, logger=QUIET)
        try:
            told = client.committed([TopicPartition("warehouse.scans", p) for p in range(PARTITIONS)], timeout=5)
            return sum(max(0, place.offset) for place in told)
        except AWAY:
            return 0
        finally:
            client.close()

    def await_progress(self, within_s: float = 90.0) -> None:
        """Wait until the workers commit something new."""
        wait_for(self.committed, within_s, "the broker to tell what is committed")
        before = self.committed()
        wait_for(lambda: self.committed() > before, within_s, f"a commit beyond {before}; left: {self.tended.left}")

    # ---- the account --------------------------------------------------------------------------------------------

    def differences(self, skus: Sequence[str]) -> list[str]:
        """How what is published differs from the account."""
        return differences(self.observer, self.codec, self.app, self.account(skus), CHANNELS)

    def postings(self) -> dict[str, list[str]]:
        """Idempotency keys by document, in the topic's order."""
        found: dict[str, list[str]] = defaultdict(list)
        for posting in self.read("erp.postings"):
            found[posting["document"]].append(posting["idempotency_key"])
        return dict(found)

    def in_view(self, skus: Sequence[str]) -> dict[str, int]:
        """On hand by key, as readers of the Redis view see it."""
        found: dict[str, int] = {}
        with redis.Redis.from_url(self.brokers.redis_url, decode_responses=True, socket_timeout=5) as view:
            for sku in skus:
                for place, position in view.hgetall(view_keys.sku(self.app, sku)).items():
                    if not place.startswith("r:"):
                        found[f"{sku}|{place}"] = orjson.loads(position)["on_hand"]
        return found

    def assert_whole(self, skus: Sequence[str]) -> None:
        """Restart from the log, count once more, then hold everything published against the account."""
        self.settle()
        self.stop_workers()
        self.start("restarted")
        for sku in skus:
            for place in PLACES:
                self.scan(sku, place, 1)
        self.delivered()
        self.settle()

        assert self.differences(skus) == []
        assert self.tended.codes() <= FAULT_OR_STUCK, f"left with {self.tended.left}"

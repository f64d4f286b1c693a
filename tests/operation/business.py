"""What the operation tests drive: a simulated distributor's days, sent to whichever site is at work, and the judge.

The judge folds what the brokers acknowledged and knows nothing of the product.
"""

import itertools
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local.clock_file import ClockFile
from local.journal import JournalWriter, read_journal
from local.network import build_network
from local.oracle import Answer, judge
from local.producers import Producers
from local.sent import Sent
from local.simulator import Simulation
from local.wire import Wire

DAY = 86_400_000
AT_ONCE = 100


class Business:
    """Some days of a network with 4 warehouses; `send` goes on where it stopped."""

    def __init__(self, directory: Path, *, seed: int = 5, skus: int = 40, events: int = 3_000, days: int = 3) -> None:
        self._simulation = Simulation(build_network(seed, skus), events, days)
        self._directory, self._journals = directory, list[Path]()
        self._records: Iterator[Sent] = self._simulation.records()
        self.clock = ClockFile(directory / "business.clock", self._simulation.start)
        self.sent = 0

    @property
    def clock_setting(self) -> str:
        return f"file:{self.clock.path}"

    def introduce(self, bootstrap: str, registry: str) -> None:
        """Items, locations and partners; all of them, as the days may end before a forgotten item is made known."""
        sim, start = self._simulation, self._simulation.start
        known = [("erp.items", p.sku, p.item) for p in sim.network.products]
        known += [("erp.locations", x["location"], x) for x in sim.network.locations]
        known += [("partners.profiles", x["partner"], x) for x in sim.network.profiles]
        self._send(bootstrap, registry, iter([Sent(start, "erp", *one, None, "", "") for one in known]))

    def send(self, bootstrap: str, registry: str, count: int | None = None) -> int:
        """The next records, all that are left by default; business time goes along. Returns how many there were."""
        return self._send(bootstrap, registry, itertools.islice(self._records, count))

    def close_the_books(self) -> None:
        """Business time goes to the end of the days; what was not sent never happens."""
        self.clock.set(self._simulation.end)

    @contextmanager
    def under_load(self, bootstrap: str, registry: str) -> Iterator[None]:
        """Some thirty records a second while the block lasts; raise what the sender met."""
        stopping, faults = threading.Event(), list[BaseException]()

        def until_stopped() -> Iterator[Sent]:
            for record in self._records:
                yield record
                if stopping.is_set():
                    return

        def work() -> None:
            try:
                self._send(bootstrap, registry, until_stopped(), at_once=5, pause_s=0.15)
            except BaseException as error:  # noqa: BLE001 - told to the test
                faults.append(error)

        sender = threading.Thread(target=work, name="load")
        sender.start()
        try:
            yield
            assert sender.is_alive(), "the simulated days were too short for this test"
        finally:
            stopping.set()
            sender.join(60)
        assert not faults, faults

    def _send(
        self, bootstrap: str, registry: str, records: Iterator[Sent], at_once: int = AT_ONCE, pause_s: float = 0.0
    ) -> int:
        path = self._directory / f"{len(self._journals)}.journal"
        self._journals.append(path)
        with JournalWriter(path) as journal, Producers(bootstrap, Wire(registry), journal) as producers:
            while batch := list(itertools.islice(records, at_once)):
                self.clock.set(batch[-1].at)
                producers.send_all(batch)
                time.sleep(pause_s)
            producers.finish()
            self.sent += producers.sent
            return producers.sent

    def judged(self) -> Answer:
        """What must be true of all that was sent; each journal's partitions come after those of the ones before it."""
        acknowledged = (
            record._replace(partition=number * 1_000 + record.partition)
            for number, path in enumerate(self._journals)
            for record in read_journal(path)
        )
        return judge(acknowledged, self._simulation.end // DAY)


def doubled(erp: dict[str, Any]) -> list[str]:
    """Keys that stand in the ERP more than once."""
    times: dict[str, int] = defaultdict(int)
    for keys in erp["documents"].values():
        for key in keys:
            times[key] += 1
    return [key for key, count in times.items() if count > 1]

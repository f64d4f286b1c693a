"""Comparisons with a shadow wait for the system of record, and none of them waits for another."""

import asyncio
from typing import Any

from connectors.kafka import Record
from connectors.outbound.erp.adapter import Answer, Unanswered
from connectors.outbound.erp.comparison import TOGETHER, Answers, Comparison
from connectors.outbound.erp.lanes import Entry
from connectors.outbound.erp.results import POSTINGS
from tests.connectors.erp_in_memory import Told, until
from tests.connectors.erp_site import posting
from tests.monitoring.exposition import here, total

SHADOW = Answer("POSTED", "S1")


def entry(partition: int, offset: int, system: str = "erp") -> Entry:
    of: Any = posting(f"PURCHASE_ORDER:{partition}-{offset}")
    return Entry(Record(POSTINGS, partition, offset, b"", b"", 0, {}), of, system, of["document"])


class Site:
    """A comparison whose systems of record have passed `past` of each partition; those of `down` do not answer."""

    def __init__(self, past: dict[int, int], *down: str) -> None:
        self.done, self.asked_past, self.told = list[Entry](), list[int](), Told()
        self._past, self._down = past, down
        given: Any = self.told
        self.known = Answers()
        self.comparison = Comparison(
            "s", self.known, given,
            systems=lambda entry: (entry.system,), ask=self._ask, passed=self._passed, done=self.done.append,
        )  # fmt: skip

    async def _ask(self, entry: Entry, keys: list[str]) -> dict[str, Answer]:
        if entry.system in self._down:
            raise Unanswered("down", taken=False)
        return {key: Answer("POSTED", "R1") for key in keys}

    async def _passed(self, partition: int) -> int:
        self.asked_past.append(partition)
        return self._past[partition]

    async def until_done(self, count: int) -> None:
        running = asyncio.create_task(self.comparison.run())
        try:
            await until(lambda: running.done() or len(self.done) >= count, f"{count} comparisons")
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def test_a_partition_that_stands_still_does_not_hold_up_the_comparisons_of_others():
    """However many of its postings came first; where a partition stands is asked once a round."""
    site = Site({0: 0, 1: 10})
    for one in (*(entry(0, n) for n in range(3 * TOGETHER)), *(entry(1, n) for n in range(5))):
        site.comparison.add(one, SHADOW)
    await site.until_done(5)

    assert total(here(), "stockstream_erp_compared_total", system="s") >= 5
    assert {1} == {one.record.partition for one in site.done}
    assert site.asked_past.count(0) == site.asked_past.count(1)


async def test_a_system_of_record_that_is_down_does_not_hold_up_the_comparisons_of_others():
    """Its own wait their turn."""
    site = Site({0: 1_000}, "down")
    for one in (*(entry(0, n, "down") for n in range(2, 2 * TOGETHER)), entry(0, 0), entry(0, 1)):
        site.comparison.add(one, SHADOW)
    await site.until_done(2)

    assert [0, 1] == sorted(one.record.offset for one in site.done)


async def test_a_difference_in_many_lines_fits_into_a_record():
    """What is told of it is cut."""
    site = Site({0: 10})
    lines = {f"{n}|A{n}|DC01|available": n + 1 for n in range(50_000)}
    one = entry(0, 0)
    site.known.remember(one, Answer("POSTED", "R1", totals=lines))
    site.comparison.add(one, Answer("POSTED", "S1", totals={}))
    await site.until_done(1)

    ((category, message),) = site.told.exceptions
    assert "SHADOW_DIFFERENCE" == category
    assert len(message) < 3_000

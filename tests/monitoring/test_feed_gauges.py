"""What /metrics says of feeds when there are more of them than labels: the worst of those that share a name."""

from types import SimpleNamespace
from typing import Any

import pytest

from schemas.instruments import OTHER, Bounded
from streams import feeds, metrics, telling
from streams.gauges import CODES, Gauges
from tables.freshness import STALE, Thresholds
from tables.outcome import Entry

NOW = 1_700_000_000_000
HOUR = 3_600_000
FEW = 100


def told(silent: dict[int, int], number: int) -> tuple[dict[Any, float], dict[Any, float]]:
    """Ages and statuses of so many feeds, each of a source and location of its own; `silent`: those, for so long."""
    events = []
    for n in range(number):
        at = NOW - silent.get(n, 0)
        event = {"kind": "EVENTS", "source": f"W{n}", "location": f"L{n}", "event_time": at, "recorded_at": at}
        events.append(Entry(n, f"W{n}|L{n}", event))
    rows: dict[bytes, bytes] = {key: row for key, row in feeds.step({}, events, Thresholds()).rows.items() if row}
    tasks = {0: SimpleNamespace(stages={"feeds": SimpleNamespace(rows=rows)})}
    pipeline: Any = SimpleNamespace(tasks=tasks, ready=True, commit_age=float, recovery=SimpleNamespace(began=None))
    Gauges(pipeline, dict, lambda: NOW, Thresholds()).refresh()
    return of(metrics.FEED_AGE_SECONDS), of(metrics.FEED_STATUS)


def of(gauge: Any) -> dict[tuple[str, str], float]:
    samples = [sample for family in gauge.collect() for sample in family.samples]
    return {(sample.labels["source"], sample.labels["location"]): sample.value for sample in samples}


@pytest.fixture(autouse=True)
def no_feed_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names are given in the order of meeting, once for a process."""
    monkeypatch.setattr(telling, "_named", {label: Bounded(FEW) for label in ("source", "location")})


@pytest.mark.parametrize("silent", [FEW, 105, 109])
def test_a_feed_without_a_name_of_its_own_is_told_of_when_it_falls_silent(silent: int) -> None:
    """Whichever of the nameless it is, and whatever the others are."""
    ages, statuses = told({silent: 5 * HOUR}, 110)

    assert ages[OTHER, OTHER] == 5 * 3_600
    assert statuses[OTHER, OTHER] == CODES[STALE]
    assert len(ages) == len(statuses) == FEW + 1


def test_a_feed_with_a_name_is_told_of_by_it() -> None:
    """Alone: the others are fresh."""
    ages, statuses = told({7: 5 * HOUR}, 110)

    assert {labels for labels, status in statuses.items() if status} == {("W7", "L7")}
    assert {labels for labels, age in ages.items() if age} == {("W7", "L7")}

"""The first of what is counted is seen: by expressions that count a series' birth, and by series that begin at 0."""

import re
from pathlib import Path

import pytest

from connectors.decoding import Decoding
from connectors.kafka import Record
from connectors.outbound.erp import metrics as erp
from connectors.outbound.redis_view import metrics as view
from monitoring.counters import increase
from monitoring.objectives import OBJECTIVES
from monitoring.promql import matchers
from monitoring.written import RULES, expressions
from schemas.codec import FAULTS
from schemas.environment import Shared
from schemas.instruments import Counter
from streams import metrics as worker
from tests.monitoring.exposition import here, value

ROOT = Path(__file__).resolve().parents[2]
BUSY = {"stockstream_transaction_seconds_bucket", "process_cpu_seconds_total"}
"""Of which a process has observations from its first second on, and goes on having them."""


def _of_objectives_alone(expression: str) -> bool:
    """Ratios of what goes on all the time have no least number of events."""
    return any(not o.least and expression == r.written for o in OBJECTIVES for r in _recorded(o.name))


def _recorded(name: str) -> list:
    return [r for group in RULES["objectives"] for r in group.rules if r.labels.get("slo") == name]


@pytest.mark.parametrize("expression", sorted({e for where, e in expressions() if where.startswith("rule ")}))
def test_a_rule_sees_the_first_count_of_a_series(expression: str) -> None:
    """`rate` or `increase` alone see nothing of what a series begins with."""
    if _of_objectives_alone(expression):
        return
    taken = re.findall(r"\b(?:rate|increase|irate|delta)\((\w+(?:\{[^}]*\})?)\[(\w+)\]", expression)
    bare = [series for series, window in taken if f"(min_over_time({series}[{window}]" not in expression]

    assert {series.split("{")[0] for series in bare} <= BUSY


@pytest.mark.parametrize(
    ("window", "ago", "before", "since"),
    [("15m", "", "15m", 900), ("2d", "1d", "3d", 259_200), ("12h", "12h", "1d", 86_400)],
)
def test_a_birth_is_looked_for_at_the_beginning_of_the_window(window: str, ago: str, before: str, since: int) -> None:
    """As long ago as the window and what it is away from now."""
    written = increase("x_total", window, "a", match='b="c"', ago=ago)

    assert written.startswith("sum by (a) (\n")
    assert f'unless x_total{{b="c"}} offset {before})' in written
    assert f"stockstream_process_info offset {before} or " in written
    assert f"> time() - {since})" in written
    assert {(m.label, m.value) for m in matchers(written)} == {("b", "c")}


def told(counter: Counter, label: str) -> set[str]:
    return {sample.labels[label] for family in counter.collect() for sample in family.samples}


def test_every_fault_of_a_record_is_counted_from_nought() -> None:
    """The faults are those that the codec raises."""
    raised = set(re.findall(r'Undecodable\("(\w+)"', (ROOT / "schemas/codec.py").read_text()))

    assert raised == set(FAULTS)
    assert raised <= told(worker.DEAD_LETTERS, "category")
    assert raised | {"NULL_VALUE"} <= told(erp.DEAD_LETTERS, "category")


def test_a_record_of_ours_that_a_connector_cannot_read_is_counted() -> None:
    """By topic, and passed over."""
    strange = Record("feeds.status", 0, 7, b"k", b"no Avro", 0, {})

    assert Decoding(Shared()).decoded(strange) is None
    assert value(here(), "stockstream_undecodable_total", topic="feeds.status") == 1


def test_everything_that_the_view_can_wait_for_is_told_before_it_is_away() -> None:
    """By the names with which connectors say what is away."""
    sources = [path.read_text() for path in (ROOT / "connectors").rglob("*.py")]
    away = {what for text in sources for what in re.findall(r'\bAway\("(\w+)"', text)}

    assert away == told(view.AWAY, "what")
    assert away == told(view.OUTAGES, "what")

"""Alerts, recordings and panels ask for label values that the code can set: a misspelt one would be silent for ever."""

from pathlib import Path

import pytest

from monitoring.promql import Matcher, matchers
from monitoring.values import alternatives, strange, unsaid
from monitoring.written import expressions

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(("where", "expression"), expressions())
def test_an_expression_asks_for_values_that_there_can_be(where: str, expression: str) -> None:
    """Each value, each alternative of a pattern, each bound of a histogram."""
    assert not strange(expression), where


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ('stockstream_exceptions_open{severity="URGENT"}', "severity of stockstream_exceptions_open is never URGENT"),
        ('x{owner=~"buyer|byuer"}', "owner of x is never byuer"),
        (
            'stockstream_intake_records_total{topic="t", outcome="dead"}',
            "topic of stockstream_intake_records_total is never t",
        ),
        ('stockstream_wait_seconds_bucket{le="2"}', "le of stockstream_wait_seconds_bucket is never 2"),
        (
            'stockstream_ship_notices_total{outcome!="early"}',
            "outcome of stockstream_ship_notices_total is never early",
        ),
        ('x{flavour="y"}', "nobody has said what flavour of x can be"),
    ],
)
def test_a_value_that_nobody_sets_is_found(expression: str, said: str) -> None:
    """The check above would notice."""
    assert strange(f"sum ({expression} > 0)") == [said]


def test_matchers_are_those_of_their_selectors() -> None:
    """Whatever stands between and inside them."""
    found = matchers('sum by (a) (x{b="}", c=~"d|e"} / on (f) y) > z{}')

    assert list(found) == [Matcher("x", "b", "=", "}"), Matcher("x", "c", "=~", "d|e")]
    assert alternatives("0|[4|5]..|a(b|c)") == ["0", "[4|5]..", "a(b|c)"]


def test_outcomes_stand_where_they_are_counted() -> None:
    """What is known of them is what the code says."""
    assert unsaid(lambda path: (ROOT / path).read_text()) == []

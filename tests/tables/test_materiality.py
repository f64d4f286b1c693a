"""The gate: which change is told, why, and when the one that waits is looked at again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tables.materiality import Materiality, SegmentMateriality, gate

QUIET = Materiality(absolute_step=None, date_days=None)


def test_the_first_figures_are_always_told():
    """A reader gets a starting point, even under rules that tell nothing."""
    assert gate(None, (5, 0, None), QUIET) == ("FIRST", 0)


@pytest.mark.parametrize(
    ("policy", "before", "now", "because"),
    [
        (QUIET, (9, None), (0, None), "ZERO_CROSSED"),
        (QUIET, (0, None), (1, None), "ZERO_CROSSED"),
        (QUIET, (9, None), (8, 20_000), None),
        (Materiality(levels=(5,), absolute_step=None), (6, None), (5, None), "LEVEL_CROSSED"),
        (Materiality(levels=(5,), absolute_step=None), (5, None), (4, None), None),
        (Materiality(absolute_step=3), (9, None), (6, None), "ABSOLUTE_STEP"),
        (Materiality(absolute_step=3), (9, None), (11, None), None),
        (Materiality(absolute_step=None, relative_step=10), (100, None), (110, None), "RELATIVE_STEP"),
        (Materiality(absolute_step=None, relative_step=10), (100, None), (109, None), None),
        (Materiality(absolute_step=None, date_days=2), (9, 20_000), (9, 20_003), "DATE_MOVED"),
        (Materiality(absolute_step=None, date_days=2), (9, 20_000), (9, 20_002), None),
        (Materiality(absolute_step=None, date_days=2), (9, 20_000), (9, None), "DATE_MOVED"),
        (Materiality(absolute_step=None, date_days=2), (9, None), (9, 20_000), "DATE_MOVED"),
    ],
)
def test_each_rule(policy, before, now, because):
    """Every rule by itself, at its edge."""
    assert gate((0, *before), (1000, *now), policy)[0] == because


def test_a_change_inside_the_interval_waits_and_says_when():
    """The sweep looks again when the interval is over, and then it is told."""
    policy = Materiality(min_interval=500)

    assert gate((1000, 9, None), (1200, 5, None), policy) == (None, 1500)
    assert gate((1000, 9, None), (1500, 5, None), policy) == ("ABSOLUTE_STEP", 0)


def test_crossing_zero_does_not_wait():
    """A shop must never sell for an interval what is gone."""
    assert gate((1000, 9, None), (1001, 0, None), Materiality(min_interval=500))[0] == "ZERO_CROSSED"


def test_silence_is_broken():
    """After the longest silence the figures are told though nothing has changed; before it, the time is named."""
    policy = Materiality(max_silence=1000)

    assert gate((0, 9, None), (400, 9, None), policy) == (None, 1000)
    assert gate((0, 9, None), (1000, 9, None), policy) == ("MAX_SILENCE", 2000)


def test_a_segment_without_rules_has_the_default():
    """An item of an unknown segment is not silent."""
    rules = SegmentMateriality(QUIET, {"A": Materiality(absolute_step=5)})

    assert rules.of("A").absolute_step == 5
    assert rules.of("") is QUIET


figures = st.tuples(st.integers(0, 10_000), st.integers(0, 30), st.none() | st.integers(20_000, 20_010))
policies = st.builds(
    Materiality,
    st.lists(st.integers(1, 20), max_size=2).map(tuple),
    st.none() | st.integers(1, 10),
    st.none() | st.integers(1, 50),
    st.none() | st.integers(0, 5),
    st.integers(0, 100),
    st.just(0) | st.integers(100, 1000),
)


@given(figures, figures, policies)
def test_a_time_to_look_again_lies_ahead(before, now, policy):
    """Whatever the figures, a clock entry never leads to another at the same time."""
    reason, look = gate(before, now, policy)

    assert look == 0 or look > now[0]
    assert reason != "FIRST"


@given(figures, policies)
def test_nothing_new_is_not_told(figures, policy):
    """The same figures straight after are never material."""
    assert gate(figures, figures, policy)[0] is None

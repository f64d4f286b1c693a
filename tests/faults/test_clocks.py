"""Clocks that jump: what the log says counts, not when anybody says it happened."""

import random

import pytest

from tests.faults.conftest import MakeSite
from tests.pipeline.site_under_test import now_ms

pytestmark = pytest.mark.stack
HOUR_MS = 3_600_000
AHEAD_MS = 10 * 60_000
"""Within what intake takes from a clock that goes ahead (15 min)."""


def test_stamps_that_jump_back_and_forth_lose_nothing(make_site: MakeSite) -> None:
    """Records stamped up to a day early and an hour ahead, events up to 24 h late and 10 min ahead, workers killed."""
    site = make_site()
    skus = site.new_items("CLOCK", 10)
    chance = random.Random(5)
    site.start("one", "two")
    for name in ("one", "two"):
        for number in range(600):
            site.stamp = now_ms() + chance.choice((0, HOUR_MS, -HOUR_MS, -24 * HOUR_MS))
            at = now_ms() + chance.choice((0, AHEAD_MS, -HOUR_MS, -24 * HOUR_MS))
            site.scan(skus[number % 10], f"DC0{number % 4 + 1}", number % 5 + 1, occurred_at=at, sent_at=at)
        site.stamp = None
        site.hit(name)
    site.delivered()

    site.assert_whole(skus)

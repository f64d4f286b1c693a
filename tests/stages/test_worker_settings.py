"""Settings of a worker that must agree with each other."""

import pytest

from schemas.environment import SettingError
from streams.settings import load

DAY = 86_400_000


def test_a_past_limit_above_the_duplicate_window_is_refused():
    """A scan accepted at an age at which its id may be forgotten would count twice, in silence."""
    with pytest.raises(SettingError, match=r"STOCKSTREAM_PAST_LIMIT_MS=.*STOCKSTREAM_DUPLICATE_WINDOW_MS"):
        load({"STOCKSTREAM_PAST_LIMIT_MS": str(8 * DAY)})
    with pytest.raises(SettingError):
        load({"STOCKSTREAM_DUPLICATE_WINDOW_MS": str(DAY)})


def test_defaults_agree_and_both_may_be_raised():
    """A site with devices that are offline for long pays for it in memory."""
    assert load({}).past_limit_ms == load({}).duplicate_window_ms
    both = {"STOCKSTREAM_PAST_LIMIT_MS": str(30 * DAY), "STOCKSTREAM_DUPLICATE_WINDOW_MS": str(30 * DAY)}
    assert load(both).past_limit_ms == 30 * DAY

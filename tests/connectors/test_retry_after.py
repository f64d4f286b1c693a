"""What the other side may say of how long it wants to be left alone."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from connectors.retry_after import retry_after


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7", 7), (" 7 ", 7), ("1.5", 1.5), ("999999999", 3_600), ("", 0), (None, 0), ("soon", 0), ("-3", 0), ("²", 0),
     ("inf", 0), ("nan", 0), ("1e9", 0), ("9" * 400, 0), ("Fri, 99 Xyz 2026 99:99:99 GMT", 0)],
)  # fmt: skip
def test_a_number_of_seconds_is_capped_and_nonsense_asks_for_nothing(text, seconds):
    """Nobody can make us wait for ever."""
    assert seconds == retry_after(text)


def test_a_date_is_the_other_form():
    """Of the future, at most the cap; of the past, no wait; without a zone it is UTC."""
    now = datetime.now(UTC)

    assert 50 < retry_after(format_datetime(now + timedelta(seconds=60), usegmt=True)) <= 60
    assert 50 < retry_after((now + timedelta(seconds=60)).strftime("%a, %d %b %Y %H:%M:%S -0000")) <= 60
    assert retry_after(format_datetime(now + timedelta(days=400), usegmt=True), 30) == 30
    assert retry_after(format_datetime(now - timedelta(days=1), usegmt=True)) == 0

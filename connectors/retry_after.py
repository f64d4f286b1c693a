"""The Retry-After header (RFC 9110, 10.2.3): how long the other side wants to be left alone."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

MOST_S: Final = 3_600.0
_NUMBER: Final = re.compile(r"\s*(\d{1,12}(?:\.\d{1,6})?)\s*", re.ASCII)


def retry_after(text: str | None, most_s: float = MOST_S) -> float:
    """Seconds asked for, as a number or a date, at most `most_s`; 0 where it says nothing usable."""
    if not text:
        return 0.0
    if number := _NUMBER.fullmatch(text):
        return min(float(number[1]), most_s)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return 0.0
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return min(max(0.0, (at - datetime.now(UTC)).total_seconds()), most_s)

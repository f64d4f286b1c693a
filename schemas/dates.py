"""Avro's dates: days since 1970-01-01."""

from datetime import date
from typing import Final

_EPOCH: Final = date(1970, 1, 1).toordinal()


def days_of(on: date) -> int:
    """A date as Avro has it."""
    return on.toordinal() - _EPOCH


def iso_date(days: int) -> str:
    """An Avro date as people write it; raise ValueError or OverflowError beyond the calendar."""
    return date.fromordinal(_EPOCH + days).isoformat()

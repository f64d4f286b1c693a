"""The limits intake holds records to. Times in milliseconds of business time."""

from dataclasses import dataclass
from typing import Final

DAY_MS: Final = 86_400_000
LAST_DAY: Final = 73_050
"""Dates from 1970 to 2169 are dates; anything else is a slip that would only break arithmetic further on."""


@dataclass(frozen=True, slots=True)
class IntakeRules:
    """Defaults as in the worker's settings."""

    window_ms: int = 7 * DAY_MS
    """How long an event id is remembered."""
    future_ms: int = 15 * 60_000
    """How far ahead of the business clock a scan may claim to be."""
    past_ms: int = 30 * DAY_MS
    """How far behind the business clock a scan may be."""
    document_future_ms: int = DAY_MS
    """The same for documents: many are dated by the day, in a time zone of their own."""
    document_past_ms: int = 400 * DAY_MS
    """Acknowledgements, ship notices and milestones; orders may be of any age."""
    max_bytes: int = 512 << 10
    """Largest record taken: what it becomes, with the original in an exception, must still fit a broker's megabyte."""
    max_lines: int = 5_000
    """Most lines of a document."""
    park_ms: int = 30 * DAY_MS
    """How long a record waits by itself for reference data; afterwards its exception is replayed by hand."""
    watermark_ms: int = 1_000
    """A feed's watermark goes out at most this often from each task."""
    retry_most: int = 500
    """Parked records that one sweep takes again."""

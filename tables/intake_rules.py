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
    """How long an event id is remembered after its event came, and `future_ms` longer: an event may be sent again until it
    is too old, and counts once."""
    future_ms: int = 15 * 60_000
    """How far ahead of the business clock a scan may claim to be."""
    past_ms: int = 7 * DAY_MS
    """How far behind the business clock a scan may be: at most the window."""
    document_future_ms: int = DAY_MS
    """The same for documents: many are dated by the day, in a time zone of their own."""
    document_past_ms: int = 400 * DAY_MS
    """Acknowledgements, ship notices and milestones; orders may be of any age."""
    max_bytes: int = 256 << 10
    """Largest document taken: what it becomes, here and further on, must fit a broker's megabyte with room to spare."""
    max_scan_bytes: int = 16 << 10
    """Largest scan taken; its texts go into several records and keys."""
    max_lines: int = 2_000
    """Most lines of a document."""
    max_names: int = 256 << 10
    """Bytes that the texts of a document's lines may take, items and locations by our own codes: its row repeats each of
    them up to 15 times, and has to fit a record of the changelog in every state (schemas/topics_admin.py)."""
    park_ms: int = 30 * DAY_MS
    """How long a record waits by itself for reference data; afterwards its exception is replayed by hand."""
    watermark_ms: int = 1_000
    """A feed's watermark goes out at most this often from each task."""
    retry_most: int = 500
    """Parked records that one sweep takes again."""

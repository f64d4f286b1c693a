"""The clock of a row: the newest business time it has seen, and what becomes of it once a worker's clock was mended."""

from typing import Final

SKEW_MS: Final = 60_000
"""Clocks of workers may differ by this: a row's clock does not go back for an entry that is less behind it. One that is
further behind says that the clock before it was ahead and has been mended, and is believed."""


def clock_after(clock: int, at: int) -> int:
    """A row's clock (ms) after something of this time."""
    return at if at > clock or at < clock - SKEW_MS else clock

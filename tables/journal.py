"""The newest movements of a position, so that a count that arrives late can be carried forward to now.

Part of a position's row, kept as bytes and looked into only when a count, a stock snapshot or a late movement asks:
records of 11 bytes in order of their time. Times are milliseconds UTC, quantities signed, in base units.
"""

import struct
from bisect import bisect_right
from typing import Final

LIMIT: Final = 64
_RECORD: Final = struct.Struct(">hIiB")  # time (high and low part), quantity, number of the disposition in its row
SIZE: Final = _RECORD.size
FULL: Final = LIMIT * SIZE
MOST: Final = 2**31 - 1  # a larger movement takes several records
record: Final = _RECORD.pack
"""High and low 32 bits of the time, quantity, number of the disposition: what `added` puts at the end."""
_unpack_from: Final = _RECORD.unpack_from

NEVER: Final = -(2**47)
"""Earlier than every movement."""


def added(journal: bytes, at: int, quantity: int, disposition: int) -> tuple[bytes, int]:
    """Return the journal with one more movement, and the time of the newest movement it had to drop (or NEVER)."""
    if not -MOST <= quantity <= MOST:
        return _large(journal, at, quantity, disposition)
    newest = record(at >> 32, at & 0xFFFFFFFF, quantity, disposition)
    if not journal:
        return newest, NEVER
    high, low, _, _ = _unpack_from(journal, len(journal) - SIZE)
    if at >= (high << 32) + low:
        journal += newest
    else:
        index = bisect_right(_times(journal), at) * SIZE
        journal = journal[:index] + newest + journal[index:]
    if len(journal) <= FULL:
        return journal, NEVER
    high, low, _, _ = _unpack_from(journal)
    return journal[SIZE:], (high << 32) + low


def since(journal: bytes, at: int, disposition: int) -> int:
    """Sum of the movements of one disposition later than `at`."""
    return sum(q for high, low, q, d in _RECORD.iter_unpack(journal) if d == disposition and (high << 32) + low > at)


def without(journal: bytes, until: int, disposition: int) -> bytes:
    """The journal less the movements of one disposition up to and at `until`: a count there has overtaken them."""
    return b"".join(
        journal[index : index + SIZE]
        for index in range(0, len(journal), SIZE)
        for high, low, _, d in (_unpack_from(journal, index),)
        if d != disposition or (high << 32) + low > until
    )


def _times(journal: bytes) -> list[int]:
    return [(high << 32) + low for high, low, _, _ in _RECORD.iter_unpack(journal)]


def _large(journal: bytes, at: int, quantity: int, disposition: int) -> tuple[bytes, int]:
    dropped = NEVER
    while quantity:
        part = max(-MOST, min(MOST, quantity))
        journal, time = added(journal, at, part, disposition)
        dropped, quantity = max(dropped, time), quantity - part
    return journal, dropped

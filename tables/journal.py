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
_FULL: Final = LIMIT * SIZE
_MOST: Final = 2**31 - 1  # a larger movement takes several records
_pack, _unpack_from = _RECORD.pack, _RECORD.unpack_from

NEVER: Final = -(2**47)
"""Earlier than every movement."""


def added(journal: bytes, at: int, quantity: int, disposition: int) -> tuple[bytes, int]:
    """Return the journal with one more movement, and the time of the newest movement it had to drop (or NEVER)."""
    if not -_MOST <= quantity <= _MOST:
        return _large(journal, at, quantity, disposition)
    record = _pack(at >> 32, at & 0xFFFFFFFF, quantity, disposition)
    if not journal:
        return record, NEVER
    high, low, _, _ = _unpack_from(journal, len(journal) - SIZE)
    if at >= (high << 32) + low:
        journal += record
    else:
        index = bisect_right(_times(journal), at) * SIZE
        journal = journal[:index] + record + journal[index:]
    if len(journal) <= _FULL:
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
        part = max(-_MOST, min(_MOST, quantity))
        journal, time = added(journal, at, part, disposition)
        dropped, quantity = max(dropped, time), quantity - part
    return journal, dropped

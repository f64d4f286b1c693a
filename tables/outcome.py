"""What a stage hands back: the rows it changed and the records it has to say. Knows nothing of who writes them."""

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from schemas.metrics import Metric

Output = tuple[str, str, Mapping[str, Any]]
"""Topic, key and record. The task encodes, partitions and sends it."""
Measure = tuple[Metric, tuple[str, ...], float]
"""A metric, the values of its labels, how much: added to a counter, observed by a histogram."""


class Entry(NamedTuple):
    """One decoded record of a stage's input topic."""

    offset: int
    key: str
    value: Any


@dataclass(slots=True)
class Outcome:
    """The result of one step: changed rows by key (None deletes), outputs in order, what there is to measure."""

    rows: dict[bytes, bytes | None] = field(default_factory=dict)
    outputs: list[Output] = field(default_factory=list)
    measures: list[Measure] = field(default_factory=list)


class CorruptRow(Exception):
    """A table row that is damaged or from the future; the worker halts and names it."""


_HEADER = struct.Struct(">BIqq")
_SEAL = struct.Struct(">BI")
_TURN = struct.Struct(">qq")
_VERSION = 1
HEADER_SIZE = _HEADER.size


def pack_row(payload: bytes, offset: int, due: int) -> bytes:
    """Frame a row: version, checksum, offset of the last input folded in, time of its next clock entry (0: none)."""
    return seal(_TURN.pack(offset, due) + payload)


def seal(body: bytes) -> bytes:
    """Frame a body that begins with offset and due time (two 8-byte integers, big-endian) itself."""
    return _SEAL.pack(_VERSION, zlib.crc32(body)) + body


def unpack_row(row: bytes) -> tuple[bytes, int, int]:
    """Return payload, offset and due time; raise CorruptRow when the version or the checksum is wrong."""
    if len(row) < HEADER_SIZE:
        raise CorruptRow(f"row of {len(row)} bytes is shorter than its header")
    version, checksum, offset, due = _HEADER.unpack_from(row)
    if version != _VERSION:
        raise CorruptRow(f"row version {version}, this release reads {_VERSION}")
    if zlib.crc32(row[5:]) != checksum:
        raise CorruptRow("checksum mismatch")
    return row[HEADER_SIZE:], offset, due


def checked_due(row: bytes) -> int:
    """Verify a row as `unpack_row` does and return its due time, without copying it: recovery reads millions."""
    if len(row) < HEADER_SIZE or row[0] != _VERSION or zlib.crc32(memoryview(row)[5:]) != _HEADER.unpack_from(row)[1]:
        unpack_row(row)
        raise CorruptRow("damaged")
    return int.from_bytes(row[13:21], "big", signed=True)


class OutOfOrder(Exception):
    """An input at or below the last one folded into its row: state and log disagree, the worker halts."""


def check_order(key: str, offset: int, last: int) -> None:
    """Raise OutOfOrder unless this input is newer than everything in the row."""
    if offset <= last:
        raise OutOfOrder(f"{key}: input offset {offset} is at or below {last}, already in the row")

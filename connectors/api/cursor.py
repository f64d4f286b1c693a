"""Where a client of a channel's stream is: the next offset of every partition, as a text only we read."""

import base64
import binascii
from collections.abc import Mapping
from typing import Final
from zlib import crc32

VERSION: Final = 1
LONGEST: Final = 4_000


class NoCursor(ValueError):
    """A text that is no cursor of this channel's stream."""


def encode(topic: str, offsets: Mapping[int, int]) -> str:
    """The cursor behind these next offsets; a partition left out is at its beginning."""
    body = bytearray((VERSION,))
    body += crc32(topic.encode()).to_bytes(4)
    for partition in range(max(offsets, default=-1) + 1):
        _append(body, offsets.get(partition, 0))
    return base64.urlsafe_b64encode(body).decode().rstrip("=")


def decode(topic: str, cursor: str) -> dict[int, int]:
    """Next offsets by partition; raise NoCursor."""
    try:
        if len(cursor) > LONGEST:
            raise NoCursor("too long")
        body = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True)
        if body[0] != VERSION or body[1:5] != crc32(topic.encode()).to_bytes(4):
            raise NoCursor("of another stream")
        return dict(enumerate(_numbers(body[5:])))
    except (binascii.Error, IndexError, ValueError) as error:
        raise NoCursor(f"this is no cursor of this stream: {error}") from None


def _append(body: bytearray, number: int) -> None:
    """Seven bits a byte, the lowest first; the eighth says that more follow."""
    while number > 0x7F:
        body.append(number & 0x7F | 0x80)
        number >>= 7
    body.append(number)


def _numbers(body: bytes) -> list[int]:
    numbers, value, shift = [], 0, 0
    for byte in body:
        value |= (byte & 0x7F) << shift
        shift += 7
        if shift > 63:
            raise NoCursor("an offset is too large")
        if not byte & 0x80:
            numbers.append(value)
            value, shift = 0, 0
    if shift:
        raise NoCursor("cut off")
    return numbers

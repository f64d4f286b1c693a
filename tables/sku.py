"""What is true of a SKU across its locations: its policy, where it is known, and what each channel was last told.

The row `sku|*` changes when one of these does, not with every movement: the figures of the locations are read from the
heads of their own rows. What was told comes first, in fixed places; then the terms, the same bytes for many SKUs; then
the safety stock, which is looked into only when a policy or a location is new.
"""

import struct
from typing import Any, Final, Self

import orjson

from schemas.records import LedgerEntry
from tables.outcome import seal, unpack_row

ANYWHERE: Final = "*"
"""Stands for the location in the key of a SKU's own entries and row."""

_HEAD: Final = struct.Struct(">BIqqBH")  # frame, channels told, bytes of the terms
_BODY: Final = struct.Struct(">qqBH")
_TOLD: Final = struct.Struct(">Iqqi")

Told = tuple[int, int, int, int]
"""What a channel was told last: revision, time, quantity, earliest date of more (or NO_DATE)."""


class Terms:
    """Channels told so far, segment and locations of a SKU."""

    __slots__ = ("channels", "locations", "segment")

    def __init__(self, raw: bytes) -> None:
        self.channels: list[str]
        self.segment: str
        self.locations: list[str]  # in alphabetical order
        self.channels, self.segment, self.locations = orjson.loads(raw)

    def dump(self) -> bytes:
        return orjson.dumps([self.channels, self.segment, self.locations])


def read(row: bytes) -> tuple[int, list[Told], bytes]:
    """Due time, what channels were told and the terms of a framed row, for a look without opening it."""
    _, _, _, due, count, size = _HEAD.unpack_from(row)
    start = _HEAD.size + count * _TOLD.size
    told: Any = _TOLD.iter_unpack(row[_HEAD.size : start])
    return due, list(told), row[start : start + size]


NO_TERMS: Final = orjson.dumps([[], "", []])


class Sku:
    """The facts of one `sku|*` row."""

    __slots__ = ("_safety", "changed", "due", "offset", "terms", "told")

    def __init__(self, offset: int, due: int, told: list[Told], terms: bytes, safety: bytes) -> None:
        self.offset, self.due = offset, due
        self.told = told  # in the order of the terms' channels
        self.terms = terms
        self._safety = safety
        self.changed = False

    @classmethod
    def new(cls) -> Self:
        return cls(-1, 0, [], NO_TERMS, b"[]")

    @classmethod
    def load(cls, row: bytes) -> Self:
        """Read a framed row, whose checksum was verified when it was read back from its changelog."""
        version, _, offset, due, count, size = _HEAD.unpack_from(row)
        if version != 1:
            unpack_row(row)  # says what is wrong
        start = _HEAD.size + count * _TOLD.size
        told: Any = list(_TOLD.iter_unpack(row[_HEAD.size : start]))
        return cls(offset, due, told, row[start : start + size], row[start + size :])

    def dump(self) -> bytes:
        """Frame the row."""
        head = _BODY.pack(self.offset, self.due, len(self.told), len(self.terms))
        return seal(b"".join((head, *(_TOLD.pack(*told) for told in self.told), self.terms, self._safety)))

    def touch(self, offset: int) -> None:
        """The entry at this offset changes the row."""
        self.offset, self.changed = offset, True

    def add_location(self, location: str) -> None:
        terms = Terms(self.terms)
        terms.locations = sorted({*terms.locations, location})
        self.terms = terms.dump()

    def tell(self, slot: int, channel: str, told: Told) -> None:
        """Remember what a channel was told; a slot below 0: for the first time."""
        if slot >= 0:
            self.told[slot] = told
            return
        terms = Terms(self.terms)
        terms.channels.append(channel)
        self.terms = terms.dump()
        self.told.append(told)

    def set_policy(self, entry: LedgerEntry) -> None:
        """Take in a POLICY entry; the newest in the log holds."""
        policy = entry["policy"]
        if policy is not None:
            terms = Terms(self.terms)
            terms.segment = policy["segment"]
            self.terms = terms.dump()
            self._safety = orjson.dumps([[stock["location"], stock["quantity"]] for stock in policy["safety_stock"]])

    def safety_stock(self, location: str) -> int:
        """The location's own safety stock, else that of every location, else 0."""
        stock: dict[str | None, int] = dict(orjson.loads(self._safety))
        return stock.get(location, stock.get(None, 0))

"""What is true of a SKU across its locations: its policy, where it is known, what each channel was last told, and which
reservations are open.

The row `sku|*` changes when one of these does, not with every movement: the figures of the locations are read from the
heads of their own rows. What was told comes first, in fixed places; then the terms, the same bytes for many SKUs; then
the safety stock, looked into only when a policy or a location is new, and the reservations, when one is asked for.
"""

import struct
from typing import Any, Final, Self

import orjson

from schemas.records import LedgerEntry
from tables.outcome import seal, unpack_row
from tables.reservations import Open, earliest

ANYWHERE: Final = "*"
"""Stands for the location in the key of a SKU's own entries and row."""

_HEAD: Final = struct.Struct(
    ">BIqqqBHI"
)  # frame, earliest expiry, channels told, bytes of the terms and the safety stock
_BODY: Final = struct.Struct(">qqqBHI")
_TOLD: Final = struct.Struct(">Iqqi")
_LONG: Final = struct.Struct(">II")
"""Channels told and bytes of the terms, between head and rest of a row that has too many for the head."""
_MOST_TOLD: Final = 0xFF  # in the head: see _LONG
_MOST_TERMS: Final = 0xFFFF
SEGMENT_BYTES: Final = 0xFF
"""What a position's row can keep of a segment; intake takes shorter ones only, older ledgers may hold longer ones."""

Told = tuple[int, int, int, int]
"""What a channel was told last: revision, time, quantity, earliest date of more (or NO_DATE)."""


class Terms:
    """Channels told so far, segment and locations of a SKU."""

    __slots__ = ("channels", "locations", "segment")

    def __init__(self, raw: bytes) -> None:
        self.channels: list[str]
        self.segment: str
        self.locations: list[str]  # in alphabetical order
        self.channels, segment, self.locations = orjson.loads(raw)
        self.segment = _kept(segment)

    def dump(self) -> bytes:
        return orjson.dumps([self.channels, self.segment, self.locations])


def _kept(segment: str) -> str:
    """A segment as far as a position's row can keep it."""
    if len(segment) * 4 <= SEGMENT_BYTES:
        return segment
    return segment.encode()[:SEGMENT_BYTES].decode(errors="ignore")


def _sizes(row: bytes, count: int, size: int) -> tuple[int, int, int]:
    """Where the channels told begin, how many they are and the bytes of the terms, by the head of a row."""
    if count == _MOST_TOLD and size == _MOST_TERMS:
        count, size = _LONG.unpack_from(row, _HEAD.size)
        return _HEAD.size + _LONG.size, count, size
    return _HEAD.size, count, size


def read(row: bytes) -> tuple[int, int, list[Told], bytes]:
    """Due time, earliest expiry, what channels were told and the terms of a row, for a look without opening it."""
    _, _, _, due, expiry, count, size, _ = _HEAD.unpack_from(row)
    begin, count, size = _sizes(row, count, size)
    start = begin + count * _TOLD.size
    told: Any = _TOLD.iter_unpack(row[begin:start])
    return due, expiry, list(told), row[start : start + size]


NO_TERMS: Final = orjson.dumps([[], "", []])


class Sku:
    """The facts of one `sku|*` row."""

    __slots__ = ("_kept", "_reservations", "_safety", "changed", "due", "expiry", "offset", "terms", "told")

    def __init__(
        self, offset: int, due: int, expiry: int, told: list[Told], terms: bytes, safety: bytes, reservations: bytes
    ) -> None:
        self.offset, self.due = offset, due
        self.expiry = expiry  # of the reservation that ends first, ms; 0: none is open
        self.told = told  # in the order of the terms' channels
        self.terms = terms
        self._safety = safety
        self._kept = reservations
        self._reservations: Open | None = None
        self.changed = False

    @classmethod
    def new(cls) -> Self:
        return cls(-1, 0, 0, [], NO_TERMS, b"[]", b"")

    @classmethod
    def load(cls, row: bytes) -> Self:
        """Read a framed row, whose checksum was verified when it was read back from its changelog."""
        version, _, offset, due, expiry, count, size, safety = _HEAD.unpack_from(row)
        if version != 1:
            unpack_row(row)  # says what is wrong
        begin, count, size = _sizes(row, count, size)
        start = begin + count * _TOLD.size
        told: Any = list(_TOLD.iter_unpack(row[begin:start]))
        rest = start + size + safety
        return cls(offset, due, expiry, told, row[start : start + size], row[start + size : rest], row[rest:])

    def dump(self) -> bytes:
        """Frame the row."""
        held = self._reservations
        kept = self._kept if held is None else orjson.dumps(held) if held else b""
        count, size = len(self.told), len(self.terms)
        if count < _MOST_TOLD and size < _MOST_TERMS:
            head = _BODY.pack(self.offset, self.due, self.expiry, count, size, len(self._safety))
        else:
            head = _BODY.pack(self.offset, self.due, self.expiry, _MOST_TOLD, _MOST_TERMS, len(self._safety))
            head += _LONG.pack(count, size)
        return seal(b"".join((head, *(_TOLD.pack(*told) for told in self.told), self.terms, self._safety, kept)))

    @property
    def reservations(self) -> Open:
        """Open reservations by id; say `ending` after a change."""
        if self._reservations is None:
            self._reservations = orjson.loads(self._kept) if self._kept else {}
        return self._reservations

    def ending(self) -> None:
        """Bring the earliest expiry up to date."""
        self.expiry = earliest(self.reservations)

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
            terms.segment = _kept(policy["segment"])
            self.terms = terms.dump()
            self._safety = orjson.dumps([[stock["location"], stock["quantity"]] for stock in policy["safety_stock"]])

    def safety_stock(self, location: str) -> int:
        """The location's own safety stock, else that of every location, else 0."""
        stock: dict[str | None, int] = dict(orjson.loads(self._safety))
        return stock.get(location, stock.get(None, 0))

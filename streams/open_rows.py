"""The rows one step of the inventory stage has open: each read once and written once. Row keys as bytes."""

from collections.abc import Mapping
from typing import Final

from tables.clocks import clock_after
from tables.outcome import HEADER_SIZE, check_order
from tables.position import Position, due_of, peek
from tables.sku import ANYWHERE, Sku, Terms

SKU_ROW: Final = f"|{ANYWHERE}".encode()
"""How the key of a SKU's own row ends."""


class OpenRows:
    """Positions and SKUs as facts once they are changed, as the table's bytes until then."""

    def __init__(self, rows: Mapping[bytes, bytes]) -> None:
        self._rows = rows
        self.positions: dict[bytes, Position] = {}
        self.plain: dict[bytes, bytes] = {}
        """Rows folded the short way; a key is here or among the positions."""
        self.skus: dict[bytes, Sku] = {}

    def position(self, raw: bytes) -> Position:
        """A position that is there; it is kept only once it is touched."""
        position = self.positions.get(raw)
        return Position.load(self.plain.get(raw) or self._rows[raw]) if position is None else position

    def touch(self, offset: int, key: str, position: Position) -> None:
        """An entry of the SKU at this offset changes the position."""
        check_order(key, offset, position.offset)
        raw = key.encode()
        self.positions[raw] = position
        self.plain.pop(raw, None)
        position.offset = offset

    def new_position(self, offset: int, key: str) -> Position:
        """A position nothing was known of; its SKU learns where it is."""
        code, _, location = key.partition("|")
        sku = self.sku(code.encode())
        sku.add_location(location)
        sku.touch(offset)
        return Position.new(Terms(sku.terms).segment, sku.safety_stock(location))

    def sku(self, code: bytes) -> Sku:
        """A SKU's own row, new where there is none."""
        sku = self.skus.get(code)
        if sku is None:
            row = self._rows.get(code + SKU_ROW)
            sku = self.skus[code] = Sku.new() if row is None else Sku.load(row)
        return sku

    def promise(self, raw: bytes, now: int) -> int:
        """A position's ATP; where it changes with time, and the time (ms) has come, ahead of its clock entry."""
        position = self.positions.get(raw)
        if position is None:
            row = self.plain.get(raw) or self._rows[raw]
            if not 0 < due_of(row) <= now:
                return int(peek(row, HEADER_SIZE)[0])
        elif not 0 < position.due <= now:
            return position.atp
        else:
            row = position.dump()
        ahead = Position.load(row)
        ahead.clock = clock_after(ahead.clock, now)
        ahead.derive()
        return ahead.atp

"""What is true of a SKU across its locations: its policy, where it is known, and what each channel was last told.

The row `sku|*` changes when one of these does, not with every movement: the figures of the locations are read from the
heads of their own rows.
"""

from typing import Any, Final, Self

import orjson

from schemas.records import LedgerEntry
from tables.outcome import pack_row, unpack_row

ANYWHERE: Final = "*"
"""Stands for the location in the key of a SKU's own entries and row."""

Told = list[Any]
"""What a channel was told last: revision, time, quantity, earliest date of more."""


class Sku:
    """The facts of one `sku|*` row."""

    __slots__ = ("changed", "due", "locations", "offset", "safety", "segment", "told")

    def __init__(self, segment: str, safety: list[list[Any]], locations: list[str], told: dict[str, Told]) -> None:
        self.segment = segment
        self.safety = safety  # location (none: every other) and quantity
        self.locations = locations  # in alphabetical order
        self.told = told  # by channel
        self.offset = -1
        self.due = 0
        self.changed = False

    @classmethod
    def new(cls) -> Self:
        return cls("", [], [], {})

    @classmethod
    def load(cls, row: bytes) -> Self:
        """Read a framed row; raise CorruptRow when it is damaged."""
        payload, offset, due = unpack_row(row)
        sku = cls(*orjson.loads(payload))
        sku.offset, sku.due = offset, due
        return sku

    def dump(self) -> bytes:
        """Frame the row."""
        facts = [self.segment, self.safety, self.locations, self.told]
        return pack_row(orjson.dumps(facts), self.offset, self.due)

    def touch(self, offset: int) -> None:
        """The entry at this offset changes the row."""
        self.offset, self.changed = offset, True

    def set_policy(self, entry: LedgerEntry) -> None:
        """Take in a POLICY entry; the newest in the log holds."""
        policy = entry["policy"]
        if policy is not None:
            self.segment = policy["segment"]
            self.safety = [[stock["location"], stock["quantity"]] for stock in policy["safety_stock"]]

    def safety_stock(self, location: str) -> int:
        """The location's own safety stock, else that of every location, else 0."""
        anywhere = 0
        for place, quantity in self.safety:
            if place == location:
                return int(quantity)
            if place is None:
                anywhere = int(quantity)
        return anywhere

"""The stock position of one SKU at one location: a fold of its ledger entries, and the promise that follows from it.

State is facts alone; what may be promised is derived. The row is numbers in fixed places (what channels read of a
neighbour comes first), the segment, the journal, and a JSON list of the rest, whose tail is left out while it is empty.
"""

# ruff: noqa: PLR1730, FURB136 - max() is a call, and this is the hot path

import struct
from collections.abc import Iterable, Sequence
from typing import Any, Final, Self, get_args

import orjson

from schemas.records import SELLABLE, LedgerEntry, LedgerKind
from tables import claims, journal
from tables.backorders import Backorders, backordered
from tables.clocks import clock_after
from tables.expected import Listed, expected
from tables.outcome import CorruptRow, seal, unpack_row
from tables.promise import promise

DAY: Final = 86_400_000
NO_DATE: Final = 2**31 - 1  # in rows and figures: later than every date, so the earliest of several needs no test
CAUSES: Final = 8  # source coordinates and stamps a position remembers
STAMPS: Final = 8

KINDS: Final[tuple[str, ...]] = get_args(LedgerKind)
BIT: Final = {kind: 1 << number for number, kind in enumerate(KINDS)}  # reasons are kept as a set of bits
SIGNS: Final = {"RECEIPT": 1, "RETURN": 1, "TRANSFER_IN": 1, "ADJUST": 1, "ISSUE": -1, "TRANSFER_OUT": -1}

_FIGURES: Final = "qqi"  # atp, as_of, next receipt
_NUMBERS: Final = _FIGURES + "?BBIqqqqIqqiqqH"
ROW: Final = struct.Struct(">BIqq" + _NUMBERS)
"""Frame and numbers, as `Position.load` reads them; then come the segment, the journal and the JSON list."""
BODY: Final = struct.Struct(">qq" + _NUMBERS)
"""The same less the frame's first two, as `Position.dump` writes them."""
peek: Final = struct.Struct(">" + _FIGURES).unpack_from
"""Read a row's `Figures` at HEADER_SIZE, without the rest of it."""


def due_of(row: bytes) -> int:
    """When a row wants a clock entry (ms; 0: never), without the rest of it."""
    return int.from_bytes(row[13:21], "big", signed=True)


def clock_of(row: bytes) -> int:
    """The clock of a row (ms), without the rest of it."""
    return int.from_bytes(row[_CLOCK : _CLOCK + 8], "big", signed=True)


_CLOCK: Final = struct.calcsize(">BIqq" + _FIGURES + "?BBI")
_read: Final = ROW.unpack_from
_SIZE: Final = ROW.size

Figures = tuple[int, int, int]
"""ATP, as_of, earliest date of more (or NO_DATE): what a channel needs of a position."""
Hold = tuple[str, int, str | None]
"""Reference of what stock is held for, quantity (0: no more), the order it is confirmed for."""
Finding = tuple[str, str, int, int]
"""Exception category, disposition (or reference of a transfer), the figure found, the figure compared with."""


class Position:
    """Facts as read from a row, changed by `fold`; then `derive` brings the promise up to date.

    Made by `new` and `load` only: they set every fact.
    """

    __slots__ = (
        "allocated", "as_of", "atp", "atp_signed", "available", "backorders", "causes", "clock", "correlation_id",
        "counted", "counts", "day_due", "demand", "dropped_at", "due", "expected", "journal", "next_receipt", "offset", "others",
        "published_at", "published_atp", "published_date", "published_on_hand", "published_revision", "reasons",
        "revision", "safety_stock", "schedule", "segment", "stamps", "supply", "transit",
    )  # fmt: skip

    offset: int  # of the newest entry folded in
    due: int  # when the row wants a clock entry, ms; 0: never
    revision: int  # entries folded in
    clock: int  # newest recorded_at, ms; it goes back only where a clock was mended
    as_of: int  # newest occurred_at, ms
    available: int
    others: dict[str, int] | None  # on hand by other disposition, in order of appearance: the journal counts on it
    allocated: int  # what demand claims still hold
    segment: str
    safety_stock: int
    reasons: int  # kinds of the entries since the delta before, as bits
    causes: list[str]  # and where they came from
    stamps: list[list[Any]]  # newest per source: source, event time, ingest time, coordinate
    journal: bytes
    dropped_at: int  # newest movement no longer in the journal, ms
    counts: dict[str, int] | None  # time of the count in force by disposition, ms
    supply: dict[str, claims.ClaimFacts] | None  # claims by document
    demand: dict[str, claims.ClaimFacts] | None
    transit: dict[str, claims.Transit] | None
    backorders: Backorders | None
    published_revision: int  # of the newest delta; 0: none yet
    published_at: int
    published_atp: int
    published_date: int
    published_on_hand: int
    # derived
    atp: int
    atp_signed: int
    next_receipt: int  # or NO_DATE
    schedule: Sequence[tuple[int, int]]
    expected: Sequence[Listed]
    counted: int  # expected quantity that is in ATP
    day_due: int  # when the passing of days next changes the figures, ms; 0: never
    correlation_id: str

    # ---- rows ---------------------------------------------------------------------------------------------------

    @classmethod
    def new(cls, segment: str, safety_stock: int) -> Self:
        """A position nothing is known of yet."""
        position = cls()
        position.offset = -1
        position.due = position.atp = position.as_of = position.revision = position.clock = 0
        position.available = position.allocated = position.reasons = 0
        position.published_revision = position.published_at = position.published_atp = position.published_on_hand = 0
        position.next_receipt = position.published_date = NO_DATE
        position.segment, position.safety_stock = segment, safety_stock
        position.causes, position.stamps, position.journal, position.dropped_at = [], [], b"", journal.NEVER
        position.others = position.counts = position.supply = position.demand = position.transit = None
        position.backorders = None
        return position

    @classmethod
    def load(cls, row: bytes) -> Self:
        """Read a framed row, whose checksum was verified when it was read back from its changelog."""
        position = cls()
        try:
            (
                version, _, position.offset, position.due, position.atp, position.as_of, position.next_receipt, plain,
                segment, count, position.revision, position.clock, position.available, position.allocated, position.safety_stock,
                position.published_revision, position.published_at, position.published_atp, position.published_date,
                position.published_on_hand, position.dropped_at, position.reasons,
            ) = _read(row)  # fmt: skip
        except struct.error as error:
            raise CorruptRow(f"row of {len(row)} bytes is shorter than its numbers") from error
        if version != 1:
            unpack_row(row)  # says what is wrong
        movements = _SIZE + segment
        facts = movements + count * journal.SIZE
        position.segment = row[_SIZE:movements].decode()
        position.journal = row[movements:facts]
        rest = orjson.loads(row[facts:])
        position.backorders = None
        if plain:
            position.causes, position.stamps = rest
            position.others = position.counts = position.supply = position.demand = position.transit = None
        else:
            (
                position.causes, position.stamps, position.others, position.counts, position.supply, position.demand,
                position.transit, *more,
            ) = rest  # fmt: skip
            if more:
                position.backorders = more[0]
        return position

    def dump(self) -> bytes:
        """Frame the row; the same entries in the same order give the same bytes, however they were chunked."""
        rest: list[Any] = [self.causes, self.stamps]
        plain = not (self.demand or self.supply or self.others or self.counts or self.transit or self.backorders)
        if not plain:
            rest += (
                self.others or None, self.counts or None, self.supply or None, self.demand or None, self.transit or None
            )  # fmt: skip
            if self.backorders:
                rest.append(self.backorders)
        segment = self.segment.encode()
        return seal(
            BODY.pack(
                self.offset, self.due, self.atp, self.as_of, self.next_receipt, plain, len(segment),
                len(self.journal) // journal.SIZE, self.revision, self.clock, self.available, self.allocated,
                self.safety_stock, self.published_revision, self.published_at, self.published_atp, self.published_date,
                self.published_on_hand, self.dropped_at, self.reasons,
            )
            + segment
            + self.journal
            + orjson.dumps(rest)
        )  # fmt: skip

    # ---- folding ------------------------------------------------------------------------------------------------

    def fold(self, entry: LedgerEntry) -> Sequence[Finding]:
        """Take in one entry; return what is wrong with it or with the stock it leaves."""
        kind = entry["kind"]
        self._mark(entry, kind)
        if kind == "CLOCK":
            return self._overdue() if self.transit else ()
        at = entry["occurred_at"]
        source = entry["source"]
        for stamp in self.stamps:
            if stamp[0] == source:
                if at > stamp[1]:
                    stamp[1:] = at, entry["recorded_at"], entry["coordinate"]
                elif at == stamp[1]:
                    stamp[1:] = max(stamp[1:], [at, entry["recorded_at"], entry["coordinate"]])
                break
        else:
            self._new_stamp([source, at, entry["recorded_at"], entry["coordinate"]])
        if (sign := SIGNS.get(kind)) is not None:
            quantity = entry["quantity"]
            arrived: Sequence[Finding] = ()
            if (reference := entry["reference"]) is not None:
                arrived = self._settle(entry, kind, reference, quantity)
            findings = self._move(entry["disposition"], sign * quantity, at)
            if arrived:
                findings = (*findings, *arrived)
        elif kind == "MOVE":
            out = self._move(entry["disposition"], -entry["quantity"], at)
            findings = (*out, *self._move(entry["to_disposition"] or SELLABLE, entry["quantity"], at))
        elif kind == "COUNT":
            findings = self._count(entry["disposition"], entry["quantity"], at)
        elif kind == "SNAPSHOT":
            findings = self._compare(entry["disposition"], entry["quantity"], at)
        else:
            findings = self._claim(entry)
        if at > self.as_of:
            self.as_of = at
        return (*findings, *self._overdue()) if self.transit else findings

    def set_policy(self, entry: LedgerEntry, segment: str, safety_stock: int) -> None:
        """Take in a POLICY entry of the SKU as far as it concerns this position."""
        self._mark(entry, entry["kind"])
        self.segment, self.safety_stock = segment, safety_stock

    def set_holds(self, entry: LedgerEntry, holds: Iterable[Hold]) -> None:
        """Take in what an entry of the SKU holds or lets go here."""
        self._mark(entry, entry["kind"])
        demand = self.demand = self.demand or {}
        for reference, quantity, order in holds:
            self.allocated += claims.hold(demand, reference, quantity, order, entry["coordinate"])

    def on_hand(self) -> int:
        """Everything here, in whatever disposition."""
        return self.available + sum(self.others.values()) if self.others else self.available

    def _mark(self, entry: LedgerEntry, kind: str) -> None:
        coordinate = entry["coordinate"]
        revision = self.revision
        if self.published_revision == revision:  # the delta just sent has told what came before
            self.reasons = BIT[kind]
            self.causes = [coordinate] if coordinate else []
        else:
            self.reasons |= BIT[kind]
            if coordinate:
                causes = self.causes
                causes.append(coordinate)
                if len(causes) > CAUSES:
                    del causes[0]
        self.revision = revision + 1
        self.correlation_id = entry["correlation_id"]
        self.clock = clock_after(self.clock, entry["recorded_at"])

    def _new_stamp(self, stamp: list[Any]) -> None:
        self.stamps.append(stamp)
        if len(self.stamps) > STAMPS:
            self.stamps.remove(min(self.stamps, key=_stamp_age))

    def _move(self, disposition: str, quantity: int, at: int) -> Sequence[Finding]:
        if self.counts and at <= self.counts.get(disposition, journal.NEVER):
            return ()  # the count in force has seen it
        if disposition == SELLABLE:
            before = self.available
            number, after = 0, before + quantity
            self.available = after
        else:
            before = self.of(disposition)
            number, after = self._put(disposition, before + quantity)
        if at >= self.as_of and len(self.journal) < journal.FULL and -journal.MOST <= quantity <= journal.MOST:
            self.journal += journal.record(at >> 32, at & 0xFFFFFFFF, quantity, number)  # the newest of all, and room
        else:
            self.journal, dropped = journal.added(self.journal, at, quantity, number)
            if dropped > self.dropped_at:
                self.dropped_at = dropped
        if (after < 0) is not (before < 0):
            return (("NEGATIVE_STOCK", disposition, after, before),)
        return ()

    def of(self, disposition: str) -> int:
        """On hand of one disposition."""
        if disposition == SELLABLE:
            return self.available
        return self.others.get(disposition, 0) if self.others else 0

    def _put(self, disposition: str, quantity: int) -> tuple[int, int]:
        """Set a disposition; return its number in the journal and the quantity."""
        if disposition == SELLABLE:
            self.available = quantity
            return 0, quantity
        others = self.others = self.others or {}
        others[disposition] = quantity
        return 1 + list(others).index(disposition), quantity

    def _count(self, disposition: str, quantity: int, at: int) -> Sequence[Finding]:
        counts = self.counts = self.counts or {}
        if at < counts.get(disposition, journal.NEVER):
            return ()  # a newer count is in force
        before = self.of(disposition)
        if at < self.dropped_at:
            return (("COUNT_BEYOND_JOURNAL", disposition, quantity, before),)
        number, _ = self._put(disposition, before)
        after = quantity + journal.since(self.journal, at, number)
        self._put(disposition, after)
        self.journal = journal.without(self.journal, at, number)
        counts[disposition] = at
        if (after < 0) is not (before < 0):
            return (("NEGATIVE_STOCK", disposition, after, before),)
        return ()

    def _compare(self, disposition: str, quantity: int, at: int) -> Sequence[Finding]:
        """Hold a stock snapshot against on-hand as of its time; older than what can be taken back, it says nothing."""
        counted = (self.counts or {}).get(disposition, journal.NEVER)
        if at < counted or at < self.dropped_at:
            return ()
        ours = self.of(disposition)
        if disposition == SELLABLE:
            ours -= journal.since(self.journal, at, 0)
        elif self.others and disposition in self.others:
            ours -= journal.since(self.journal, at, 1 + list(self.others).index(disposition))
        return () if ours == quantity else (("STOCK_DIVERGENCE", disposition, ours, quantity),)

    def _settle(self, entry: LedgerEntry, kind: str, reference: str, quantity: int) -> Sequence[Finding]:
        """Count a movement against the document it names."""
        if kind == "ISSUE":
            if reference.startswith("SALES_ORDER:"):
                demand = self.demand = self.demand or {}
                before = claims.outstanding(demand.get(reference))
                claims.move(demand, reference, quantity)
                self.allocated += claims.outstanding(demand.get(reference)) - before
        elif kind == "RECEIPT":
            if reference.startswith("PURCHASE_ORDER:"):
                self.supply = self.supply or {}
                claims.move(self.supply, reference, quantity)
        elif kind == "TRANSFER_IN" and reference.startswith("TRANSFER:"):
            return self._transfer(entry, reference, -quantity, None)
        return ()

    def _transfer(self, entry: LedgerEntry, reference: str, quantity: int, left_at: int | None) -> Sequence[Finding]:
        """Take in one leg; nothing being on its way any more, who was told that it is overdue hears of it."""
        transit = self.transit = self.transit or {}
        told = claims.is_told(transit.get(reference))
        claims.transfer(transit, reference, quantity, left_at, sellable=entry["disposition"] == SELLABLE)
        facts = transit.get(reference)
        if not told or (facts is not None and sum(claims.in_transit(facts)) > 0):
            return ()
        if facts is not None:
            claims.settle(transit, reference)
        return (("TRANSFER_OVERDUE", reference, 0, 0),)

    def _overdue(self) -> Sequence[Finding]:
        """Transfers of which somebody has to be told now."""
        late = claims.overdue(self.transit or {}, self.clock // DAY)
        return [("TRANSFER_OVERDUE", reference, quantity, date) for reference, quantity, date in late]

    def _claim(self, entry: LedgerEntry) -> Sequence[Finding]:
        kind, claim, reference = entry["kind"], entry["claim"], entry["reference"] or ""
        if kind == "TRANSFER_DUE":
            return self._transfer(entry, reference, entry["quantity"], entry["occurred_at"])
        if kind == "EXPECT" and claim is not None:
            self.supply = self.supply or {}
            claims.restate(self.supply, reference, claim)
        elif kind == "ALLOCATE" and claim is not None:
            demand = self.demand = self.demand or {}
            before = claims.outstanding(demand.get(reference))
            claims.restate(demand, reference, claim)
            self.allocated += claims.outstanding(demand.get(reference)) - before
            self.allocated -= claims.lapse(demand, reference, claim["reservations"])
            self.backorders = backordered(self.backorders, reference, claim)
        return ()

    # ---- the promise --------------------------------------------------------------------------------------------

    def derive(self) -> None:
        """Bring ATP, schedule, expected supply and the time of the next change by date up to date."""
        opening = self.available
        if not self.supply and not self.transit:
            # Demand only ever lowers the balance, so without supply the lowest is the last: all of it taken off.
            signed = self.atp_signed = opening - self.allocated
            free = signed - self.safety_stock
            self.atp = free if free > 0 else 0
            self.next_receipt = NO_DATE
            self.schedule = self.expected = ()
            self.counted = self.day_due = 0
            return
        today = self.clock // DAY
        self.expected, counted, days = expected(self.supply or {}, self.transit or {}, today)
        demand = [
            (today if date is None else date, quantity)
            for claim in (self.demand or {}).values()
            for _, _, quantity, date, _ in claims.remaining(claim)
        ]
        days += [date for date, _ in demand if date > today]
        self.atp_signed, self.schedule = promise(opening, counted, demand, today, self.safety_stock)
        self.atp = max(0, self.atp_signed - self.safety_stock)
        self.next_receipt = min([date for date, _ in counted], default=NO_DATE)
        self.counted = sum([quantity for _, quantity in counted])
        self.day_due = min(days, default=0) * DAY


def _stamp_age(stamp: list[Any]) -> tuple[int, int, str]:
    return stamp[1], stamp[2], stamp[0]

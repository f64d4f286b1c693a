"""The stock position of one SKU at one location: a fold of its ledger entries, and the promise that follows from it.

State is facts alone; what may be promised is derived. The row is a fixed head (what channels read of a neighbour), the
journal's bytes, and the facts as a flat JSON list in the order of `Position.__init__`.
"""

import struct
from collections.abc import Sequence
from typing import Any, Final, Self

import orjson

from schemas.records import SELLABLE, LedgerEntry
from tables import claims, journal
from tables.outcome import HEADER_SIZE, pack_row, unpack_row
from tables.promise import promise

DAY: Final = 86_400_000
CAUSES: Final = 8  # source coordinates and stamps a position remembers
STAMPS: Final = 8

SIGNS: Final = {"RECEIPT": 1, "RETURN": 1, "TRANSFER_IN": 1, "ADJUST": 1, "ISSUE": -1, "TRANSFER_OUT": -1}
COUNTED: Final = frozenset({"ORDERED", "ACKNOWLEDGED", "IN_TRANSIT", "TRANSFER"})

_HEAD: Final = struct.Struct(">qqiB")  # atp, as_of, next receipt (NO_DATE: none), movements in the journal
_HEAD_SIZE: Final = _HEAD.size
_NO_DATE: Final = -(2**31)

Figures = tuple[int, int | None, int]
"""ATP, earliest date of more, as_of: what a channel needs of a position."""
Finding = tuple[str, str, int, int]
"""Exception category, disposition, the figure found, the figure compared with."""
Listed = tuple[int, str, str, str | None, int, str, bool]
"""Expected supply: date, document, line, shipment, quantity, state, overdue."""


def peek(row: bytes) -> Figures:
    """Read a framed row's figures without its facts."""
    atp, as_of, date, _ = _HEAD.unpack_from(row, HEADER_SIZE)
    return atp, (None if date == _NO_DATE else date), as_of


class Position:
    """Facts as read from a row, changed by `fold`; then `derive` brings the promise up to date."""

    __slots__ = (
        "allocated", "as_of", "atp", "atp_signed", "causes", "clock", "correlation_id", "counted", "counts", "day_due",
        "demand", "dropped_at", "due", "expected", "journal", "next_receipt", "offset", "on_hand", "published",
        "published_on_hand", "published_revision", "reasons", "revision", "safety_stock", "schedule", "segment",
        "stamps", "supply", "transit",
    )  # fmt: skip

    def __init__(
        self,
        revision: int,
        clock: int,
        segment: str,
        safety_stock: int,
        on_hand: dict[str, int],
        allocated: int,
        published_revision: int,
        published: list[Any] | tuple[int, int, int | None] | None,
        published_on_hand: int,
        reasons: list[str],
        causes: list[str],
        stamps: list[list[Any]],
        counts: dict[str, int] | None = None,
        dropped_at: int = journal.NEVER,
        supply: dict[str, list[Any]] | None = None,
        demand: dict[str, list[Any]] | None = None,
        transit: dict[str, list[int | None]] | None = None,
    ) -> None:
        self.revision = revision  # entries folded in
        self.clock = clock  # newest recorded_at, ms
        self.segment = segment
        self.safety_stock = safety_stock
        self.on_hand = on_hand  # by disposition, in order of appearance: the journal counts on it
        self.allocated = allocated  # sum of what demand claims still hold
        self.published_revision = published_revision
        self.published = published  # time, ATP, next receipt of the newest delta
        self.published_on_hand = published_on_hand
        self.reasons = reasons  # kinds of the entries since the delta before
        self.causes = causes  # and where they came from
        self.stamps = stamps  # newest per source: source, event time, ingest time, coordinate
        self.counts = counts  # time of the count in force by disposition, ms
        self.dropped_at = dropped_at  # newest movement no longer in the journal, ms
        self.supply = supply  # claims by document
        self.demand = demand
        self.transit = transit

    # ---- rows ---------------------------------------------------------------------------------------------------

    @classmethod
    def new(cls, segment: str, safety_stock: int) -> Self:
        """A position nothing is known of yet."""
        position = cls(0, 0, segment, safety_stock, {SELLABLE: 0}, 0, 0, None, 0, [], [], [])
        position.atp = position.as_of = position.offset = position.due = 0
        position.offset = -1
        position.next_receipt = None
        position.journal = b""
        return position

    @classmethod
    def load(cls, row: bytes) -> Self:
        """Read a framed row; raise CorruptRow when it is damaged. Schedule and expected supply need `derive` first."""
        payload, offset, due = unpack_row(row)
        atp, as_of, date, count = _HEAD.unpack_from(payload)
        facts = _HEAD_SIZE + count * journal.SIZE
        position = cls(*orjson.loads(payload[facts:]))
        position.atp, position.as_of, position.offset, position.due = atp, as_of, offset, due
        position.next_receipt = None if date == _NO_DATE else date
        position.journal = payload[_HEAD_SIZE:facts]
        return position

    def dump(self) -> bytes:
        """Frame the row; the same entries in the same order give the same bytes, however they were chunked."""
        facts = [
            self.revision, self.clock, self.segment, self.safety_stock, self.on_hand, self.allocated,
            self.published_revision, self.published, self.published_on_hand, self.reasons, self.causes, self.stamps,
        ]  # fmt: skip
        if self.supply or self.demand or self.transit or self.counts or self.dropped_at != journal.NEVER:
            facts += (self.counts, self.dropped_at, self.supply, self.demand, self.transit)
        date = self.next_receipt
        head = _HEAD.pack(self.atp, self.as_of, _NO_DATE if date is None else date, len(self.journal) // journal.SIZE)
        return pack_row(head + self.journal + orjson.dumps(facts), self.offset, self.due)

    # ---- folding ------------------------------------------------------------------------------------------------

    def fold(self, entry: LedgerEntry) -> Sequence[Finding]:
        """Take in one entry; return what is wrong with it or with the stock it leaves."""
        kind = entry["kind"]
        self._mark(entry, kind)
        if kind == "CLOCK":
            return ()
        at = entry["occurred_at"]
        if at > self.as_of:
            self.as_of = at
        self._stamp(entry, at)
        quantity = entry["quantity"]
        sign = SIGNS.get(kind)
        if sign is not None:
            if (reference := entry["reference"]) is not None:
                self._settle(kind, reference, quantity)
            return self._move(entry["disposition"], sign * quantity, at)
        if kind == "MOVE":
            to = entry["to_disposition"] or SELLABLE
            return (*self._move(entry["disposition"], -quantity, at), *self._move(to, quantity, at))
        if kind == "COUNT":
            return self._count(entry["disposition"], quantity, at)
        if kind == "SNAPSHOT":
            return self._compare(entry["disposition"], quantity, at)
        self._claim(entry)
        return ()

    def set_policy(self, entry: LedgerEntry, segment: str, safety_stock: int) -> None:
        """Take in a POLICY entry of the SKU as far as it concerns this position."""
        self._mark(entry, entry["kind"])
        self.segment, self.safety_stock = segment, safety_stock

    def _mark(self, entry: LedgerEntry, kind: str) -> None:
        coordinate = entry["coordinate"]
        if self.published_revision == self.revision:  # the delta just sent has told what came before
            self.reasons, self.causes = [kind], [coordinate] if coordinate else []
        else:
            if kind not in self.reasons:
                self.reasons.append(kind)
            if coordinate:
                self.causes.append(coordinate)
                if len(self.causes) > CAUSES:
                    del self.causes[0]
        self.revision += 1
        self.correlation_id = entry["correlation_id"]
        recorded = entry["recorded_at"]
        if recorded > self.clock:
            self.clock = recorded

    def _stamp(self, entry: LedgerEntry, at: int) -> None:
        source = entry["source"]
        new = [source, at, entry["recorded_at"], entry["coordinate"]]
        for index, stamp in enumerate(self.stamps):
            if stamp[0] == source:
                if stamp[1:] < new[1:]:
                    self.stamps[index] = new
                return
        self.stamps.append(new)
        if len(self.stamps) > STAMPS:
            self.stamps.remove(min(self.stamps, key=_stamp_age))

    def _move(self, disposition: str, quantity: int, at: int) -> Sequence[Finding]:
        if self.counts and at <= self.counts.get(disposition, journal.NEVER):
            return ()  # the count in force has seen it
        before = self.on_hand.get(disposition, 0)
        after = self.on_hand[disposition] = before + quantity
        number = 0 if disposition == SELLABLE else list(self.on_hand).index(disposition)
        self.journal, dropped = journal.added(self.journal, at, quantity, number)
        if dropped > self.dropped_at:
            self.dropped_at = dropped
        if (after < 0) is not (before < 0):
            return (("NEGATIVE_STOCK", disposition, after, before),)
        return ()

    def _count(self, disposition: str, quantity: int, at: int) -> Sequence[Finding]:
        counts = self.counts = self.counts or {}
        if at < counts.get(disposition, journal.NEVER):
            return ()  # a newer count is in force
        if at < self.dropped_at:
            return (("COUNT_BEYOND_JOURNAL", disposition, quantity, self.on_hand.get(disposition, 0)),)
        before = self.on_hand.setdefault(disposition, 0)
        number = list(self.on_hand).index(disposition)
        after = self.on_hand[disposition] = quantity + journal.since(self.journal, at, number)
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
        ours = self.on_hand.get(disposition, 0)
        if disposition in self.on_hand:
            ours -= journal.since(self.journal, at, list(self.on_hand).index(disposition))
        return () if ours == quantity else (("STOCK_DIVERGENCE", disposition, ours, quantity),)

    def _settle(self, kind: str, reference: str, quantity: int) -> None:
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
            self.transit = self.transit or {}
            claims.transfer(self.transit, reference, -quantity, None)

    def _claim(self, entry: LedgerEntry) -> None:
        kind, claim, reference = entry["kind"], entry["claim"], entry["reference"] or ""
        if kind == "TRANSFER_DUE":
            self.transit = self.transit or {}
            claims.transfer(self.transit, reference, entry["quantity"], entry["occurred_at"])
        elif kind == "EXPECT" and claim is not None:
            self.supply = self.supply or {}
            claims.restate(self.supply, reference, claim)
        elif kind == "ALLOCATE" and claim is not None:
            demand = self.demand = self.demand or {}
            before = claims.outstanding(demand.get(reference))
            claims.restate(demand, reference, claim)
            self.allocated += claims.outstanding(demand.get(reference)) - before

    # ---- the promise --------------------------------------------------------------------------------------------

    def derive(self) -> None:
        """Bring ATP, schedule, expected supply and the time of the next change by date up to date."""
        opening = self.on_hand[SELLABLE]
        if not self.supply and not self.transit:
            # Demand only ever lowers the balance, so without supply the lowest is the last: all of it taken off.
            signed = self.atp_signed = opening - self.allocated
            free = signed - self.safety_stock
            self.atp = free if free > 0 else 0
            self.next_receipt, self.schedule, self.expected, self.counted, self.day_due = None, (), (), 0, 0
            return
        today = self.clock // DAY
        listed, counted, days = self._expected(today)
        demand = [
            (today if date is None else date, quantity)
            for claim in (self.demand or {}).values()
            for _, _, quantity, date, _ in claims.remaining(claim)
        ]
        days += [date for date, _ in demand if date > today]
        self.atp_signed, self.schedule = promise(opening, counted, demand, today, self.safety_stock)
        self.atp = max(0, self.atp_signed - self.safety_stock)
        self.next_receipt = min([date for date, _ in counted], default=None)
        self.expected = sorted(listed, key=_listing)
        self.counted = sum([quantity for _, quantity in counted])
        self.day_due = min(days, default=0) * DAY

    def _expected(self, today: int) -> tuple[list[Listed], list[tuple[int, int]], list[int]]:
        """All supply still open; what of it counts, at the date it counts on; the days when that next changes.

        Overdue supply inside its fence counts from `offset` days on, so it moves every day; outside it is only shown.
        """
        listed: list[Listed] = []
        counted: list[tuple[int, int]] = []
        days: list[int] = []

        def place(part: Listed, fence: int, offset: int) -> None:
            listed.append(part)
            date, quantity, counts = part[0], part[4], part[5] in COUNTED
            if date >= today:
                days.append(max(date, today + 1))
            elif counts and today - date <= fence:
                date = today + offset
                days.append(today + 1)
            else:
                return
            if counts:
                counted.append((date, quantity))

        for reference, claim in (self.supply or {}).items():
            document, fence, offset = reference.partition(":")[2], claim[claims.FENCE], claim[claims.OFFSET]
            for line, shipment, quantity, date, state in claims.remaining(claim):
                day = today if date is None else date
                place((day, document, line, shipment, quantity, state, day < today), fence, offset)
        for reference, (total, date) in (self.transit or {}).items():
            if total is not None and total > 0 and date is not None:
                part = (date, reference.partition(":")[2], "", None, total, "TRANSFER", date < today)
                place(part, claims.TRANSFER_FENCE, claims.TRANSFER_OFFSET)
        return listed, counted, days


def _stamp_age(stamp: list[Any]) -> tuple[int, int, str]:
    return stamp[1], stamp[2], stamp[0]


def _listing(part: Listed) -> tuple[int, str, str, str]:
    return part[0], part[1], part[2], part[3] or ""

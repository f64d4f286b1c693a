"""Inventory: ledger entries in; positions, snapshots, deltas and what each channel is offered out.

The step is pure. Each row is read once a step and written once; what is worth telling is judged at every entry, so
neither rows nor the chain of deltas depend on how the log was cut into chunks.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from schemas.records import AvailabilityDelta, ChannelAvailability, LedgerEntry
from tables.availability import delta, merged, snapshot
from tables.channels import Channels
from tables.findings import reported
from tables.materiality import gate
from tables.offer import described, offer
from tables.outcome import Entry, Outcome, Output, check_order
from tables.position import Figures, Position, peek
from tables.sku import ANYWHERE, Sku

LEDGER: Final = "inventory.ledger"
_SKU_KEY: Final = "|" + ANYWHERE


def step(rows: Mapping[bytes, bytes], entries: Sequence[Entry], config: Channels) -> Outcome:
    """Fold a run of ledger entries of one partition; raise OutOfOrder or CorruptRow where table and log disagree."""
    fold = _Fold(rows, config)
    for offset, key, entry in entries:
        if key[-2:] == _SKU_KEY:
            fold.sku_entry(offset, key, entry)
        else:
            fold.position_entry(offset, key, entry)
    return fold.outcome()


def clock(key: str, now: int) -> Output:
    """The clock entry for a row that is due: time as a fact in the log."""
    coordinate = f"clock:{key}@{now}"
    entry: LedgerEntry = {
        "event_id": coordinate,
        "occurred_at": now,
        "recorded_at": now,
        "source": "clock",
        "coordinate": "",
        "correlation_id": coordinate,
        "kind": "CLOCK",
        "quantity": 0,
        "disposition": "",
        "to_disposition": None,
        "reference": None,
        "line": None,
        "corrects": None,
        "claim": None,
        "policy": None,
    }
    return LEDGER, key, entry


class _Fold:
    """The rows one step has open."""

    def __init__(self, rows: Mapping[bytes, bytes], config: Channels) -> None:
        self._rows = rows
        self._config = config
        self._places = frozenset(config.locations)
        self._positions: dict[str, Position] = {}
        self._skus: dict[str, Sku] = {}
        self._outputs: list[Output] = []
        self._deltas: dict[str, AvailabilityDelta] = {}
        self._offers: dict[tuple[str, str], ChannelAvailability] = {}

    # ---- entries ------------------------------------------------------------------------------------------------

    def position_entry(self, offset: int, key: str, entry: LedgerEntry) -> None:
        """A fact about one SKU at one location."""
        position = self._positions.get(key)
        if position is None:
            position = self._open(key)
            if position is None:
                if entry["kind"] == "CLOCK":
                    return
                position = self._new(offset, key)
        if offset <= position.offset:
            check_order(key, offset, position.offset)
        position.offset = offset
        first = not position.revision
        atp, date = position.atp, position.next_receipt
        for finding in position.fold(entry):
            self._outputs.append(reported(finding, key, entry))
        self._judge(key, position)
        if first or position.atp != atp or position.next_receipt != date:
            sku, _, location = key.partition("|")
            if location in self._places:
                self._offer(sku, self._sku(sku), offset, position.clock, position.correlation_id)

    def sku_entry(self, offset: int, key: str, entry: LedgerEntry) -> None:
        """A fact about a SKU everywhere: its policy, or the time."""
        kind = entry["kind"]
        code = key[:-2]
        sku = self._sku(code)
        check_order(key, offset, sku.offset)
        if kind == "POLICY":
            sku.set_policy(entry)
            for location in sku.locations:
                self._apply_policy(offset, f"{code}|{location}", sku.safety_stock(location), sku.segment, entry)
        elif kind != "CLOCK":
            return
        self._offer(code, sku, offset, entry["recorded_at"], entry["correlation_id"])
        sku.touch(offset)

    def _apply_policy(self, offset: int, key: str, safety_stock: int, segment: str, entry: LedgerEntry) -> None:
        position = self._positions.get(key) or self._open(key)
        if position is None or (position.safety_stock == safety_stock and position.segment == segment):
            return
        check_order(key, offset, position.offset)
        position.offset = offset
        position.set_policy(entry, segment, safety_stock)
        self._judge(key, position)

    # ---- rows ---------------------------------------------------------------------------------------------------

    def _open(self, key: str) -> Position | None:
        row = self._rows.get(key.encode())
        if row is None:
            return None
        position = self._positions[key] = Position.load(row)
        return position

    def _new(self, offset: int, key: str) -> Position:
        code, _, location = key.partition("|")
        sku = self._sku(code)
        sku.locations = sorted({*sku.locations, location})
        sku.touch(offset)
        position = self._positions[key] = Position.new(sku.segment, sku.safety_stock(location))
        return position

    def _sku(self, code: str) -> Sku:
        sku = self._skus.get(code)
        if sku is None:
            row = self._rows.get(f"{code}{_SKU_KEY}".encode())
            sku = self._skus[code] = Sku.new() if row is None else Sku.load(row)
        return sku

    def _figures(self, code: str, sku: Sku) -> dict[str, Figures]:
        """What the locations that some channel sells from can promise, as of now."""
        figures: dict[str, Figures] = {}
        positions, rows, places = self._positions, self._rows, self._places
        for location in sku.locations:
            if location in places:
                key = f"{code}|{location}"
                position = positions.get(key)
                if position is not None:
                    figures[location] = (position.atp, position.next_receipt, position.as_of)
                else:
                    figures[location] = peek(rows[key.encode()])
        return figures

    # ---- telling ------------------------------------------------------------------------------------------------

    def _judge(self, key: str, position: Position) -> None:
        """Derive the promise; note a delta where it has changed enough."""
        position.derive()
        now = (position.clock, position.atp, position.next_receipt)
        because, due = gate(position.published, now, self._config.materiality.of(position.segment))
        if because is not None:
            sku, _, location = key.partition("|")
            said = delta(sku, location, position, because)
            before = self._deltas.get(key)
            self._deltas[key] = said if before is None else merged(before, said)
            position.published = now
            position.published_revision = position.revision
            position.published_on_hand = said["on_hand"]
        if position.day_due and (not due or position.day_due < due):
            due = position.day_due
        position.due = due

    def _offer(self, code: str, sku: Sku, offset: int, now: int, correlation_id: str) -> None:
        """Judge every channel's offer of the SKU."""
        figures = self._figures(code, sku)
        due = 0
        for channel in self._config.channels:
            last = sku.told.get(channel.id)
            told, look = offer(channel, sku.segment, figures, last, now)
            if told is not None:
                said = described(channel, code, sku.segment, figures, told, last, correlation_id)
                before = self._offers.get((channel.topic, code))
                if before is not None:
                    said["previous_revision"] = before["previous_revision"]
                    said["previous_quantity"] = before["previous_quantity"]
                self._offers[channel.topic, code] = said
                sku.told[channel.id] = told
                sku.touch(offset)
            if look and (not due or look < due):
                due = look
        if due != sku.due:
            sku.due = due
            sku.touch(offset)

    def outcome(self) -> Outcome:
        """Rows and outputs of the step: exceptions, deltas, whole answers, offers."""
        rows: dict[bytes, bytes | None] = {}
        outputs = self._outputs
        outputs += [("availability.deltas", key, said) for key, said in self._deltas.items()]
        for key, position in self._positions.items():
            rows[key.encode()] = position.dump()
            sku, _, location = key.partition("|")
            outputs.append(("availability.snapshots", key, snapshot(sku, location, position)))
        for code, sku_row in self._skus.items():
            if sku_row.changed:
                rows[f"{code}{_SKU_KEY}".encode()] = sku_row.dump()
        outputs += [(topic, code, said) for (topic, code), said in self._offers.items()]
        return Outcome(rows, outputs)

"""Inventory: ledger entries in; positions, snapshots, deltas, what each channel is offered and reserves, postings out.

The step is pure. Each row is read once a step and written once; what is worth telling is judged at every entry, so
neither rows nor the chain of deltas depend on how the log was cut into chunks.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from schemas.metrics import ATP_CHANGES
from schemas.records import Availability, AvailabilityDelta, ChannelAvailability, LedgerEntry
from streams.open_rows import SKU_ROW, OpenRows
from tables import backorders, reservations
from tables.adjustments import adjustment, plain_adjustment, touched
from tables.availability import delta, merged, snapshot
from tables.channels import Channels
from tables.findings import reported
from tables.materiality import gate
from tables.offer import described, offers, plan
from tables.outcome import HEADER_SIZE, Entry, Outcome, Output, check_order
from tables.plain import fold_plain
from tables.position import DAY, NO_DATE, Position, clock_of, due_of, peek
from tables.reservations import Shelf, Verdict
from tables.sku import ANYWHERE, Sku, Terms, read

LEDGER: Final = "inventory.ledger"
_SKU_KEY: Final = "|" + ANYWHERE
_OF_SKUS: Final = frozenset({"POLICY", "RESERVATION", "CLOCK"})


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
        "reservation": None,
    }
    return LEDGER, key, entry


def newest_time(key: bytes, row: bytes) -> int:
    """The newest business time (ms) a row knows of: ahead of the clock, it was written by one that has been mended."""
    if not key.endswith(SKU_ROW):
        return clock_of(row)
    if not due_of(row):  # nobody waits: the next offer goes by the right clock at once
        return 0
    return max([at for _, at, _, _ in read(row)[2]], default=0)


class _Fold:
    """One step over the rows it has open, and what it has to say."""

    def __init__(self, rows: Mapping[bytes, bytes], config: Channels) -> None:
        self._rows = rows
        self._config = config
        self._open = OpenRows(rows)
        self._positions, self._plain, self._skus = self._open.positions, self._open.plain, self._open.skus
        self._snapshots: dict[str, Availability] = {}
        self._outputs: list[Output] = []
        self._deltas: dict[str, AvailabilityDelta] = {}
        self._offers: dict[tuple[str, str], ChannelAvailability] = {}
        self._moves = 0
        """How often a promise or its date changed."""

    # ---- entries ------------------------------------------------------------------------------------------------

    def position_entry(self, offset: int, key: str, entry: LedgerEntry) -> None:
        """A fact about one SKU at one location."""
        raw = key.encode()
        position = self._positions.get(raw)
        if position is None:
            row = self._plain.get(raw) or self._rows.get(raw)
            if row is not None:
                folded = fold_plain(row, offset, key, entry, self._config.materiality)
                if folded is not None:
                    self._plain[raw], said, told, moved = folded
                    self._snapshots[key] = said
                    if (correction := plain_adjustment(key, said["revision"], entry)) is not None:
                        self._outputs.append(correction)
                    if told is not None:
                        self._note(key, told)
                    if moved:
                        self._moves += 1
                        self._offer(raw[: raw.index(b"|")], offset, said["computed_at"], said["correlation_id"])
                    return
                position = Position.load(row)
                self._plain.pop(raw, None)
            elif entry["kind"] != "CLOCK":
                position = self._open.new_position(offset, key)
            else:
                return
            self._positions[raw] = position
        if offset <= position.offset:
            check_order(key, offset, position.offset)
        position.offset = offset
        atp, date = (position.atp, position.next_receipt) if position.revision else (-1, NO_DATE)
        stood = touched(position, entry)
        for finding in position.fold(entry):
            self._outputs.append(reported(finding, key, entry))
        if stood and (correction := adjustment(key, position, stood, entry)) is not None:
            self._outputs.append(correction)
        self._judge(key, position, entry)
        if position.atp != atp or position.next_receipt != date:
            self._moves += 1
            self._offer(raw[: raw.index(b"|")], offset, position.clock, position.correlation_id)

    def sku_entry(self, offset: int, key: str, entry: LedgerEntry) -> None:
        """A fact about a SKU everywhere: its policy, a reservation, or the time."""
        kind = entry["kind"]
        code = key[: -len(_SKU_KEY)].encode()
        if kind not in _OF_SKUS or (kind == "CLOCK" and code not in self._skus and code + SKU_ROW not in self._rows):
            return
        sku = self._open.sku(code)
        check_order(key, offset, sku.offset)
        asked = entry["reservation"]
        if sku.offset >= 0 or asked is None or asked["action"] == "RESERVE":
            sku.touch(offset)  # else: no such SKU has a row, and an answer about nothing makes none
        if kind == "POLICY":
            sku.set_policy(entry)
            terms = Terms(sku.terms)
            for location in terms.locations:
                self._apply_policy(offset, f"{key[:-1]}{location}", terms.segment, sku.safety_stock(location), entry)
        else:
            self._apply(offset, code, sku, entry, self._verdicts(code, sku, entry))
        self._offer(code, offset, entry["recorded_at"], entry["correlation_id"])

    def _apply_policy(self, offset: int, key: str, segment: str, safety_stock: int, entry: LedgerEntry) -> None:
        position = self._open.position(key.encode())
        if position.safety_stock == safety_stock and position.segment == segment:
            return
        self._open.touch(offset, key, position)
        position.set_policy(entry, segment, safety_stock)
        self._judge(key, position, entry)

    # ---- reservations -------------------------------------------------------------------------------------------

    def _verdicts(self, code: bytes, sku: Sku, entry: LedgerEntry) -> list[Verdict]:
        asked = entry["reservation"]
        if asked is None:  # the time
            over = sku.expiry and sku.expiry <= entry["recorded_at"]
            return reservations.expire(sku.reservations, entry["recorded_at"]) if over else []
        if asked["action"] == "CONFIRM":
            return reservations.confirm(sku.reservations, asked, entry)
        if asked["action"] == "CANCEL":
            return [reservations.cancel(sku.reservations, asked)]
        channel = next((channel for channel in self._config.channels if channel.id == asked["channel"]), None)
        shelf = self._shelf(code, sku, asked["channel"], entry["recorded_at"])
        return [reservations.reserve(sku.reservations, asked, entry, channel, Terms(sku.terms).segment, shelf)]

    def _apply(self, offset: int, code: bytes, sku: Sku, entry: LedgerEntry, verdicts: list[Verdict]) -> None:
        """Hold and let go what the verdicts say; then answer."""
        name = code.decode()
        for location, holds in reservations.by_location(verdicts).items():
            key = f"{name}|{location}"
            position = self._open.position(key.encode())
            self._open.touch(offset, key, position)
            position.set_holds(entry, holds)
            self._moves += 1
            self._judge(key, position, entry)
        if verdicts:
            sku.ending()
        for verdict in verdicts:
            available = self._shelf(code, sku, verdict.channel, entry["recorded_at"]).free(verdict.location)
            self._outputs.append(reservations.reply(verdict, name, available, offset, entry))
            self._outputs += reservations.reserved(verdict, name, entry)

    def _shelf(self, code: bytes, sku: Sku, channel: str, now: int) -> Shelf:
        """What a channel may take now (ms): its locations' promises as of this moment."""
        terms = plan(self._config, sku.terms)
        share = next((share for share in terms.shares if share.channel.id == channel), None)
        if share is None:
            return Shelf((), 0)
        places = [(terms.locations[n], self._open.promise(code + terms.keys[n], now)) for n in share.places]
        return Shelf(places, share.buffer)

    # ---- telling ------------------------------------------------------------------------------------------------

    def _judge(self, key: str, position: Position, entry: LedgerEntry) -> None:
        """Derive the promise; note a delta where it has changed enough, and tell orders that wait for stock."""
        position.derive()
        if position.backorders:
            today = position.clock // DAY
            for reference, lines in backorders.changed(position.backorders, today, position.atp, position.schedule):
                self._outputs.append(backorders.promised(key, position.revision, reference, lines, entry))
        now = (position.clock, position.atp, position.next_receipt)
        last = None
        if position.published_revision:
            last = (position.published_at, position.published_atp, position.published_date)
        because, due = gate(last, now, self._config.materiality.of(position.segment))
        if because is not None:
            said = delta(key, position, because)
            self._note(key, said)
            position.published_at, position.published_atp, position.published_date = now
            position.published_revision, position.published_on_hand = position.revision, said["on_hand"]
        if position.day_due and (not due or position.day_due < due):
            due = position.day_due
        position.due = due

    def _note(self, key: str, said: AvailabilityDelta) -> None:
        before = self._deltas.get(key)
        self._deltas[key] = said if before is None else merged(before, said)

    def _offer(self, code: bytes, offset: int, now: int, correlation_id: str) -> None:
        """Judge what channels are offered of a SKU on what its locations promise as of this entry."""
        sku = self._skus.get(code)
        if sku is None:
            due, expiry, told, raw_terms = read(self._rows[code + SKU_ROW])
        else:
            due, expiry, told, raw_terms = sku.due, sku.expiry, sku.told, sku.terms
        terms = plan(self._config, raw_terms)
        positions, plain, rows, figures = self._positions, self._plain, self._rows, []
        for end in terms.keys:
            raw = code + end
            position = positions.get(raw)
            if position is None:
                figures.append(peek(plain.get(raw) or rows[raw], HEADER_SIZE))
            else:
                figures.append((position.atp, position.as_of, position.next_receipt))
        tellings, look = offers(terms.shares, figures, told, now)
        if expiry and (not look or expiry < look):
            look = expiry
        if tellings or look != due:
            sku = self._open.sku(code)
            for telling in tellings:
                self._tell(described(telling, terms, code.decode(), figures, correlation_id))
                sku.tell(telling[0].slot, telling[0].channel.id, telling[1])
            sku.due = look
            sku.touch(offset)

    def _tell(self, said: ChannelAvailability) -> None:
        key = said["channel"], said["sku"]
        before = self._offers.get(key)
        if before is not None:
            said["previous_revision"] = before["previous_revision"]
            said["previous_quantity"] = before["previous_quantity"]
        self._offers[key] = said

    def outcome(self) -> Outcome:
        """Rows and outputs of the step: what single entries say, deltas, whole answers, offers."""
        rows: dict[bytes, bytes | None] = {**self._plain}
        outputs = self._outputs
        outputs += [("availability.deltas", key, said) for key, said in self._deltas.items()]
        for raw, position in self._positions.items():
            rows[raw] = position.dump()
            key = raw.decode()
            self._snapshots[key] = snapshot(key, position)
        outputs += [("availability.snapshots", key, said) for key, said in self._snapshots.items()]
        for code, sku in self._skus.items():
            if sku.changed:
                rows[code + SKU_ROW] = sku.dump()
        outputs += [(f"channel.{channel}.availability", sku, said) for (channel, sku), said in self._offers.items()]
        return Outcome(rows, outputs, [(ATP_CHANGES, (), self._moves)])

"""Intake: every inbound topic in, canonical events out. Plain functions over one task's state; knows no Kafka.

Each record is taken, dropped as a duplicate, parked until reference data come, refused with an exception, or, if it
cannot be read at all, dead-lettered. None stops its neighbours. State in memory may run ahead of the log: any failure
leaves the process, and `recover` rebuilds it from the rows.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from schemas.codec import SchemaUnavailable, Undecodable
from tables import erp_documents, parking, supplier_documents
from tables.document_lines import Inbound
from tables.duplicates import Window, event_identity, scoped_identity
from tables.intake_rules import IntakeRules
from tables.outcome import Outcome, Output
from tables.parking import Parked, Parking
from tables.quarantine import (
    Source,
    as_refused,
    dead_letter,
    given_up,
    identifier,
    raise_exception,
    settled,
    unusable,
)
from tables.reference import ITEMS, LOCATIONS, PARTNERS, Reference
from tables.refusal import Refused
from tables.scans import Scans
from tables.watermarks import Mark, Watermarks

__all__ = ["INBOUND", "Chunk", "InboundRecord", "Intake", "IntakeRules"]

SCANS: Final = "warehouse.scans"
IN_ORDER: Final = "supplier.asns"
"""Ship notices carry no revision: one that waits holds up those of its shipment that came later."""
DOCUMENTS: Final[Mapping[str, Callable[[Mapping[str, Any], Inbound], list[Output]]]] = {
    "supplier.acks": supplier_documents.acknowledgement,
    "supplier.asns": supplier_documents.ship_notice,
    "carrier.milestones": supplier_documents.milestone,
    "erp.purchase-orders": erp_documents.purchase_order,
    "erp.sales-orders": erp_documents.sales_order,
    "erp.stock-snapshots": erp_documents.stock_snapshot,
    "feeds.heartbeats": erp_documents.heartbeat,
    ITEMS: erp_documents.item,
    LOCATIONS: erp_documents.location,
    PARTNERS: erp_documents.partner,
}
INBOUND: Final = (SCANS, *DOCUMENTS)
AGING_MS: Final = 60_000
REFERENCE_TOPICS: Final = frozenset({ITEMS, LOCATIONS, PARTNERS})


class InboundRecord(Protocol):
    """A record as the consumer hands it over."""

    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...


class Chunk(NamedTuple):
    """A run of records of one partition of one topic, in offset order."""

    topic: str
    partition: int
    records: Sequence[InboundRecord]


class Intake:
    """The intake of one task. The reference is shared by all tasks of a worker."""

    def __init__(self, reference: Reference, decode: Callable[[str, bytes], Any], rules: IntakeRules) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        """Records by topic and outcome since the start: accepted, duplicate, parked, quarantined, dead, replayed."""
        self._reference, self._decode, self._rules = reference, decode, rules
        self._scans = Scans(reference, rules)
        self._window = Window()
        self._parking = Parking()
        self._watermarks = Watermarks(rules.watermark_ms)
        self._generation = -1  # of the reference that parked records were last tried with
        self._retry: list[bytes] = []
        self._aged_at = 0

    def recover(self, rows: Mapping[bytes, bytes]) -> None:
        """Rebuild what memory holds from this task's rows; the next sweep tries what is parked."""
        self._window.recover(rows)
        self._parking.recover(rows)

    # ---- records ------------------------------------------------------------------------------------------------

    def step(self, rows: Mapping[bytes, bytes], chunk: Chunk, now: int) -> Outcome:  # noqa: ARG002 - as every stage
        """Take a chunk in; `now` is business time (ms)."""
        topic, partition, records = chunk
        outcome, duplicates, accepted = Outcome(), 0, 0
        ids: list[bytes] = []
        marks: dict[Mark, int] = {}
        outputs, prefix = outcome.outputs, f"{topic}[{partition}]@"
        most, decode, translate = self._rules.max_bytes, self._decode, self._scans.translate
        seen, waiting = self._window.seen, self._parking.identities
        self._scans.refresh()
        for record in records:
            key, value, begin, content, identity = record.key, record.value, len(outputs), None, None
            try:
                if key is None or value is None or len(value) > most:
                    if value is None and key is not None and topic in REFERENCE_TOPICS:
                        accepted += 1  # deletes reference data; the follower takes it
                        continue
                    raise unusable(Source(topic, partition, record.offset, key, value), most)  # noqa: TRY301
                content = decode(topic, value)
                event_id = content.get("event_id")
                if event_id is not None:
                    identity = event_identity(event_id) or _identity(topic, content)
                    if identity in seen or identity in waiting:
                        duplicates += 1
                        continue
                if topic == SCANS:
                    place = translate(content, f"{prefix}{record.offset}", now, now, outputs)
                    mark, at = (content["source"], place), content["occurred_at"]
                    if at > marks.get(mark, -1):
                        marks[mark] = at
                else:
                    outputs += self._document(Source(topic, partition, record.offset, key, value), content, now, now)
            except Exception as error:  # noqa: BLE001 - a record that breaks us must not break its partition
                del outputs[begin:]
                source = Source(topic, partition, record.offset, key, value)
                self._turn_away(error, source, record.timestamp, content, identity, now, outcome)
                continue
            accepted += 1
            if identity is not None:
                seen.add(identity)
                ids.append(identity)
        if ids:
            self._window.segment(ids, f"{prefix}{records[0].offset}", now, outcome.rows)
        self._watermarks.note(marks, now, outputs)
        self.counts[topic, "duplicate"] += duplicates
        self.counts[topic, "accepted"] += accepted
        return outcome

    def _document(self, source: Source, content: Mapping[str, Any], arrived: int, now: int) -> list[Output]:
        if source.topic == IN_ORDER and (ahead := self._parking.ahead(source.topic, source.key_text, source.offset)):
            message = f"comes after {ahead.coordinate}, which waits"
            raise Refused(ahead.category, ("shipment", source.key_text), message, waits=ahead.waits)
        at = Inbound(source.coordinate, source.key_text, now, arrived, self._reference, self._rules)
        return DOCUMENTS[source.topic](content, at)

    def _turn_away(
        self,
        error: Exception,
        source: Source,
        timestamp: int | None,
        content: Mapping[str, Any] | None,
        identity: bytes | None,
        now: int,
        outcome: Outcome,
    ) -> None:
        """Dead-letter, quarantine or park a record that could not be taken."""
        if isinstance(error, Undecodable):
            self.counts[source.topic, "dead"] += 1
            outcome.outputs.append(dead_letter(error.category, str(error), source, now))
            return
        if isinstance(error, SchemaUnavailable):
            subject = ("schema", str(error.schema_id))
            error = Refused("SCHEMA_UNAVAILABLE", subject, str(error), waits={f"schema|{error.schema_id}"})
        refused = as_refused(error, source)
        outcome.outputs.append(raise_exception(refused, source, content, now, self._reference))
        self.counts[source.topic, "parked" if refused.waits else "quarantined"] += 1
        if refused.waits:
            self._park(refused, source, timestamp, content, identity, now, outcome)

    def _park(
        self,
        refused: Refused,
        source: Source,
        timestamp: int | None,
        content: Mapping[str, Any] | None,
        identity: bytes | None,
        arrived: int,
        outcome: Outcome,
    ) -> None:
        parked = Parked(
            source.topic,
            source.partition,
            source.offset,
            source.key_text,
            timestamp,
            arrived,
            identifier(refused, source),
            refused.category,
            refused.subject,
            tuple(sorted(refused.waits)),
            (content or {}).get("correlation_id") or source.coordinate,
            "" if identity is None else identity.hex(),
            source.value or b"",
        )
        outcome.rows[parked.row_key] = parked.row()
        self._parking.add(parked)

    # ---- parked records -----------------------------------------------------------------------------------------

    def waiting(self, changed: set[str]) -> list[bytes]:
        """Row keys to replay now that these reference keys changed; beyond a bound, the sweeps take the rest."""
        keys = self._parking.waiting(changed)
        self._retry += keys[self._rules.retry_most :]
        return keys[: self._rules.retry_most]

    def schemas_awaited(self) -> set[int]:
        """Ids of schemas that parked records wait for."""
        waits = {wait for _, parked in self._parking.every() for wait in parked.waits}
        return {int(wait.removeprefix("schema|")) for wait in waits if wait.startswith("schema|")}

    def replay(self, rows: Mapping[bytes, bytes], keys: Iterable[bytes], now: int) -> Outcome:
        """Take parked records again, in the order they came; what still waits stays, what is taken is resolved."""
        outcome = Outcome()
        ids: list[bytes] = []
        self._scans.refresh()
        work = self._parking.in_order(set(keys))
        first = work[0] if work else b""
        while work:
            key = work.pop(0)
            parked = parking.read(rows[key])
            if self._again(parked, now, outcome, ids) and parked.topic == IN_ORDER:
                work = self._parking.in_order({*work, *self._parking.behind(parked.topic, parked.key)})
        if ids:
            self._window.segment(ids, f"replay/{first.decode()}", now, outcome.rows)
        return outcome

    def _again(self, parked: Parked, now: int, outcome: Outcome, ids: list[bytes]) -> bool:
        """Try one parked record; return whether it has left, taken or refused for good."""
        source = Source(parked.topic, parked.partition, parked.offset, parked.key.encode(), parked.original)
        begin, content = len(outcome.outputs), None
        try:
            content = self._decode(source.topic, parked.original)
            if source.topic == SCANS:
                self._scans.translate(content, source.coordinate, now, parked.parked_at, outcome.outputs)
            else:
                outcome.outputs += self._document(source, content, parked.parked_at, now)
        except SchemaUnavailable:
            return False
        except Exception as error:  # noqa: BLE001 - as in step
            del outcome.outputs[begin:]
            return self._still_refused(error, parked, source, content, now, outcome)
        outcome.outputs.append(settled(parked, "Taken in after reference data came.", now, replayed=True))
        self._leave(parked, outcome)
        self.counts[parked.topic, "replayed"] += 1
        if parked.identity:
            identity = bytes.fromhex(parked.identity)
            self._window.seen.add(identity)
            ids.append(identity)
        return True

    def _still_refused(
        self,
        error: Exception,
        parked: Parked,
        source: Source,
        content: Mapping[str, Any] | None,
        now: int,
        outcome: Outcome,
    ) -> bool:
        """It waits on, for the same or for something else, or it turns out to be wrong beyond waiting."""
        if not isinstance(error, Undecodable):
            refused = as_refused(error, source)
            same = identifier(refused, source) == parked.exception_id
            if same and refused.waits == set(parked.waits):
                return False
            if not same:
                outcome.outputs.append(settled(parked, f"Now: {refused.category}.", now, replayed=False))
            if not same or not refused.waits:
                outcome.outputs.append(raise_exception(refused, source, content, now, self._reference))
            if refused.waits:
                identity = bytes.fromhex(parked.identity) or None
                self._park(refused, source, parked.timestamp, content, identity, parked.parked_at, outcome)
                return False
        else:
            outcome.outputs.append(settled(parked, "Now a dead letter.", now, replayed=False))
            outcome.outputs.append(dead_letter(error.category, str(error), source, now))
        self._leave(parked, outcome)
        return True

    def _leave(self, parked: Parked, outcome: Outcome) -> None:
        outcome.rows[parked.row_key] = None
        self._parking.remove(parked.row_key)

    # ---- what falls due -----------------------------------------------------------------------------------------

    def sweep(self, rows: Mapping[bytes, bytes], now: int) -> Outcome:
        """Forget old event ids, tell watermarks that waited, try parked records that reference data may have settled.

        Reference changes come by `waiting` as they happen; this finds those a takeover or a rebalance let slip.
        """
        aged = Outcome()
        self._window.sweep(rows, now, self._rules.window_ms, aged.rows)
        self._watermarks.sweep(now, aged.outputs)
        if self._generation != self._reference.generation:
            self._generation = self._reference.generation
            knows = self._reference.knows
            self._retry = [key for key, parked in self._parking.every() if any(map(knows, parked.waits))]
        if now - self._aged_at >= AGING_MS:
            self._aged_at = now
            self._give_up(rows, now, aged)
        due, self._retry = self._retry[: self._rules.retry_most], self._retry[self._rules.retry_most :]
        outcome = self.replay(rows, due, now)
        return Outcome({**aged.rows, **outcome.rows}, aged.outputs + outcome.outputs)

    def _give_up(self, rows: Mapping[bytes, bytes], now: int, outcome: Outcome) -> None:
        """Records that waited too long leave the table; their exceptions stay open, with the bytes in them."""
        for key, known in self._parking.every():
            if known.parked_at + self._rules.park_ms <= now:
                parked = parking.read(rows[key])
                source = Source(parked.topic, parked.partition, parked.offset, parked.key.encode(), parked.original)
                outcome.outputs.append(given_up(parked, source, now, self._reference))
                self._leave(parked, outcome)
                self._retry += self._parking.behind(parked.topic, parked.key)


def _identity(topic: str, content: Mapping[str, Any]) -> bytes:
    """Of an event whose id is no UUID; an empty id is none at all."""
    if not content["event_id"].strip():
        raise Refused("MISSING_FIELD", ("record", topic), "event_id is empty")
    sender = content.get("source") or content.get("supplier") or content.get("carrier") or "ERP"
    return scoped_identity(content["event_id"], topic, sender)

"""Intake: every inbound topic in, canonical events out. Plain functions over one task's state; knows no Kafka.

Each record is taken, dropped as a duplicate, parked until reference data come, refused with an exception, or, if it
cannot be read at all, dead-lettered. None stops its neighbours. State in memory may run ahead of the log: any failure
leaves the process, and `recover` rebuilds it from the rows.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from schemas.codec import SchemaUnavailable, Undecodable
from streams.waiting_room import WaitingRoom
from tables import erp_documents, posting_results, reservation_requests, supplier_documents
from tables.document_lines import Inbound
from tables.duplicates import Window, identity_of
from tables.intake_rules import IntakeRules
from tables.outcome import Outcome, Output
from tables.quarantine import (
    Source,
    as_refused,
    dead_letter,
    raise_exception,
    unusable,
)
from tables.reference import ITEMS, LOCATIONS, PARTNERS, Reference
from tables.refusal import Refused
from tables.scans import Scans
from tables.watermarks import Mark, Watermarks

__all__ = ["INBOUND", "Chunk", "InboundRecord", "Intake", "IntakeRules"]

SCANS: Final = "warehouse.scans"
DOCUMENTS: Final[Mapping[str, Callable[[Mapping[str, Any], Inbound], list[Output]]]] = {
    "supplier.acks": supplier_documents.acknowledgement,
    "supplier.asns": supplier_documents.ship_notice,
    "carrier.milestones": supplier_documents.milestone,
    "erp.purchase-orders": erp_documents.purchase_order,
    "erp.sales-orders": erp_documents.sales_order,
    "erp.stock-snapshots": erp_documents.stock_snapshot,
    "erp.posting-results": posting_results.posting_result,
    "feeds.heartbeats": erp_documents.heartbeat,
    "reservations.requests": reservation_requests.reservation_request,
    ITEMS: erp_documents.item,
    LOCATIONS: erp_documents.location,
    PARTNERS: erp_documents.partner,
}
INBOUND: Final = (SCANS, *DOCUMENTS)
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
        self._room = WaitingRoom(self._take, decode, self._window, reference, rules, self.counts)
        self._watermarks = Watermarks(rules.watermark_ms)

    def recover(self, rows: Mapping[bytes, bytes]) -> None:
        """Rebuild what memory holds from this task's rows; the next sweep tries what is parked."""
        self._window.recover(rows)
        self._room.recover(rows)

    # ---- records ------------------------------------------------------------------------------------------------

    def step(self, rows: Mapping[bytes, bytes], chunk: Chunk, now: int) -> Outcome:  # noqa: ARG002 - as every stage
        """Take a chunk in; `now` is business time (ms)."""
        topic, partition, records = chunk
        outcome, duplicates, accepted = Outcome(), 0, 0
        ids: list[bytes] = []
        marks: dict[Mark, int] = {}
        outputs, prefix = outcome.outputs, f"{topic}[{partition}]@"
        most = self._rules.max_scan_bytes if topic == SCANS else self._rules.max_bytes
        decode, translate = self._decode, self._scans.translate
        seen, waiting = self._window.seen, self._room.parking.identities
        self._scans.refresh()
        for record in records:
            key, value, begin, content, identity = record.key, record.value, len(outputs), None, None
            try:
                if key is None or value is None or len(key) + len(value) > most:
                    if value is None and key is not None and topic in REFERENCE_TOPICS:
                        accepted += 1  # deletes reference data; the follower takes it
                        continue
                    raise unusable(Source(topic, partition, record.offset, key, value), most)  # noqa: TRY301
                content = decode(topic, value)
                identity = identity_of(topic, content)
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

    def _take(self, source: Source, content: Mapping[str, Any], arrived: int, now: int, outputs: list[Output]) -> None:
        """Append what a parked record becomes; raise Refused."""
        if source.topic == SCANS:
            self._scans.refresh()
            self._scans.translate(content, source.coordinate, now, arrived, outputs)
        else:
            outputs += self._document(source, content, arrived, now)

    def _document(self, source: Source, content: Mapping[str, Any], arrived: int, now: int) -> list[Output]:
        self._room.check_order(source)
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
        outcome.outputs += reservation_requests.refusals(source.topic, content, now)
        self.counts[source.topic, "parked" if refused.waits else "quarantined"] += 1
        if refused.waits:
            self._room.park(refused, source, timestamp, content, identity, now, outcome)

    # ---- parked records, and what falls due ---------------------------------------------------------------------

    def waiting(self, changed: set[str]) -> list[bytes]:
        """Row keys to replay now that these reference keys changed; beyond a bound, the sweeps take the rest."""
        return self._room.waiting(changed)

    def schemas_awaited(self) -> set[int]:
        """Ids of schemas that parked records wait for."""
        return self._room.schemas_awaited()

    def replay(self, rows: Mapping[bytes, bytes], keys: Iterable[bytes], now: int) -> Outcome:
        """Take parked records again, in the order they came; what still waits stays, what is taken is resolved."""
        outcome = Outcome()
        self._room.replay(rows, keys, now, outcome)
        return outcome

    def sweep(self, rows: Mapping[bytes, bytes], now: int) -> Outcome:
        """Forget old event ids, tell watermarks that waited, try parked records that reference data may have settled.

        Reference changes come by `waiting` as they happen; this finds those a takeover or a rebalance let slip.
        """
        outcome = Outcome()
        self._window.sweep(rows, now, self._rules.window_ms + self._rules.future_ms, outcome.rows)
        self._watermarks.sweep(now, outcome.outputs)
        self._room.sweep(rows, now, outcome)
        return outcome

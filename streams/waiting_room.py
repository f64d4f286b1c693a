"""Where intake keeps records that wait for reference data, and tries them again. Plain functions; knows no Kafka."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from schemas.codec import SchemaUnavailable, Undecodable
from tables import parking
from tables.duplicates import Window, identity_of
from tables.intake_rules import IntakeRules
from tables.outcome import Outcome, Output
from tables.parking import Parked, Parking
from tables.quarantine import Source, as_refused, dead_letter, given_up, identifier, raise_exception, settled
from tables.reference import Reference
from tables.refusal import Refused
from tables.reservation_requests import refusals

IN_ORDER: Final = "supplier.asns"
"""Ship notices carry no revision: one that waits holds up those of its shipment that came later."""
AGING_MS: Final = 60_000
Take = Callable[[Source, Mapping[str, Any], int, int, list[Output]], None]
"""Source, content, business time it came, now, outputs to append to; raises Refused."""


class WaitingRoom:
    """The parked records of one task: who waits for what, and the way in once it is there."""

    def __init__(
        self,
        take: Take,
        decode: Callable[[str, bytes], Any],
        window: Window,
        reference: Reference,
        rules: IntakeRules,
        counts: Counter[tuple[str, str]],
    ) -> None:
        self.parking = Parking()
        self._take, self._decode, self._window = take, decode, window
        self._reference, self._rules, self._counts = reference, rules, counts
        self._generation = -1  # of the reference that parked records were last tried with
        self._retry: list[bytes] = []
        self._aged_at = 0

    def recover(self, rows: Mapping[bytes, bytes]) -> None:
        self.parking.recover(rows)

    def check_order(self, source: Source) -> None:
        """Raise Refused for a record that must not overtake one of its key that waits."""
        if source.topic == IN_ORDER and (ahead := self.parking.ahead(source.topic, source.key_text, source.offset)):
            message = f"comes after {ahead.coordinate}, which waits"
            raise Refused(ahead.category, ("shipment", source.key_text), message, waits=ahead.waits)

    def park(
        self,
        refused: Refused,
        source: Source,
        timestamp: int | None,
        content: Mapping[str, Any] | None,
        identity: bytes | None,
        arrived: int,
        outcome: Outcome,
    ) -> None:
        """Keep a record that waits; `arrived` is business time."""
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
        self.parking.add(parked)

    def waiting(self, changed: set[str]) -> list[bytes]:
        """Row keys that wait for any of these, as many as one go may take; the sweeps take the rest."""
        keys = self.parking.waiting(changed)
        self._retry += keys[self._rules.retry_most :]
        return keys[: self._rules.retry_most]

    def schemas_awaited(self) -> set[int]:
        """Ids of schemas that parked records wait for."""
        waits = {wait for _, parked in self.parking.every() for wait in parked.waits}
        return {int(wait.removeprefix("schema|")) for wait in waits if wait.startswith("schema|")}

    def replay(self, rows: Mapping[bytes, bytes], keys: Iterable[bytes], now: int, outcome: Outcome) -> None:
        """Try these in the order they came, and after a ship notice those that came behind it."""
        ids: list[bytes] = []
        first = ""  # of those taken: it leaves only now, whereas the first tried may be tried first again
        work = self.parking.in_order(set(keys))
        while work:
            parked = parking.read(rows[work.pop(0)])
            if self._again(parked, now, outcome, ids) and parked.topic == IN_ORDER:
                work = self.parking.in_order({*work, *self.parking.behind(parked.topic, parked.key)})
            if ids and not first:
                first = parked.coordinate
        if ids:
            self._window.segment(ids, f"taken/{first}", now, outcome.rows)

    def _again(self, parked: Parked, now: int, outcome: Outcome, ids: list[bytes]) -> bool:
        """Try one parked record; return whether it has left, taken or refused for good."""
        source = Source(parked.topic, parked.partition, parked.offset, parked.key.encode(), parked.original)
        begin, content = len(outcome.outputs), None
        identity = bytes.fromhex(parked.identity) or None
        try:
            content = self._decode(source.topic, parked.original)
            if identity is None:  # nobody could read it when it came
                identity = identity_of(source.topic, content)
                if identity in self._window.seen or identity in self.parking.identities:
                    outcome.outputs.append(settled(parked, "A duplicate.", now, replayed=False))
                    return self._leave(parked, outcome)
            self._take(source, content, parked.parked_at, now, outcome.outputs)
        except SchemaUnavailable:
            return False
        except Exception as error:  # noqa: BLE001 - as in step
            del outcome.outputs[begin:]
            return self._still_refused(error, parked, source, content, identity, now, outcome)
        outcome.outputs.append(settled(parked, "Taken in after reference data came.", now, replayed=True))
        self._counts[parked.topic, "replayed"] += 1
        if identity is not None:
            self._window.seen.add(identity)
            ids.append(identity)
        return self._leave(parked, outcome)

    def _still_refused(
        self,
        error: Exception,
        parked: Parked,
        source: Source,
        content: Mapping[str, Any] | None,
        identity: bytes | None,
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
            if not refused.waits:
                outcome.outputs += refusals(source.topic, content, now)
            if refused.waits:
                self.park(refused, source, parked.timestamp, content, identity, parked.parked_at, outcome)
                return False
        else:
            outcome.outputs.append(settled(parked, "Now a dead letter.", now, replayed=False))
            outcome.outputs.append(dead_letter(error.category, str(error), source, now))
        return self._leave(parked, outcome)

    def _leave(self, parked: Parked, outcome: Outcome) -> bool:
        outcome.rows[parked.row_key] = None
        self.parking.remove(parked.row_key)
        return True

    def sweep(self, rows: Mapping[bytes, bytes], now: int, outcome: Outcome) -> None:
        """Try what reference data may have settled since the last sweep; let go of what waited too long."""
        if self._generation != self._reference.generation:
            self._generation = self._reference.generation
            knows = self._reference.knows
            found = (key for key, parked in self.parking.every() if any(map(knows, parked.waits)))
            self._retry = self.parking.in_order({*self._retry, *found})
        if now - self._aged_at >= AGING_MS:
            self._aged_at = now
            self._give_up(rows, now, outcome)
            # A schema that came while this task was at rest has changed no reference data, and asking costs little.
            unread = (key for key, parked in self.parking.every() if any(w.startswith("schema|") for w in parked.waits))
            self._retry = self.parking.in_order({*self._retry, *unread})
        due, self._retry = self._retry[: self._rules.retry_most], self._retry[self._rules.retry_most :]
        self.replay(rows, due, now, outcome)

    def _give_up(self, rows: Mapping[bytes, bytes], now: int, outcome: Outcome) -> None:
        """Records that waited too long leave the table; their exceptions stay open, with the bytes in them."""
        for key, known in self.parking.every():
            if known.parked_at + self._rules.park_ms <= now:
                parked = parking.read(rows[key])
                source = Source(parked.topic, parked.partition, parked.offset, parked.key.encode(), parked.original)
                outcome.outputs.append(given_up(parked, source, now, self._reference))
                self._leave(parked, outcome)
                self._retry += self.parking.behind(parked.topic, parked.key)

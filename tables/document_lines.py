"""What translating any business document needs: its place in the log, its limits, its lines taken whole or not at all."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from tables.intake_rules import DAY_MS, LAST_DAY, IntakeRules
from tables.reference import KnownItem, Reference
from tables.refusal import Refused
from tables.units import QUANTITY_LIMIT, Inexact, to_base

Line = TypeVar("Line", bound=Mapping[str, Any])
Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Inbound:
    """Where a document came from and what it is held to."""

    coordinate: str
    key: str
    now: int  # business time it is taken in: recorded_at
    arrived: int  # business time it came: earlier than now for a record that was parked
    reference: Reference
    rules: IntakeRules

    def envelope(self, record: Record, occurred_at: int, source: str) -> dict[str, Any]:
        return {
            "event_id": record["event_id"],
            "occurred_at": occurred_at,
            "recorded_at": self.now,
            "source": source,
            "coordinate": self.coordinate,
            "correlation_id": record["correlation_id"],
        }

    def check_key(self, subject: tuple[str, str], expected: str) -> None:
        """A key that is not the content's would part records of one document over partitions, out of order."""
        if self.key != expected:
            raise Refused("INVALID_KEY", subject, f"key {self.key!r}, but the record is about {expected!r}")

    def check_time(self, subject: tuple[str, str], field: str, value: int, *, old: bool) -> None:
        """A document's own time; with `old` it may be of any age."""
        ahead = value - self.arrived
        if ahead > self.rules.document_future_ms:
            raise Refused("TIME_IN_FUTURE", subject, f"{field} is {ahead} ms ahead of the clock")
        if value < 0 or (not old and -ahead > self.rules.document_past_ms):
            raise Refused("TIME_TOO_OLD", subject, f"{field} is {-ahead} ms old")


def check_filled(subject: tuple[str, str], **fields: str) -> None:
    """Raise Refused when a text that must be there is empty, or too long for a part of a key."""
    for name, value in fields.items():
        if not value.strip():
            raise Refused("MISSING_FIELD", subject, f"{name} of {' '.join(subject)} is empty")
    check_short(subject, **fields)


def check_short(subject: tuple[str, str], **fields: str | None) -> None:
    """Raise Refused when a text that rows keep, of each document that names it, is too long for that."""
    for name, value in fields.items():
        if value is not None and len(value) > Refused.MOST:
            raise Refused("OVERSIZED", subject, f"{name} has {len(value)} characters; {Refused.MOST} are allowed")


def check_date(subject: tuple[str, str], field: str, days: int | None) -> int | None:
    if days is not None and not 0 <= days <= LAST_DAY:
        raise Refused("INVALID_DATE", subject, f"{field} is day {days} since 1970")
    return days


def check_moment(subject: tuple[str, str], field: str, at: int | None) -> int | None:
    """A time that lies ahead, such as an estimated arrival: any that is a date at all."""
    if at is not None and not 0 <= at <= LAST_DAY * DAY_MS:
        raise Refused("INVALID_DATE", subject, f"{field} is {at} ms since 1970")
    return at


def quantity_in_base(
    subject: tuple[str, str], at: Inbound, item: KnownItem, quantity: int, uom: str, *, least: int
) -> int:
    """A quantity of a line in base units; raise Refused when it is below `least` or does not convert."""
    if quantity < least:
        raise Refused("INVALID_QUANTITY", subject, f"quantity {quantity} of {item.sku}; at least {least} is needed")
    try:
        base = to_base(quantity, at.reference.unit(item, uom))
    except Inexact as error:
        raise Refused("INEXACT_CONVERSION", ("item", item.sku), f"{item.sku} in {uom}: {error}") from None
    if base >= QUANTITY_LIMIT:
        raise Refused("INVALID_QUANTITY", subject, f"quantity {quantity} {uom} of {item.sku} is out of all proportion")
    return base


def every_line(
    subject: tuple[str, str], at: Inbound, lines: Iterable[Record], translate: Callable[[Record], Line]
) -> list[Line]:
    """Translate all lines or none.

    A fault that no reference data mends comes first; otherwise the document waits for all that its lines lack.
    """
    given = list(lines)
    if len(given) > at.rules.max_lines:
        raise Refused("OVERSIZED", subject, f"{len(given)} lines; {at.rules.max_lines} are allowed")
    done: list[Line] = []
    faults: list[Refused] = []
    for line in given:
        try:
            done.append(translate(line))
        except Refused as refused:
            faults.append(refused)
    if not faults:
        _check_names(subject, at, done)
        return done
    first = next((fault for fault in faults if not fault.waits), faults[0])
    if len(faults) > 1:
        first.message += f" (and {len(faults) - 1} more of {len(given)} lines)"
    if first.waits:
        first.wait_for({wait for fault in faults for wait in fault.waits})
    raise first


def _check_names(subject: tuple[str, str], at: Inbound, lines: Iterable[Mapping[str, Any]]) -> None:
    """Codes of ours may be longer than those in the document: what was small enough may not be any more."""
    size = sum(len(text.encode()) for line in lines for text in line.values() if type(text) is str)
    if size > at.rules.max_names:
        most = at.rules.max_names
        raise Refused(
            "OVERSIZED", subject, f"names and texts of its lines, in our codes: {size} bytes; {most} are allowed"
        )


def check_lines_differ(subject: tuple[str, str], lines: Iterable[Record]) -> None:
    """Two lines with one number could not be told apart by what refers to them."""
    seen: set[str] = set()
    for line in lines:
        check_filled(subject, line=line["line"])
        if line["line"] in seen:
            raise Refused("INVALID_CODE", subject, f"line number {line['line']!r} occurs twice")
        seen.add(line["line"])

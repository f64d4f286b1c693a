"""How intake says what it did not take: exceptions with the original bytes, resolutions, dead letters."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from tables.document_names import document_of
from tables.exceptions import CATEGORIES, exception_id, raised, resolved
from tables.outcome import Output
from tables.parking import Parked
from tables.reference import Reference
from tables.refusal import Refused

EXCERPT: Final = 64 << 10
"""Bytes of an oversized record that its exception carries; the whole is at its source coordinate."""
SCANS: Final = "warehouse.scans"
DEVICE_OWNER: Final = "warehouse"
FRONT_DESKS: Final = frozenset({DEVICE_OWNER, "integration", "partner-desk"})
"""Owners who give way to the one a partner's profile names."""


class Source:
    """Where a record stands in the log, and its bytes."""

    __slots__ = ("key", "offset", "partition", "topic", "value")

    def __init__(self, topic: str, partition: int, offset: int, key: bytes | None, value: bytes | None) -> None:
        self.topic, self.partition, self.offset, self.key, self.value = topic, partition, offset, key, value

    @property
    def coordinate(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.offset}"

    @property
    def key_text(self) -> str:
        return "" if self.key is None else self.key.decode("utf-8", "backslashreplace")


def unusable(source: Source, most: int) -> Refused:
    """What is wrong with a record that is not even looked into: no key, no value, too large."""
    subject = ("record", source.coordinate)
    if source.value is None:
        return Refused("NULL_VALUE", subject, f"{source.coordinate} has no value")
    size = len(source.value) + len(source.key or b"")
    if size > most:
        return Refused("OVERSIZED", subject, f"{source.coordinate} has {size} bytes; {most} are allowed")
    return Refused("NULL_KEY", subject, f"{source.coordinate} has no key")


def as_refused(error: Exception, source: Source) -> Refused:
    """A refusal as it is; any other exception is a fault of ours that must not stop the partition."""
    if isinstance(error, Refused):
        return error
    return Refused("UNPROCESSABLE", ("record", source.coordinate), f"{type(error).__name__}: {error}")


def identifier(refused: Refused, source: Source) -> str:
    return exception_id(refused.category, *refused.subject, source.coordinate)


def raise_exception(
    refused: Refused, source: Source, content: Mapping[str, Any] | None, now: int, reference: Reference
) -> Output:
    """The exception about a record, its bytes in it. A partner's faults go to whom its profile names."""
    partner = refused.partner or _partner(content)
    original, evidence = source.value or b"", {"topic": source.topic, "key": source.key_text[:1000]}
    if document := document_of(content):
        evidence["document"] = document
    if len(original) > EXCERPT and refused.category == "OVERSIZED":
        evidence["bytes"] = str(len(original))
        evidence["sha256"] = hashlib.sha256(original).hexdigest()
        original = original[:EXCERPT]
    record = raised(
        refused.category,
        refused.subject,
        refused.message[:4000],
        coordinate=source.coordinate,
        raised_at=now,
        correlation_id=(content or {}).get("correlation_id") or source.coordinate,
        partner=partner,
        owner=refused.owner or _owner(refused.category, source.topic, partner, reference),
        evidence=evidence,
        original=original,
    )
    return "exceptions", record["exception_id"], record


def _partner(content: Mapping[str, Any] | None) -> str | None:
    return None if content is None else content.get("supplier") or content.get("carrier")


def _owner(category: str, topic: str, partner: str | None, reference: Reference) -> str:
    owner = CATEGORIES[category].owner
    if partner is not None and owner in FRONT_DESKS and partner in reference.partners:
        return reference.partners[partner]["owner"]
    return "integration" if owner == DEVICE_OWNER and topic != SCANS else owner


def settled(parked: Parked, note: str, now: int, *, replayed: bool) -> Output:
    """The resolution of what a parked record waited for."""
    record = resolved(parked.exception_id, parked.category, note, resolved_at=now, correlation_id=parked.correlation_id)
    if replayed:
        record["resolution"] = "REPLAYED"
    return "exceptions.resolutions", parked.exception_id, record


def given_up(parked: Parked, source: Source, now: int, reference: Reference) -> Output:
    """The same exception once more: the record waits no longer, somebody has to decide."""
    remedy = "count the position" if parked.topic == SCANS else "have it sent again"  # a scan is too old by now
    refused = Refused(
        parked.category, parked.subject, f"waited for {', '.join(parked.waits)} in vain; {remedy}, or dismiss it"
    )
    return raise_exception(refused, source, {"correlation_id": parked.correlation_id}, now, reference)


def dead_letter(category: str, error: str, source: Source, now: int) -> Output:
    """What cannot be read, byte for byte."""
    known = CATEGORIES.get(category, CATEGORIES["MALFORMED"])
    return (
        "dead-letters",
        source.coordinate,
        {
            "coordinate": source.coordinate,
            "topic": source.topic,
            "partition": source.partition,
            "offset": source.offset,
            "key": source.key,
            "original": source.value or b"",
            "error": error[:4000],
            "category": category,
            "owner": known.owner,
            "remedy": known.remedy,
            "failed_at": now,
        },
    )

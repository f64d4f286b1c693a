"""The way of one business event through the topics: every record that carries its correlation id or names its records.

Reads each partition from a time to its end as it stands now, ours and the outside's topics first, then what follows from
them. A record is decoded only when its bytes hold the id, so a scan is as fast as the client reads.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from connectors.as_they_stand import extents, reader, runs
from connectors.decoding import Decoding
from connectors.kafka import Record
from connectors.trace_words import words
from schemas.catalogue import catalogue
from schemas.environment import Shared

MOST: Final = 10_000
"""Most records of a way; an id that is everybody's is no correlation id."""

Progress = Callable[[int, int], None]
"""Called with records passed so far and records there are."""


@dataclass(frozen=True, slots=True)
class Step:
    """One record on the way."""

    at: int
    """When the broker was given it, ms of the wall clock."""
    since_first_ms: int
    topic: str
    partition: int
    offset: int
    key: str
    record: str
    """Its kind, as in the catalogue."""
    what: str
    by: str
    """How it belongs: `correlation`, or `cause` where it names a record of the way."""

    @property
    def coordinate(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.offset}"


class TooMany(ValueError):
    """More records than one event can have; the message says what to do."""


def trace(
    settings: Shared, channels: Iterable[str], correlation: str, since: int, progress: Progress = lambda *_: None
) -> list[Step]:
    """Every record of the way written since `since` (ms), in order of time.

    Raise TimeoutError, KafkaException, Away for the registry, TooMany.
    """
    topics = catalogue().for_channels(channels)
    phases = [
        [t.name for t in topics if t.direction != "outbound"],
        [t.name for t in topics if t.direction == "outbound"],
    ]
    consumer = reader(settings, "trace")
    try:
        places = [extents(consumer, phase, since) for phase in phases]
        total, passed, found = sum(high - low for of in places for low, high in of.values()), 0, dict[str, _Found]()
        decoding, wanted = Decoding(settings), {correlation}
        for phase in places:
            needle = re.compile(b"|".join(re.escape(text.encode()) for text in wanted))
            for run in runs(consumer, phase):
                passed += len(run)
                progress(passed, total)
                hits = [record for record in run if record.value and needle.search(record.value)]
                for record, value in decoding.decoded_here(hits):
                    if value is not None and (one := _found(record, value, correlation, wanted)) is not None:
                        found[record.coordinate] = one
                if len(found) > MOST:
                    raise TooMany(f"{correlation}: more than {MOST} records carry it; is it one event's? See --since")
            wanted |= {coordinate for coordinate, one in found.items() if one.by == "correlation"}
        progress(total, total)
    finally:
        consumer.close()
    return _in_order(found.values())


@dataclass(frozen=True, slots=True)
class _Found:
    record: Record
    value: Mapping[str, Any]
    by: str


def _found(record: Record, value: Mapping[str, Any], correlation: str, wanted: set[str]) -> _Found | None:
    """A record that is on the way; None for one whose bytes only look so."""
    if value.get("correlation_id") == correlation or correlation.encode() in (value.get("original") or b""):
        return _Found(record, value, "correlation")
    named = _texts(value)
    if not wanted.isdisjoint(named):
        return _Found(record, value, "cause")
    return None


def _texts(value: Any) -> Iterator[str]:
    """Every text in a record."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, Sequence) and not isinstance(value, bytes):
        for one in value:
            yield from _texts(one)


def _in_order(found: Iterable[_Found]) -> list[Step]:
    """By time; records of one transaction have one time, and come as the path goes."""
    order = {"inbound": 0, "reference": 0, "internal": 1, "outbound": 2}
    topics = {one.record.topic: catalogue().topic(one.record.topic) for one in found}
    placed = sorted(
        found,
        key=lambda f: (f.record.timestamp, order[topics[f.record.topic].direction], f.record.topic, f.record.offset),
    )
    first = placed[0].record.timestamp if placed else 0
    return [
        Step(
            at=one.record.timestamp,
            since_first_ms=one.record.timestamp - first,
            topic=one.record.topic,
            partition=one.record.partition,
            offset=one.record.offset,
            key=one.record.key.decode(errors="replace"),
            record=topics[one.record.topic].record,
            what=words(topics[one.record.topic].record, one.value),
            by=one.by,
        )
        for one in placed
    ]

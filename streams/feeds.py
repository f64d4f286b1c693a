"""Feeds stage: watermarks and heartbeats in, `feeds.status` out, one record a feed. A plain function; knows no Kafka."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple
from typing import Final

import orjson

from schemas.records import FeedStatus
from tables.freshness import Feed, Thresholds, due, fold, publish
from tables.outcome import Entry, Outcome, Output, check_order, pack_row, unpack_row

INPUT: Final = "feed.events"
STATUS: Final = "feeds.status"


def step(rows: Mapping[bytes, bytes], entries: Sequence[Entry], rules: Thresholds) -> Outcome:
    """Fold feed events in offset order; a feed's status is judged after each, and the last one of a step is told."""
    outcome = Outcome()
    feeds: dict[str, tuple[Feed, int]] = {}
    told: dict[str, FeedStatus] = {}
    for offset, key, event in entries:
        known = feeds.get(key)
        feed, last = known or _load(rows.get(key.encode()), event)
        check_order(key, offset, last)
        fold(feed, event)
        record = publish(feed, rules)
        if record is not None:
            told[key] = record
        feeds[key] = feed, offset
    outcome.outputs.extend((STATUS, key, record) for key, record in told.items())
    for key, (feed, offset) in feeds.items():
        outcome.rows[key.encode()] = pack_row(orjson.dumps(astuple(feed)), offset, due(feed, rules))
    return outcome


def _load(row: bytes | None, event: Mapping[str, str]) -> tuple[Feed, int]:
    if row is None:
        return Feed(event["source"], event["location"]), -1
    payload, offset, _ = unpack_row(row)
    return Feed(*orjson.loads(payload)), offset


def read(rows: Mapping[bytes, bytes]) -> Iterator[Feed]:
    """Every feed of a table, as last folded."""
    for row in rows.values():
        yield Feed(*orjson.loads(unpack_row(row)[0]))


def clock(key: str, now: int) -> Output:
    """The clock entry of a feed that has fallen silent."""
    source, _, location = key.rpartition("|")
    return (
        INPUT,
        key,
        {"kind": "CLOCK", "source": source, "location": location, "event_time": 0, "recorded_at": now},
    )

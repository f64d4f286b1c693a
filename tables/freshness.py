"""How fresh a feed is: the newest sign of life against the clock. A feed is one source at one location.

A sign is an event or a heartbeat, by its own time: a batch sent after a day offline does not make yesterday fresh.
Both are kept as maxima, so the order they come in does not matter.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from schemas.records import FeedEvent, FeedStatus
from tables.clocks import clock_after

Freshness = Literal["FRESH", "LATE", "STALE"]
FRESH: Final = "FRESH"
LATE: Final = "LATE"
STALE: Final = "STALE"
NEVER: Final = -1


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Silence in milliseconds after which a feed is late and stale."""

    late_after_ms: int = 15 * 60_000
    stale_after_ms: int = 60 * 60_000
    refresh_ms: int = 60_000
    """A live feed's record is written again after this long, so that its last times are never older than that."""


@dataclass(slots=True)
class Feed:
    """One feed as its row keeps it; times in ms, NEVER where there is none."""

    source: str
    location: str
    event_at: int = NEVER
    heartbeat_at: int = NEVER
    status: str = ""  # as last published; empty: not yet
    since: int = NEVER
    clock: int = NEVER
    published_at: int = NEVER

    @property
    def alive_at(self) -> int:
        """The newest sign of life; one ahead of our clock counts as now."""
        return min(max(self.event_at, self.heartbeat_at), self.clock)


def fold(feed: Feed, event: FeedEvent | Mapping[str, Any]) -> None:
    """Take one event in."""
    feed.clock = clock_after(feed.clock, event["recorded_at"])
    if event["kind"] == "EVENTS":
        feed.event_at = max(feed.event_at, event["event_time"])
    elif event["kind"] == "HEARTBEAT":
        feed.heartbeat_at = max(feed.heartbeat_at, event["event_time"])


def judge(feed: Feed, rules: Thresholds) -> tuple[Freshness, int]:
    """What the feed is now, and since when. A feed never heard of is stale."""
    silence = feed.clock - feed.alive_at
    now: Freshness
    if feed.alive_at == NEVER or silence >= rules.stale_after_ms:
        now = STALE
        since = feed.clock if feed.alive_at == NEVER else feed.alive_at + rules.stale_after_ms
    elif silence >= rules.late_after_ms:
        now, since = LATE, feed.alive_at + rules.late_after_ms
    else:
        now, since = FRESH, feed.clock
    return now, feed.since if now == feed.status else since


def due(feed: Feed, rules: Thresholds) -> int:
    """Business time (ms) at which the feed changes by silence alone; 0 when it is as stale as it gets."""
    if feed.status == FRESH:
        return feed.alive_at + rules.late_after_ms
    return feed.alive_at + rules.stale_after_ms if feed.status == LATE else 0


def publish(feed: Feed, rules: Thresholds) -> FeedStatus | None:
    """The record to write, or None: on the first event, on every change, and now and then while the feed lives."""
    now, since = judge(feed, rules)
    alive = feed.alive_at > feed.published_at
    silent = 0 <= feed.clock - feed.published_at < rules.refresh_ms
    if now == feed.status and (silent or not (alive or feed.clock < feed.published_at)):
        return None
    feed.status, feed.since, feed.published_at = now, since, feed.clock
    return {
        "source": feed.source,
        "location": feed.location,
        "status": now,
        "since": since,
        "last_event_at": None if feed.event_at == NEVER else feed.event_at,
        "last_heartbeat_at": None if feed.heartbeat_at == NEVER else feed.heartbeat_at,
        "computed_at": feed.clock,
    }

"""Reads the Redis view, and knows at every moment whether what stands there may be shown."""

import asyncio
import logging
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

import orjson
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import RedisError

from connectors import view_keys as keys
from connectors.api.problems import Problem
from connectors.api.redis_line import Questions, RedisLine
from connectors.api.settings import ApiSettings
from connectors.heartbeat import going_round, through
from schemas.clock import wall_ms
from schemas.records import FeedStatus
from tables.fallback import Freshness, worst_by_location

DOWN: Final = (RedisError, OSError, TimeoutError)
MOST_WRITTEN: Final = 1_000
SILENT_S: Final = 2.0
"""How far behind the look at the view's state may be before the view counts as unknown."""


class Unavailable(Exception):
    """The view cannot be shown now; the message says why."""

    def problem(self) -> Problem:
        return Problem(
            503, "Availability unknown", str(self), headers={"Retry-After": "2", "Cache-Control": "no-store"}
        )


@dataclass(frozen=True, slots=True)
class Feeds:
    """The feeds of some locations, written once for all the answers that show them."""

    shown: orjson.Fragment
    mark: orjson.Fragment
    """What an answer's validator takes of them: a new status, not a new heartbeat."""


class View:
    """The view as one process sees it: its state and the feeds' from a look every moment, answers one read each."""

    def __init__(self, settings: ApiSettings, redis: Redis) -> None:
        self._settings, self._redis = settings, redis
        self._line = RedisLine(redis, settings.redis_timeout_ms)
        self._written: dict[frozenset[str], Feeds] = {}
        self._why: str | None = "the view has not been looked at yet"
        self._seen = float("-inf")
        self._key = keys.view(settings.app)
        self._epoch: bytes | None = None
        self._kept_at = -math.inf
        """When the view was last known to be live (wall clock, ms)."""
        self._raw_feeds: dict[bytes, bytes] = {}
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self.feeds: tuple[FeedStatus, ...] = ()
        self.worst: dict[str, Freshness] = {}
        """By location, the status of its least fresh feed; a location without feeds is not in it."""
        self.last_known = LastKnown(settings.last_known, settings.last_known_ms)

    async def start(self) -> None:
        await self._look()
        self._task = asyncio.create_task(self._look_again())

    async def stop(self) -> None:
        self._stopping = True  # a cancellation that meets a Redis time-out may get lost in it
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._line.close()

    def why_not(self) -> str | None:
        """Why nothing may be shown, None when it may."""
        if time.monotonic() - self._seen > SILENT_S + self._settings.view_refresh_ms / 1000:
            return self._why or "the view has not been heard of"
        return self._why

    async def read(self, ask: Callable[[Pipeline], object]) -> list[Any]:
        """Run the commands that `ask` adds, in one round trip; raise Unavailable.

        The view's epoch is read along, so an emptied Redis is never taken for unknown SKUs.
        """
        pipeline = self._redis.pipeline(transaction=False)
        self._begin(pipeline)
        ask(pipeline)
        return await self._vouched(pipeline.execute())

    async def look_up(self, ask: Callable[[Questions], object]) -> list[Any]:
        """The same for the few commands that Questions has, at a fraction of the CPU; raise Unavailable."""
        questions = Questions()
        self._begin(questions)
        ask(questions)
        return await self._vouched(self._line.ask(questions))

    def _begin(self, commands: Pipeline | Questions) -> None:
        if (why := self.why_not()) is not None:
            raise Unavailable(why)
        commands.hget(self._key, keys.EPOCH)

    async def _vouched(self, answers: Awaitable[list[Any]]) -> list[Any]:
        """The answers but the first, if that is the epoch we know."""
        try:
            epoch, *found = await answers
        except DOWN as error:
            self._why = f"Redis does not answer: {type(error).__name__}"
            raise Unavailable(self._why) from None
        if epoch != self._epoch:
            await self._look()
            if self._why is not None or epoch != self._epoch:
                raise Unavailable(self._why or "the view is being built anew")
        return found

    # ---- how it is ----------------------------------------------------------------------------------------------

    async def _look_again(self) -> None:
        with going_round("the look at the view's state"):
            while not self._stopping:
                await through(asyncio.sleep(self._settings.view_refresh_ms / 1000))
                try:
                    await self._look()
                except Exception:
                    logging.getLogger(__name__).exception("the view's state cannot be read")
                    self._why = "the view's state cannot be read"

    async def _look(self) -> None:
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.hgetall(keys.view(self._settings.app))
        pipeline.hgetall(keys.feeds(self._settings.app))
        try:
            state, feeds = await pipeline.execute()
        except DOWN as error:
            self._why = f"Redis does not answer: {type(error).__name__}"
            return
        if feeds != self._raw_feeds:
            self.feeds = tuple(sorted(map(orjson.loads, keys.records(feeds).values()), key=_place))
            self.worst, self._raw_feeds = worst_by_location(self.feeds), feeds
            self._written.clear()
        if state.get(keys.EPOCH.encode()) != self._epoch:
            self._epoch, self._kept_at = state.get(keys.EPOCH.encode()), -math.inf
        self._why, self._seen = self._judged(state), time.monotonic()

    def _judged(self, state: dict[bytes, bytes]) -> str | None:
        """Why a view in this state may not be shown."""
        if self._epoch is None:
            return "the view is empty; nobody has built it yet"
        now = wall_ms()
        heard = [
            instance
            for field, value in state.items()
            if field.startswith(keys.INSTANCE.encode())
            and now - (instance := orjson.loads(value))["at"] <= self._settings.view_stale_ms
        ]
        building = [instance for instance in heard if instance["state"] == "rebuilding"]
        if building:
            self._kept_at = -math.inf
            return f"the view is being rebuilt: {building[0].get('percent')} %"
        keeping = [each["at"] for each in heard if each["state"] == "live" and each.get("lag") is not None]
        # One that takes over from another is not live for some moments; what stands there is no older for that.
        self._kept_at = max(self._kept_at, min(now, max(keeping))) if keeping else self._kept_at
        if now - self._kept_at > self._settings.view_stale_ms:
            return f"nobody has kept the view for {self._settings.view_stale_ms / 1000:.0f} s"
        return None

    def feeds_of(self, locations: Iterable[str]) -> list[FeedStatus]:
        wanted = frozenset(locations)
        return [feed for feed in self.feeds if feed["location"] in wanted]

    def written_feeds(self, locations: Iterable[str]) -> Feeds:
        """The same, written already; forgotten when a feed changes."""
        wanted = frozenset(locations)
        known = self._written.get(wanted)
        if known is None:
            if len(self._written) >= MOST_WRITTEN:
                self._written.clear()
            feeds = self.feeds_of(wanted)
            mark = [(feed["source"], feed["location"], feed["status"], feed["since"]) for feed in feeds]
            known = Feeds(orjson.Fragment(orjson.dumps(feeds)), orjson.Fragment(orjson.dumps(mark)))
            self._written[wanted] = known
        return known


def _place(feed: FeedStatus) -> tuple[str, str]:
    return feed["source"], feed["location"]


class LastKnown:
    """What was read last for a key, for when nothing can be read: bounded in number and in age."""

    def __init__(self, most: int, most_ms: int) -> None:
        self._most, self._most_ms = most, most_ms
        self._kept: OrderedDict[tuple[str, str], tuple[int, Any]] = OrderedDict()

    def keep(self, channel: str, sku: str, found: Any) -> None:
        if self._most:
            self._kept[channel, sku] = wall_ms(), found
            self._kept.move_to_end((channel, sku))
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)

    def forget(self, channel: str, sku: str) -> None:
        self._kept.pop((channel, sku), None)

    def find(self, channel: str, sku: str) -> tuple[int, Any] | None:
        """When it was read (ms of the wall clock) and what, None when nothing young enough is held."""
        kept = self._kept.get((channel, sku))
        return kept if kept is not None and wall_ms() - kept[0] <= self._most_ms else None

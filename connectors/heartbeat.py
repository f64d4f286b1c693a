"""Whether the loops of a connector go round: each beats, and one that has not for too long is told by /livez.

To wait for what is away is no standstill: such waits beat too, for as long as they may last.
"""

import asyncio
import math
import os
import threading
import time
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, TypeVar

from schemas.exit_codes import STUCK
from schemas.logs import last_words

BEAT_S: Final = 1.0
PATIENCE: Final = 3
"""After so many times the limit a process leaves that nobody has started again for what /livez says."""
BROKER_S: Final = 90.0
"""A broker's answer comes, or fails to, within this time: librdkafka's session and request time-outs together."""
DELIVERY_S: Final = 330.0
"""The same of a record's delivery: librdkafka gives one up after five minutes."""

T = TypeVar("T")


class Heartbeat:
    """Of one loop; any thread may beat."""

    def __init__(self, loop: str) -> None:
        self.loop = loop
        self.beat()

    def beat(self) -> None:
        """It goes round."""
        self._at = time.monotonic()

    def silent(self) -> float:
        """Seconds since the last beat."""
        return time.monotonic() - self._at


_going: Final = set[Heartbeat]()
_mine: ContextVar[Heartbeat | None] = ContextVar("heartbeat", default=None)


@contextmanager
def going_round(loop: str) -> Iterator[Heartbeat]:
    """The block is a loop, of this name among people, that is to beat."""
    heartbeat = Heartbeat(loop)
    _going.add(heartbeat)
    token = _mine.set(heartbeat)
    try:
        yield heartbeat
    finally:
        _going.discard(heartbeat)
        _mine.reset(token)


def beat() -> None:
    """The loop that we are called from goes round; outside of any, nothing."""
    if (mine := _mine.get()) is not None:
        mine.beat()


async def through(waited: Awaitable[T], within_s: float = math.inf) -> T:
    """Wait for what may be away for so long, and beat meanwhile."""
    task, end = asyncio.ensure_future(waited), time.monotonic() + within_s
    try:
        while not task.done():
            if time.monotonic() < end:
                beat()
            await asyncio.wait({task}, timeout=BEAT_S)
        return task.result()
    finally:
        task.cancel()


def stuck(limit_s: float) -> str | None:
    """Which loops have not gone round for longer than this, and for how long; None when all do."""
    silent = [(each.silent(), each.loop) for each in list(_going)]
    found = sorted(((seconds, loop) for seconds, loop in silent if seconds > limit_s), reverse=True)
    return "; ".join(f"{loop} has not gone round for {seconds:.0f} s" for seconds, loop in found) or None


async def turn() -> None:
    """Beat for the event loop itself, until cancelled."""
    with going_round("the event loop"):
        while True:
            beat()
            await asyncio.sleep(BEAT_S)


def watch(process: str, limit_s: float) -> None:
    """From a thread, which no loop can stop: leave when what stands still is not mended from outside."""
    threading.Thread(target=_watch, args=(process, PATIENCE * limit_s), name="watchdog", daemon=True).start()


def _watch(process: str, limit_s: float) -> None:
    stood = looked = time.monotonic()
    while True:
        time.sleep(BEAT_S)
        now = time.monotonic()
        if now - looked > 5 * BEAT_S or (why := stuck(limit_s)) is None:
            stood = now  # all of the process was stopped for a while, or all is well
        elif now - stood > 5 * BEAT_S:
            last_words("critical", f"{process} leaves (exit {STUCK}): {why}", exit_code=STUCK)
            os._exit(STUCK)
        looked = now

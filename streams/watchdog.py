"""Leaves the process when it is alive but not working: a stuck loop, input without a commit, a recovery that stands still.

Group heartbeats come from another thread, so a stuck loop would otherwise keep its partitions for ever. A broker that is
away is waited for: a new start would find nothing either.
"""

import asyncio
import logging
import os
import threading
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)

from schemas.exit_codes import FAULT, HALT, REFUSED, STUCK
from schemas.logs import last_words
from schemas.registry import RegistryRefused
from streams.stages import Halt
from tables.outcome import CorruptRow, OutOfOrder

log = logging.getLogger("worker")

SHUT_OUT = (
    RegistryRefused,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    ClusterAuthorizationFailedError,
)
"""Errors that credentials or ACLs mend."""


def leave(error: BaseException, what: str) -> None:
    """Crash-only: tell what happened and go. The broker aborts what was open; a supervisor starts us again."""
    shut_out = isinstance(error, SHUT_OUT)
    code = HALT if isinstance(error, Halt | CorruptRow | OutOfOrder) else REFUSED if shut_out else FAULT
    said = f"stockstream worker leaves (exit {code}): {what}: {type(error).__name__}: {error}"
    last_words("critical", said, None if shut_out else error, exit_code=code)
    os._exit(code)


class Standing(NamedTuple):
    """What stands still, and for how long (s)."""

    what: str
    seconds: float


class Watchdog:
    """Asks `standing` every second on the loop, and from a thread whether the loop still answers.

    From half the limit on it also asks whether a new start would get through, and counts from when it last would not.
    """

    def __init__(
        self, standing: Callable[[], Standing | None], gets_through: Callable[[float], Awaitable[bool]], limit: float
    ) -> None:
        self._standing, self._gets_through, self._limit = standing, gets_through, limit
        self._away = False
        self._away_at = float("-inf")
        self.ticked = time.monotonic()

    @property
    def alive(self) -> bool:
        return time.monotonic() - self.ticked < self._limit

    async def run(self) -> None:
        threading.Thread(target=self._watch_loop, daemon=True, name="watchdog").start()
        while True:
            self.ticked = time.monotonic()
            try:
                await self._look()
            except Exception as error:  # noqa: BLE001 - nobody would watch any more
                leave(error, "the watchdog")
            await asyncio.sleep(1.0)

    async def _look(self) -> None:
        if self._seconds(self._standing()) <= self._limit / 2:
            return
        through = await self._gets_through(min(5.0, self._limit / 4))
        standing = self._standing()
        if not through:
            if not self._away and standing is not None:
                log.warning("%s for %.0f s: the broker takes no transactions, it is waited for", *standing)
            self._away, self._away_at = True, time.monotonic()
            return
        self._away = False
        if standing is not None and self._seconds(standing) > self._limit:
            self._go(f"{standing.what} for {standing.seconds:.0f} s")

    def _seconds(self, standing: Standing | None) -> float:
        """For how long it has stood still without the broker's doing."""
        return 0.0 if standing is None else min(standing.seconds, time.monotonic() - self._away_at)

    def _watch_loop(self) -> None:
        while True:
            time.sleep(1.0)
            silent = time.monotonic() - self.ticked
            if silent > self._limit:
                self._go(f"the event loop has not turned for {silent:.0f} s")

    def _go(self, reason: str) -> None:
        last_words("critical", f"stockstream worker leaves (exit {STUCK}): {reason}", exit_code=STUCK)
        os._exit(STUCK)

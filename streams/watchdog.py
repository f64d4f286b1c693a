"""Leaves the process when it is alive but not working: a stuck loop, lag without progress, a recovery that stands still.

Group heartbeats come from another thread, so a stuck loop would otherwise keep its partitions for ever.
"""

import asyncio
import os
import threading
import time
from collections.abc import Callable

from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)

from schemas.admission import REFUSED
from schemas.logs import last_words
from schemas.registry import RegistryRefused
from streams.stages import Halt
from tables.outcome import CorruptRow, OutOfOrder

EXIT_FAULT = 75  # EX_TEMPFAIL: the log is right, start again
EXIT_STUCK = 74
EXIT_HALT = 76  # state and log disagree: do not start again before somebody has looked

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
    code = EXIT_HALT if isinstance(error, Halt | CorruptRow | OutOfOrder) else REFUSED if shut_out else EXIT_FAULT
    said = f"stockstream worker leaves (exit {code}): {what}: {type(error).__name__}: {error}"
    last_words("critical", said, None if shut_out else error, exit_code=code)
    os._exit(code)


class Watchdog:
    """Asks `stuck` every second on the loop, and from a thread whether the loop still answers."""

    def __init__(self, stuck: Callable[[float], str | None], limit: float) -> None:
        self._stuck, self._limit = stuck, limit
        self.ticked = time.monotonic()

    @property
    def alive(self) -> bool:
        return time.monotonic() - self.ticked < self._limit

    async def run(self) -> None:
        threading.Thread(target=self._watch_loop, daemon=True, name="watchdog").start()
        while True:
            self.ticked = time.monotonic()
            if reason := self._stuck(self._limit):
                self._go(reason)
            await asyncio.sleep(1.0)

    def _watch_loop(self) -> None:
        while True:
            time.sleep(1.0)
            silent = time.monotonic() - self.ticked
            if silent > self._limit:
                self._go(f"the event loop has not turned for {silent:.0f} s")

    def _go(self, reason: str) -> None:
        last_words("critical", f"stockstream worker leaves (exit {EXIT_STUCK}): {reason}", exit_code=EXIT_STUCK)
        os._exit(EXIT_STUCK)

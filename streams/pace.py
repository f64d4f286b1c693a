"""Folding yields to committing: while a transaction of the worker takes long, no task folds until it is through.

They share one event loop, so a worker short of processor time would have each round trip of a transaction wait for a
chunk of every partition. The broker gives such a transaction up, and the worker starts anew with more to do than before.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Pace:
    """The transactions under way in one worker; `patience` is how long (s) one may take before folding waits."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._began: dict[int, float] = {}
        """By partition, the oldest first."""
        self._ended = asyncio.Event()

    @contextmanager
    def transaction(self, partition: int) -> Iterator[None]:
        """One transaction, from its first request to its last answer."""
        self._began[partition] = time.monotonic()
        try:
            yield
        finally:
            del self._began[partition]
            self._ended.set()

    async def room(self) -> None:
        """Return at once, unless a transaction takes long; then once none does."""
        while self._began and time.monotonic() - next(iter(self._began.values())) > self._patience:
            self._ended.clear()
            await self._ended.wait()

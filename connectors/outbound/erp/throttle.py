"""The pace a system bears: a token bucket for all of it, one for each operation that has a rate, and its own wish to wait."""

import asyncio
from collections.abc import Mapping

from aiolimiter import AsyncLimiter

INQUIRY = "inquiry"
"""The name under which questions have their rate."""


class Throttle:
    """`rate` requests a second in all, bursts of `burst`; `rates` by operation (`inquiry` for questions)."""

    def __init__(self, rate: float, burst: int = 1, rates: Mapping[str, float] | None = None) -> None:
        self._all = _bucket(rate, burst)
        self._by_operation = {operation: _bucket(each, burst) for operation, each in (rates or {}).items()}
        self._slowest_s = 1 / min([rate, *(rates or {}).values()])
        self._held_until = 0.0

    def allows(self, operation: str) -> bool:
        """Whether a request of this operation may go now."""
        bucket = self._by_operation.get(operation)
        return self.held_s() <= 0 and self._all.has_capacity() and (bucket is None or bucket.has_capacity())

    async def spend(self, operation: str) -> None:
        """Take a token of each bucket; waits where there is none."""
        await asyncio.sleep(max(0.0, self.held_s()))
        bucket = self._by_operation.get(operation)
        if bucket is not None:
            await bucket.acquire()
        await self._all.acquire()

    def hold(self, seconds: float) -> None:
        """The system asked to be left alone (429 with Retry-After)."""
        self._held_until = max(self._held_until, asyncio.get_running_loop().time() + seconds)

    def held_s(self) -> float:
        """Seconds for which nothing may be sent."""
        return self._held_until - asyncio.get_running_loop().time()

    def look_again_s(self) -> float:
        """When to look again after `allows` said no, in seconds."""
        return min(max(self.held_s(), min(self._slowest_s, 0.05)), 1.0)


def _bucket(rate: float, burst: int) -> AsyncLimiter:
    size = max(1, burst)
    return AsyncLimiter(size, size / rate)

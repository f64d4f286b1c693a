"""How often a client, and all clients of a partner together, may ask; counted in Redis, here while Redis is down.

A process takes requests from the shared count in lots, so never more than agreed are admitted over all processes; what
a process took and did not use within LEASE_S is lost to the others, at most 1/LEASE of a second's requests each.
"""

import asyncio
import math
import time
from collections import OrderedDict
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError
from throttled.asyncio import MemoryStore, RateLimitResult, RedisStore, Throttled, rate_limiter
from throttled.exceptions import StoreUnavailableError

from connectors.api.problems import Problem
from connectors.api.security import Principal
from connectors.api.settings import ApiSettings

LEASE: Final = 20
"""A process takes 1/20 of a second's requests from Redis at a time, so most requests need not ask it."""
LEASE_S: Final = 0.5
"""A lease not used up by then is given up."""
AWAY_S: Final = 1.0
"""How long Redis is left alone after it did not answer."""
MOST_KEPT: Final = 10_000


class _Lease:
    """Requests already taken from the shared count, and until when they may be used."""

    __slots__ = ("left", "refused_until", "remaining", "renewing", "until")

    def __init__(self) -> None:
        self.left, self.until, self.remaining = 0, 0.0, 0
        self.refused_until = 0.0
        """Before this the shared count has nothing, whoever asks."""
        self.renewing = asyncio.Lock()

    @property
    def spent(self) -> bool:
        return self.left <= 0 or self.until < time.monotonic()


class RateLimits:
    """Admits a request or raises Problem 429."""

    def __init__(self, settings: ApiSettings, redis: Redis) -> None:
        self._settings = settings
        store = RedisStore(server=settings.redis)
        store._backend._client = redis  # type: ignore[assignment]  # noqa: SLF001 - one pool, our time-outs
        self._shared: Any = store
        self._local = MemoryStore(options={"MAX_SIZE": MOST_KEPT})
        self._throttles: dict[tuple[bool, int], Throttled] = {}
        self._leases: OrderedDict[str, _Lease] = OrderedDict()
        self._away_until = 0.0

    async def admit(self, principal: Principal) -> tuple[int, int]:
        """Count one request for the client and its partner; return the client's rate and what is left."""
        rate = principal.rate or self._settings.client_rate
        left = await self._take(f"client:{principal.id}", rate, "client")
        if principal.partner is not None:
            most = self._settings.partner_rate
            left = min(left, await self._take(f"partner:{principal.partner}", most, "partner"))
        return rate, left

    async def _take(self, key: str, rate: int, who: str) -> int:
        """What is left after this request."""
        lease = self._leases.get(key)
        if lease is None:
            lease = self._leases[key] = _Lease()
            if len(self._leases) > MOST_KEPT:
                self._leases.popitem(last=False)
        if lease.spent:
            async with lease.renewing:  # one asks for all who wait
                if lease.spent:
                    await self._renew(lease, key, rate, who)
        lease.left -= 1
        return lease.remaining + lease.left

    async def _renew(self, lease: _Lease, key: str, rate: int, who: str) -> None:
        if (wait := lease.refused_until - time.monotonic()) > 0:
            raise _beyond(rate, who, wait)
        wanted = max(1, rate // LEASE)
        result = await self._ask(key, rate, wanted)
        if result.limited and wanted > 1:
            wanted = 1
            result = await self._ask(key, rate, wanted)
        if result.limited:
            lease.refused_until = time.monotonic() + min(1.0, result.state.retry_after)
            raise _beyond(rate, who, result.state.retry_after)
        lease.left = max(lease.left, 0) + wanted
        lease.until, lease.remaining = time.monotonic() + LEASE_S, result.state.remaining

    async def _ask(self, key: str, rate: int, cost: int) -> RateLimitResult:
        if time.monotonic() >= self._away_until:
            try:
                return await self._throttle(rate, shared=True).limit(key, cost)
            except (StoreUnavailableError, RedisError, OSError, TimeoutError):
                self._away_until = time.monotonic() + AWAY_S
        return await self._throttle(rate, shared=False).limit(key, cost)

    def _throttle(self, rate: int, *, shared: bool) -> Throttled:
        known = self._throttles.get((shared, rate))
        if known is None:
            known = self._throttles[shared, rate] = Throttled(
                using="gcra",
                quota=rate_limiter.per_sec(rate, burst=rate),
                store=self._shared if shared else self._local,
                key_prefix=f"{self._settings.app}:limit",
            )
        return known


def _beyond(rate: int, who: str, seconds: float) -> Problem:
    wait = max(1, math.ceil(seconds))
    return Problem(
        429,
        "Too many requests",
        f"more than {rate} requests per second of this {who}",
        headers={"Retry-After": str(wait), **fields(rate, 0, wait)},
    )


def fields(rate: int, left: int, wait: int = 1) -> dict[str, str]:
    """The RateLimit header fields (draft-ietf-httpapi-ratelimit-headers)."""
    return {"RateLimit-Policy": f'"client";q={rate};w=1', "RateLimit": f'"client";r={max(0, left)};t={wait}'}

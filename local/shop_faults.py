"""How the stand-in shop misbehaves: switched by POST /faults, by a seed the same each time."""

import asyncio
import random
from dataclasses import asdict, dataclass, fields
from typing import Any

from aiohttp import web


@dataclass(frozen=True, slots=True)
class Faults:
    """Chances are between 0 and 1, for each request."""

    seed: int = 0
    latency_ms: int = 0
    """Longest wait before a request is looked at."""
    error_rate: float = 0.0
    """500, nothing done."""
    error_after_rate: float = 0.0
    """500 although it was done."""
    lost_answer_rate: float = 0.0
    """Done, and then no answer for `lost_answer_ms`."""
    lost_answer_ms: int = 2_000
    throttle_rate: float = 0.0
    """429 with Retry-After, nothing done."""
    retry_after_s: int = 1
    sale_rate: float = 0.0
    """The shop sells one of the first item, just before it compares."""
    unlisted: str = ""
    """A request with this SKU in it is not taken: 422."""
    gone: bool = False
    """410 for webhooks."""
    redirect: str = ""
    """Webhooks are redirected there."""
    outage: bool = False
    """Connections are dropped."""

    @classmethod
    def of(cls, wanted: dict[str, Any]) -> "Faults":
        """Raise ValueError for a fault that does not exist."""
        unknown = sorted(set(wanted) - {each.name for each in fields(cls)})
        if unknown:
            raise ValueError(f"no such fault: {', '.join(unknown)}; there are {', '.join(f.name for f in fields(cls))}")
        return cls(**wanted)


class Misbehaviour:
    """Plays the faults; asked at the beginning and at the end of each request."""

    def __init__(self) -> None:
        self.faults = Faults()
        self._random = random.Random(0)

    def switch(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """These faults and no others from now on."""
        self.faults = Faults.of(wanted)
        self._random = random.Random(self.faults.seed)
        return asdict(self.faults)

    def chance(self, rate: float) -> bool:
        return rate > 0 and self._random.random() < rate

    async def before(self, request: web.Request) -> web.Response | None:
        """An answer instead of doing anything."""
        faults = self.faults
        if faults.latency_ms:
            await asyncio.sleep(self._random.uniform(0, faults.latency_ms / 1000))
        if faults.outage:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=503)
        if self.chance(faults.throttle_rate):
            return web.json_response(
                {"error": "too many requests"}, status=429, headers={"Retry-After": str(faults.retry_after_s)}
            )
        return web.json_response({"error": "a fault"}, status=500) if self.chance(faults.error_rate) else None

    async def after(self) -> web.Response | None:
        """An answer instead of the right one, although all is done."""
        if self.chance(self.faults.lost_answer_rate):
            await asyncio.sleep(self.faults.lost_answer_ms / 1000)
            return web.json_response({"error": "late"}, status=504)
        if self.chance(self.faults.error_after_rate):
            return web.json_response({"error": "a fault, after all was done"}, status=500)
        return None

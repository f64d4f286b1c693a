"""The API's application state: what every route needs, started and stopped with the application."""

import asyncio
from pathlib import Path
from typing import Any

import yaml
from fastapi import Request
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from connectors.api.limits import RateLimits
from connectors.api.security import Authenticator
from connectors.api.settings import ApiSettings
from connectors.api.streams import Streams
from connectors.api.view import View
from schemas import access
from schemas.clock import Clock, clock, wall_ms
from schemas.codec import Codec
from schemas.registry import connected_codec
from tables.channels import Channel, Channels, parse


class Edge:
    """Clients and knowledge of one API process; `codec` is there once it has started."""

    codec: Codec

    def __init__(self, settings: ApiSettings) -> None:
        self.settings = settings
        self.clock: Clock = clock(settings.clock)
        self.wall: Clock = wall_ms
        self.channels: Channels = parse(yaml.safe_load(Path(settings.channels).read_text()))
        self.by_id: dict[str, Channel] = {channel.id: channel for channel in self.channels.channels}
        self.fault: Exception | None = None
        """Why it could not start."""
        self.closing = asyncio.Event()
        """Set when the process is to end: open streams end then."""
        self.redis: Redis = client(settings)
        self.authenticator = Authenticator(settings)
        self.limits = RateLimits(settings, self.redis)
        self.view = View(settings, self.redis)
        self.streams = Streams(settings)

    async def start(self) -> None:
        """Connect; raise RegistryError where the registry does not answer. Redis and Kafka may come later."""
        try:
            await self._start()
        except Exception as error:
            self.fault = error
            raise

    async def _start(self) -> None:
        self.codec = await asyncio.to_thread(connected_codec, self.settings, self.by_id)
        await self.authenticator.start()
        await self.view.start()

    def details(self) -> dict[str, str]:
        """What /readyz tells beside the address."""
        return self.authenticator.details()

    async def stop(self) -> None:
        """Give everything back."""
        self.closing.set()
        await self.streams.stop()
        await self.view.stop()
        await self.authenticator.stop()
        await self.redis.aclose()


def client(settings: ApiSettings) -> Redis:
    """A Redis client that gives up soon and tries once more: a broken connection is no outage, silence is one."""
    patience: Any = settings.redis_timeout_ms / 1000
    return Redis.from_url(
        settings.redis,
        socket_timeout=patience,
        socket_connect_timeout=patience,
        retry=Retry(NoBackoff(), 1),
        max_connections=256,
        protocol=2,
        **access.redis(settings),
    )


async def edge_of(request: Request) -> Edge:  # a plain function would go to a thread
    """The state of the application that serves a request."""
    edge: Edge = request.app.state.edge
    return edge

"""The two routes that are asked most, answered without FastAPI's routing and dependencies, which cost more than the answer.

It takes a request only where nothing is left to decide: GET, a path that fits, no query. Everything else goes on to the
routes, which hold the description and check every parameter; both run the same function, behind the same guard.
"""

from collections.abc import Coroutine
from typing import Any, Final, NamedTuple

from starlette.types import ASGIApp, Receive, Scope, Send

from connectors.api import availability, channels
from connectors.api.answers import Answer
from connectors.api.edge import Edge
from connectors.api.problems import Problem
from connectors.api.security import allowed

LONGEST_SKU: Final = 200
LONGEST_CHANNEL: Final = 64


class Route(NamedTuple):
    """What the metrics call it."""

    path: str


ONE_SKU: Final = Route("/v1/availability/{sku}")
ONE_OFFER: Final = Route("/v1/channels/{channel}/availability/{sku}")


class Shortcut:
    """ASGI middleware next to the routes."""

    def __init__(self, app: ASGIApp, edge: Edge) -> None:
        self._app, self._edge = app, edge

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answering = self._answering(scope)
        if answering is None:
            await self._app(scope, receive, send)
            return
        try:
            status, headers, body = await answering
        except Problem as problem:
            await problem.response()(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _answering(self, scope: Scope) -> Coroutine[Any, Any, Answer] | None:
        """The answer to be, None for what the routes shall look at."""
        if scope["type"] != "http" or scope["method"] != "GET" or scope["query_string"] or scope.get("root_path"):
            return None
        parts = scope["path"].split("/")
        if len(parts) == 4 and parts[:3] == ["", "v1", "availability"] and 0 < len(parts[3]) <= LONGEST_SKU:
            scope["route"] = ONE_SKU
            return self._one_sku(scope, parts[3])
        if len(parts) == 6 and parts[:3] == ["", "v1", "channels"] and parts[4] == "availability":
            channel, sku = parts[3], parts[5]
            if 0 < len(channel) <= LONGEST_CHANNEL and 0 < len(sku) <= LONGEST_SKU:
                scope["route"] = ONE_OFFER
                return self._one_offer(scope, channel, sku)
        return None

    async def _one_sku(self, scope: Scope, sku: str) -> Answer:
        caller = allowed(scope["principal"], "availability:read")
        return await availability.answer_one(self._edge, caller, sku, _if_none_match(scope))

    async def _one_offer(self, scope: Scope, channel: str, sku: str) -> Answer:
        caller = allowed(scope["principal"], "availability:read")
        return await channels.answer_one(self._edge, caller, channel, sku, _if_none_match(scope))


def _if_none_match(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"if-none-match":
            return str(value, "latin-1")
    return None

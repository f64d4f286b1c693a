"""What every request passes: its bounds, who calls and how often; what every answer carries: its fixed headers."""

import asyncio
import itertools
import logging
import os
import re
import time
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from connectors.api import limits, metrics
from connectors.api.edge import Edge
from connectors.api.problems import Problem
from connectors.api.traced import ended, served
from schemas.logs import REQUEST

HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
"""Of every answer that does not set its own."""
GUARDED: Final = "/v1/"
"""Everything below needs authentication, whether there is such a route or not."""
log = logging.getLogger(__name__)
_STARTED: Final = os.urandom(6).hex()
_NUMBERS: Final = itertools.count(0x10000)
_FITS: Final = re.compile(rb"[\w.:-]{1,100}", re.ASCII)


class Guard:
    """ASGI middleware around all routes; nothing unauthenticated is read beyond its headers."""

    def __init__(self, app: ASGIApp, edge: Edge) -> None:
        self._app, self._edge = app, edge
        self._settings = edge.settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _named(scope)
        answer = _Answer(scope, send, request_id)
        REQUEST.set(request_id)  # a request is served by a task of its own
        span = served(scope)
        started = time.perf_counter()
        try:
            await self._served(scope, receive, answer)
        except Problem as problem:
            await self._refuse(problem, scope, receive, answer)
        except Exception:
            if answer.status:  # too late for another answer: the connection is cut, which the client notices
                raise
            log.exception("%s %s failed", scope["method"], scope["path"])
            instance = f"{scope['method']} {scope['path']}"
            fault = Problem(500, "Internal error", "the request failed here, not with you", instance=instance)
            await self._refuse(fault, scope, receive, answer)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            ended(span, scope["method"], route, answer.status)
            status = str(answer.status)
            requests, seconds = _measured(route, status)
            requests.inc()
            took = time.perf_counter() - started
            if "endless" not in scope:
                seconds.observe(took)
            if log.isEnabledFor(logging.INFO):
                log.info("request answered", extra=_line(scope, route, answer.status, took))

    async def _served(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        try:
            async with asyncio.timeout(self._settings.request_timeout_ms / 1000) as deadline:
                scope["deadline"] = deadline
                self._check(scope)
                if scope["path"].startswith(GUARDED) and not _preflight(scope):
                    await self._admit(scope)
                await self._app(scope, _Bounded(receive, self._settings.body_bytes), answer)
        except TimeoutError:
            if not deadline.expired() or answer.status:
                raise
            most = self._settings.request_timeout_ms
            raise Problem(
                503, "Took too long", f"the request took longer than {most} ms", headers={"Retry-After": "1"}
            ) from None

    def _check(self, scope: Scope) -> None:
        """Refuse by what the head says."""
        settings = self._settings
        size = len(scope["raw_path"]) + len(scope["query_string"])
        for name, value in scope["headers"]:
            size += len(name) + len(value) + 4
            if name == b"content-length" and value.isdigit() and int(value) > settings.body_bytes:
                raise too_large(settings.body_bytes)
        if size > settings.head_bytes:
            raise Problem(431, "Headers too large", f"a request's head takes up to {settings.head_bytes} bytes")

    async def _admit(self, scope: Scope) -> None:
        principal = await self._edge.authenticator.principal(scope["headers"])
        scope["principal"] = principal
        scope["rate_limit"] = await self._edge.limits.admit(principal)

    async def _refuse(self, problem: Problem, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        await problem.response()(scope, receive, answer)


def _named(scope: Scope) -> str:
    """The request's id: the caller's own `X-Request-Id` where it fits, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and (found := _FITS.fullmatch(value)):
            return str(found[0], "ascii")
    return f"{_STARTED}{next(_NUMBERS):x}"


def _line(scope: Scope, route: str, status: int, took: float) -> dict[str, Any]:
    """What the log says of a request: no query and no headers."""
    principal = scope.get("principal")
    told = {"method": scope["method"], "path": scope["path"], "route": route, "status": status}
    return {**told, "seconds": round(took, 4), "caller": None if principal is None else principal.id}


@cache
def _measured(route: str, status: str) -> tuple[Counter, Histogram]:
    """What counts the answers of a route; both are few, so that each is looked up once."""
    return metrics.REQUESTS.labels(route, status), metrics.SECONDS.labels(route, status)


class _Answer:
    """`send` that adds the headers every answer carries and notes the status."""

    __slots__ = ("_request_id", "_scope", "_send", "status")

    def __init__(self, scope: Scope, send: Send, request_id: str) -> None:
        self._scope, self._send, self._request_id, self.status = scope, send, request_id, 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers: list[tuple[bytes, bytes]] = list(message.get("headers", ()))
            given = {name for name, _ in headers}
            headers += [pair for pair in _RAW if pair[0] not in given]
            headers.append((b"x-request-id", self._request_id.encode()))
            rate = self._scope.get("rate_limit")
            if rate is not None:
                headers += _raw(limits.fields(*rate))
            message["headers"] = headers
        await self._send(message)


def _raw(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


_RAW: Final = _raw(HEADERS)


def _preflight(scope: Scope) -> bool:
    """A browser asking whether it may ask; it carries no credentials."""
    return bool(scope["method"] == "OPTIONS")


class _Bounded:
    """`receive` that ends a body larger than allowed."""

    __slots__ = ("_left", "_most", "_receive")

    def __init__(self, receive: Receive, most: int) -> None:
        self._receive, self._left, self._most = receive, most, most

    async def __call__(self) -> Message:
        message: Any = await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                raise too_large(self._most)
        return message  # type: ignore[no-any-return]


def too_large(most: int) -> Problem:
    return Problem(413, "Body too large", f"a body takes up to {most} bytes", headers={"Connection": "close"})

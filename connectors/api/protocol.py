"""HTTP connections with bounds that uvicorn leaves open: size and time of a request's head, number of connections."""

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from connectors.api.problems import MEDIA, Problem
from connectors.api.settings import ApiSettings

HEAD_S: Final = 10.0
"""Longest time from a connection's first byte, or its opening, to the end of the request's headers."""


def bounded(settings: ApiSettings) -> type[HttpToolsProtocol]:
    """The protocol class for these settings."""
    return type("BoundedHttp", (_Bounded,), {"most_bytes": settings.head_bytes, "most": settings.connections})


class _Bounded(HttpToolsProtocol):
    most_bytes: int
    most: int

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head, self._in_head = 0, True
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.most:
            self._refuse(Problem(503, "Busy", "too many connections", headers={"Retry-After": "1"}))
        else:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._calm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._in_head:
            self._head += len(data)
            if self._patience is None:
                self._wait()
        super().data_received(data)
        if self._in_head and self._head > self.most_bytes and not self.transport.is_closing():
            self._refuse(Problem(431, "Headers too large", f"a request's head takes up to {self.most_bytes} bytes"))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"]["abort"] = self.transport.abort

    def on_headers_complete(self) -> None:
        self._in_head, self._head = False, 0
        self._calm()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_head = True
        super().on_message_complete()

    def _wait(self) -> None:
        self._patience = self.loop.call_later(HEAD_S, self.transport.close)

    def _calm(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _refuse(self, problem: Problem) -> None:
        """Answer outside any request, and close."""
        body = problem.body()
        lines = [
            f"HTTP/1.1 {problem.status_code} {problem.title}",
            f"content-type: {MEDIA}",
            f"content-length: {len(body)}",
            "connection: close",
            *(f"{name}: {value}" for name, value in (problem.headers or {}).items()),
        ]
        self.transport.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        self.transport.close()

"""Requests at a steady rate whether answers come or not, so that a slow answer delays none and hides none."""

import asyncio
import contextlib
import time
from collections import Counter, deque
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import uvloop

MOST_CONNECTIONS = 200


class Line(asyncio.Protocol):
    """One kept-alive connection; asks one thing at a time. `done` hears of each answer, status 0 where there is none."""

    def __init__(self, done: Any) -> None:
        self._done, self._buffer, self._due = done, bytearray(), 0.0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    @property
    def open(self) -> bool:
        """Not closed by the server, as it does to those that rest."""
        return not self._transport.is_closing()

    def ask(self, request: bytes, due: float) -> None:
        self._due = due
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        start = self._buffer.lower().find(b"content-length: ")
        length = int(self._buffer[start + 16 : self._buffer.find(b"\r", start)]) if 0 <= start < head else 0
        if len(self._buffer) >= head + 4 + length:
            status = int(self._buffer[9:12])
            self._buffer.clear()
            self._answered(status)

    def connection_lost(self, _: Exception | None) -> None:
        if self._due:
            self._answered(0)

    def _answered(self, status: int) -> None:
        due, self._due = self._due, 0.0
        self._done(self, status, due)


def load(url: str, key: str, paths: Sequence[str], rate: int) -> dict[str, Any]:
    """Ask for the paths one after the other, `rate` a second; latencies in ms from when each was due."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_load(url, key, paths, rate))


async def _load(url: str, key: str, paths: Sequence[str], rate: int) -> dict[str, Any]:
    loop, place = asyncio.get_running_loop(), urlsplit(url)
    took: list[float] = []
    statuses: Counter[int] = Counter()
    free: deque[Line] = deque()
    all_in = asyncio.Event()

    def done(line: Line, status: int, due: float) -> None:
        took.append(time.perf_counter() - due)
        statuses[status] += 1
        free.append(line)
        if len(took) == len(paths):
            all_in.set()

    async def new() -> Line:
        return (await loop.create_connection(lambda: Line(done), place.hostname or "", place.port or 80))[1]

    free.extend([await new() for _ in range(MOST_CONNECTIONS)])
    requests = [f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n".encode() for path in paths]
    begin, sent = time.perf_counter() + 0.1, 0
    while sent < len(requests):
        now = time.perf_counter()
        while sent < len(requests) and begin + sent / rate <= now and free:
            line = free.pop()
            (line if line.open else await new()).ask(requests[sent], begin + sent / rate)
            sent += 1
        await asyncio.sleep(0.001)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(all_in.wait(), 10)
    return _told(sorted(took), statuses, sent)


def _told(took: list[float], statuses: Counter[int], sent: int) -> dict[str, Any]:
    parts = {f"p{part}_ms": round(took[min(len(took) - 1, len(took) * part // 100)] * 1e3, 2) for part in (50, 95, 99)}
    return {
        **parts,
        "max_ms": round(took[-1] * 1e3, 2),
        "sent": sent,
        "statuses": {str(status): count for status, count in statuses.items()},
    }

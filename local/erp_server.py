"""A stand-in ERP with an OData-like API, kept in SQLite: what it has taken survives its own death. It fails on request.

    python -m local.erp_server --port 0 --state erp.sqlite --seed 7

POST /odata/{entity set} takes a posting, GET /odata/{set}?$filter=… answers questions, GET /state shows all of it, and
POST /faults sets any of `Faults` (see local/erp_faults.py); GET /faults shows them. One line of JSON on stdout says
where it listens. Only for 127.0.0.1.
"""

import argparse
import asyncio
import contextlib
import re
import signal
import sys
from pathlib import Path
from typing import Any, Final

import orjson
from aiohttp import web

from local.erp_faults import Faults
from local.erp_ledger import ENTITY_SETS, Ledger

FILTER: Final = re.compile(r"(\w+) (?:eq '((?:[^']|'')*)'|in \(((?:'(?:[^']|'')*'(?:,\s*)?)*)\))(?: and |$)")
TEXT: Final = re.compile(r"'((?:[^']|'')*)'")
NEVER_S: Final = 3_600.0


class ErpServer:
    """The HTTP side; what is in the ERP is the ledger's."""

    def __init__(self, ledger: Ledger, faults: Faults) -> None:
        self._ledger, self._faults = ledger, faults
        self.app = web.Application(client_max_size=4_000_000)
        self.app.add_routes(
            [
                web.post("/odata/{entity_set}", self._post),
                web.get("/odata/{entity_set}", self._get),
                web.get("/state", self._state),
                web.get("/count", self._count),
                web.get("/faults", self._show_faults),
                web.post("/faults", self._set_faults),
            ]
        )

    # ---- the API ------------------------------------------------------------------------------------------------

    async def _post(self, request: web.Request) -> web.StreamResponse:
        operation = ENTITY_SETS.get(request.match_info["entity_set"])
        if operation is None:
            return _error(404, "NO_SUCH_SET", f"there are {', '.join(ENTITY_SETS)}")
        body = await request.read()
        trouble = await self._trouble(request)
        if trouble is not None:
            return trouble
        fate = self._faults.fate()
        if fate == "timeout_before":
            await self._never()
        key, posting = request.headers.get("Idempotency-Key", ""), _posting(body)
        if posting is None or not key or posting.get("IdempotencyKey") != key:
            return _error(400, "BAD_REQUEST", "a JSON body and its own IdempotencyKey as Idempotency-Key are needed")
        existing = self._ledger.existing(key) if self._faults.detect_duplicates else None
        if existing is not None:
            self._ledger.count_duplicate(key)
            return _error(409, "DUPLICATE_KEY", f"{key} is {existing['DocumentNumber']}", existing)
        reason = self._faults.refusal(operation, posting) or self._ledger.objection(operation, posting, self._faults)
        if reason is not None:
            return _error(422, *reason)
        answer = self._ledger.take(key, operation, posting)
        if (trace := request.headers.get("traceparent")) is not None:
            self._ledger.note_trace(key, trace)
        if fate == "timeout_after":
            await self._never()
        if fate == "error_after":
            return _error(502, "GATEWAY", "the answer was lost on its way")
        return _json(answer, 201)

    async def _get(self, request: web.Request) -> web.StreamResponse:
        trouble = await self._trouble(request)
        if trouble is not None:
            return trouble
        text = request.query.get("$filter", "")
        conditions = {m[1]: [t.replace("''", "'") for t in _texts(m)] for m in FILTER.finditer(text)}
        if text and not conditions:
            return _error(400, "BAD_FILTER", f"cannot read {text!r}; `Field eq 'v'` and `Field in ('v','w')` with and")
        try:
            rows = self._ledger.rows(request.match_info["entity_set"], conditions)
        except KeyError as error:
            return _error(400, "BAD_FILTER", f"no field {error.args[0]} to filter by")
        top = request.query.get("$top")
        return _json({"value": rows[: int(top)] if top else rows})

    async def _trouble(self, request: web.Request) -> web.StreamResponse | None:
        """Faults that come before the request is looked at; None where there are none."""
        if self._faults.outage:
            if request.transport is not None:
                request.transport.abort()
            await self._never()
        await asyncio.sleep(self._faults.delay_s())
        if self._faults.overrun():
            return _error(429, "SLOW_DOWN", "more requests a second than allowed", after="0.2")
        status = self._faults.error()
        return None if status is None else _error(status, "INTERNAL", "a fault of the system", after="0.1")

    async def _never(self) -> None:
        """No answer comes; the request ends when the client has had enough."""
        await asyncio.sleep(NEVER_S)

    # ---- what tests and the demo look at ------------------------------------------------------------------------

    async def _state(self, _: web.Request) -> web.StreamResponse:
        return _json(self._ledger.state())

    async def _count(self, _: web.Request) -> web.StreamResponse:
        return _json({"postings": self._ledger.count()})

    async def _show_faults(self, _: web.Request) -> web.StreamResponse:
        return _json(self._faults.shown())

    async def _set_faults(self, request: web.Request) -> web.StreamResponse:
        try:
            self._faults.set(orjson.loads(await request.read()))
        except (ValueError, TypeError) as error:
            return _error(400, "BAD_FAULT", str(error))
        return _json(self._faults.shown())


def _posting(body: bytes) -> dict[str, Any] | None:
    try:
        posting = orjson.loads(body)
    except ValueError:
        return None
    return posting if isinstance(posting, dict) else None


def _texts(match: re.Match[str]) -> list[str]:
    return [match[2]] if match[2] is not None else TEXT.findall(match[3])


def _json(body: Any, status: int = 200) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(body), content_type="application/json")


def _error(status: int, code: str, message: str, inner: Any = None, after: str | None = None) -> web.Response:
    """An error as OData words it."""
    error = {"code": code, "message": message, **({} if inner is None else {"innererror": inner})}
    response = _json({"error": error}, status)
    if after is not None and status in (429, 503):
        response.headers["Retry-After"] = after
    return response


async def serve(state: Path, port: int, seed: int, host: str = "127.0.0.1") -> None:
    """Serve until SIGTERM or SIGINT."""
    ledger = Ledger(state)
    runner = web.AppRunner(ErpServer(ledger, Faults(seed)).app, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    await site.start()
    listening: Any = site._server  # noqa: SLF001 - the only way to learn a free port that was picked
    url = f"http://{host}:{listening.sockets[0].getsockname()[1]}"
    sys.stdout.write(orjson.dumps({"url": url, "service": f"{url}/odata"}).decode() + "\n")
    sys.stdout.flush()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await stopping.wait()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(2):
            await runner.cleanup()
    ledger.close()


def main() -> None:
    """Run as a module."""
    parser = argparse.ArgumentParser(description="A stand-in ERP for tests and the demonstration.")
    parser.add_argument("--host", default="127.0.0.1", help="another address only among containers of one host")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--state", type=Path, required=True, help="SQLite file that keeps what the ERP has taken")
    parser.add_argument("--seed", type=int, default=7, help="the same seed draws the same faults")
    given = parser.parse_args()
    asyncio.run(serve(given.state, given.port, given.seed, given.host))


if __name__ == "__main__":
    main()

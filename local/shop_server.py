"""A stand-in for a shop: an inventory API of the compare-and-set kind and a webhook receiver that misbehave on request.

`python -m local.shop_server --port 0 --state FILE --secret whsec_…`; prints its address as the first line.
"""

import argparse
import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from local.shop_books import Books
from local.shop_faults import Misbehaviour

HOST = "127.0.0.1"
MOST_ITEMS = 250
TYPES = ("availability.changed", "availability.effective")


class ShopServer:
    """The shop's routes: POST /inventory:set, GET /inventory/{sku}, POST /webhooks, GET /state, POST /faults."""

    def __init__(self, state: str | Path, secrets: Sequence[str] = (), token: str = "") -> None:
        self.books = Books(state)
        self.misbehaviour = Misbehaviour()
        self._secrets = [Webhook(secret) for secret in secrets]
        self._token = token
        self.app = web.Application(client_max_size=4 * 1024 * 1024)
        self.app.add_routes(
            [
                web.post("/inventory:set", self._set),
                web.get("/inventory/{sku}", self._get),
                web.post("/webhooks", self._hear),
                web.get("/state", self._state),
                web.post("/faults", self._switch),
            ]
        )

    # ---- inventory ----------------------------------------------------------------------------------------------

    async def _set(self, request: web.Request) -> web.Response:
        if (refusal := self._unauthorized(request)) or (refusal := await self.misbehaviour.before(request)):
            return refusal
        body = await request.read()
        try:
            asked = orjson.loads(body)
            key, items = str(asked["idempotency_key"]), list(asked["items"])
            wrong = [item for item in items if not _is_item(item)]
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            return _problem(400, f"not a request for this shop: {error!r}")
        if wrong or not 1 <= len(items) <= MOST_ITEMS or len({item["sku"] for item in items}) != len(items):
            return _problem(400, f"1 to {MOST_ITEMS} different items with sku, quantity and compare_quantity, please")
        if any(item["sku"] == self.misbehaviour.faults.unlisted for item in items):
            return _problem(422, f"{self.misbehaviour.faults.unlisted} is not listed here")
        try:
            answer = self.books.answered(key, body)
        except ValueError as error:
            return _problem(409, str(error))
        if answer is None:
            sale = self.misbehaviour.chance(self.misbehaviour.faults.sale_rate)
            answer = self.books.set_items(key, body, items, sale=sale)
            self.books.note_trace(request.headers.get("traceparent"))
        return await self.misbehaviour.after() or web.Response(body=answer, content_type="application/json")

    async def _get(self, request: web.Request) -> web.Response:
        if (refusal := self._unauthorized(request)) or (refusal := await self.misbehaviour.before(request)):
            return refusal
        sku = request.match_info["sku"]
        return web.json_response({"sku": sku, "quantity": self.books.quantity(sku)})

    def _unauthorized(self, request: web.Request) -> web.Response | None:
        if self._token and request.headers.get("authorization") != f"Bearer {self._token}":
            return _problem(401, "the token is not right")
        return None

    # ---- webhooks -----------------------------------------------------------------------------------------------

    async def _hear(self, request: web.Request) -> web.Response:
        faults = self.misbehaviour.faults
        if faults.gone:
            return _problem(410, "this shop wants no more")
        if faults.redirect:
            return web.Response(status=307, headers={"Location": faults.redirect})
        if (refusal := await self.misbehaviour.before(request)) is not None:
            return refusal
        body = await request.read()
        if not self._genuine(body, dict(request.headers)):
            self.books.count("bad signatures")
            return _problem(401, "no signature is right")
        message = orjson.loads(body)
        if message["type"] not in TYPES:
            return web.Response(status=204)
        self.books.count(message["type"])
        self.books.note_trace(request.headers.get("traceparent"))
        gaps = self.books.hear(request.headers["webhook-id"], message["data"]["changes"])
        return await self.misbehaviour.after() or web.json_response({"resync": gaps} if gaps else {})

    def _genuine(self, body: bytes, headers: dict[str, str]) -> bool:
        for secret in self._secrets:
            with contextlib.suppress(WebhookVerificationError):
                secret.verify(body, headers, json_parse=False)
                return True
        return False

    # ---- for tests and the demo ---------------------------------------------------------------------------------

    async def _state(self, _: web.Request) -> web.Response:
        return web.Response(body=orjson.dumps(self.books.state()), content_type="application/json")

    async def _switch(self, request: web.Request) -> web.Response:
        try:
            return web.json_response(self.misbehaviour.switch(await request.json()))
        except (ValueError, TypeError) as error:
            return _problem(400, str(error))

    @contextlib.asynccontextmanager
    async def serving(self, port: int = 0, host: str = HOST) -> AsyncIterator[str]:
        """Serve on loopback unless told otherwise; gives the base URL."""
        runner = web.AppRunner(self.app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        site = web.TCPSite(runner, host, port)
        await site.start()
        try:
            yield f"http://{host}:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()
            self.books.close()


def _is_item(item: Any) -> bool:
    return isinstance(item["sku"], str) and all(type(item[name]) is int for name in ("quantity", "compare_quantity"))


def _problem(status: int, detail: str) -> web.Response:
    return web.json_response({"error": detail}, status=status)


async def serve(arguments: argparse.Namespace) -> None:
    """Until SIGTERM or SIGINT."""
    ending = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ending.set)
    secrets = [*arguments.secret, *(file.read_text().strip() for file in arguments.secret_file)]
    token = arguments.token_file.read_text().strip() if arguments.token_file else arguments.token
    server = ShopServer(arguments.state, secrets, token)
    async with server.serving(arguments.port, arguments.host) as url:
        sys.stdout.write(url + "\n")
        sys.stdout.flush()
        await ending.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default=HOST, help="another address only among containers of one host")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--state", required=True, help="SQLite file; it is created where there is none")
    parser.add_argument("--secret", action="append", default=[], help="signing secret of the webhooks; may be repeated")
    parser.add_argument("--secret-file", action="append", default=[], type=Path, help="file with such a secret")
    parser.add_argument("--token", default="", help="bearer token the inventory API asks for")
    parser.add_argument("--token-file", type=Path, help="file with that token, instead")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()

"""What a shop's own API must offer, and the shipped adapter for a neutral REST API; one small file a shop.

All quantities are absolute and set by compare-and-set: the shop refuses one whose `compare` is not what it has.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import quote

import httpx2
import orjson

from connectors import trust
from connectors.outbound.commerce.settings import CA_FILE
from connectors.retry_after import retry_after
from schemas.tracing import HERE

PASSING: Final = frozenset({401, 403, 404, 408, 425})
"""Refusals that say nothing about the request: a wrong token or address is mended, and then it goes on."""


class Item(NamedTuple):
    """Set a SKU to a quantity, provided the shop still has `compare`."""

    sku: str
    quantity: int
    compare: int


class Result(NamedTuple):
    """The shop's word on one item. MISMATCH: nothing was set, `quantity` is what it has. REFUSED: `reason` says why."""

    sku: str
    outcome: Literal["OK", "MISMATCH", "REFUSED"]
    quantity: int | None
    reason: str = ""


class Unanswered(Exception):
    """Nobody knows whether it was done: the same request with the same key, until there is an answer."""


class Rejected(Exception):
    """The shop takes no such request, and nothing was done; sending it again is no use. The message is its reason."""


class Throttled(Unanswered):
    """Too many requests; nothing was done."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(f"429 Too Many Requests, for {wait_s} s")
        self.wait_s = wait_s


class CommerceAdapter(ABC):
    """One shop."""

    @abstractmethod
    async def set_quantities(self, key: str, items: Sequence[Item]) -> list[Result]:
        """Set several SKUs; one answer each. Repeating a key changes nothing and gives its answer again.

        Raise Unanswered where the outcome is not known, Throttled where the shop asks to wait, Rejected where it
        does not take the request as a whole.
        """

    @abstractmethod
    async def quantity(self, sku: str) -> int | None:
        """What the shop has; None where it does not list the SKU. Raise Unanswered or Throttled."""

    @abstractmethod
    async def close(self) -> None:
        """Let go of connections."""


class RestShop(CommerceAdapter):
    """POST /inventory:set {idempotency_key, items: [{sku, quantity, compare_quantity}]} and GET /inventory/{sku}."""

    def __init__(
        self, url: str, token: str, *, connect_ms: int, read_ms: int, total_ms: int, trusted: trust.Trust = True
    ) -> None:
        self._total_s = total_ms / 1000
        self._client = httpx2.AsyncClient(
            base_url=url,
            headers={"authorization": f"Bearer {token}"} if token else {},
            timeout=httpx2.Timeout(min(read_ms, total_ms) / 1000, connect=connect_ms / 1000),
            follow_redirects=False,
            verify=trusted,
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def set_quantities(self, key: str, items: Sequence[Item]) -> list[Result]:
        body = {
            "idempotency_key": key,
            "items": [{"sku": i.sku, "quantity": i.quantity, "compare_quantity": i.compare} for i in items],
        }
        answer = await self._ask("POST", "/inventory:set", orjson.dumps(body))
        try:
            results = {each.sku: each for each in map(_result, answer["items"])}
            return [results[item.sku] for item in items]
        except (KeyError, TypeError, ValueError) as error:
            raise Unanswered(f"the shop's answer cannot be understood: {error!r}") from error

    async def quantity(self, sku: str) -> int | None:
        answer = await self._ask("GET", f"/inventory/{quote(sku, safe='')}")
        try:
            return None if answer is None else int(answer["quantity"])
        except (KeyError, TypeError, ValueError) as error:
            raise Unanswered(f"the shop's answer cannot be understood: {error!r}") from error

    async def _ask(self, method: str, path: str, content: bytes | None = None) -> Any:
        """The answer's content, None for 404; anything but an answer in order raises."""
        here = HERE.get()
        headers = {"content-type": "application/json", **({} if here is None else here.http())}
        try:
            async with asyncio.timeout(self._total_s):
                answer = await self._client.request(method, path, content=content, headers=headers)
        except (httpx2.HTTPError, TimeoutError) as error:
            raise Unanswered(f"{type(error).__name__}: {error}{trust.advice(error, CA_FILE)}") from error
        if answer.status_code == 429:
            raise Throttled(retry_after(answer.headers.get("retry-after")))
        if answer.status_code == 404 and method == "GET":
            return None
        if 400 <= answer.status_code < 500 and answer.status_code not in PASSING:
            raise Rejected(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
        if answer.status_code != 200:
            raise Unanswered(f"{method} {path}: {answer.status_code} {answer.reason_phrase}")
        try:
            return orjson.loads(answer.content)
        except orjson.JSONDecodeError as error:
            raise Unanswered(f"{method} {path}: not JSON: {error}") from error


def _result(item: dict[str, Any]) -> Result:
    if item["outcome"] not in ("OK", "MISMATCH", "REFUSED"):
        raise ValueError(f"outcome {item['outcome']!r}")
    return Result(item["sku"], item["outcome"], item.get("quantity"), item.get("reason") or "")

"""An ERP with an OData-like API: one POST an operation, the idempotency key in a header, questions by $filter."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import aiohttp
import orjson

from connectors import trust
from connectors.outbound.erp.adapter import Answer, InvoiceStatus, Stock, Unanswered, shortened
from connectors.outbound.erp.odata_answers import (
    LARGEST,
    Reply,
    objects,
    posted,
    quantity,
    refusal,
    rows_of,
    taken,
    text,
)
from connectors.outbound.erp.settings import CA_FILE
from connectors.retry_after import retry_after
from schemas.dates import iso_date
from schemas.records import ErpPosting
from schemas.tracing import HERE

ENTITY_SETS: Final[Mapping[str, str]] = {
    "goods_receipt": "GoodsReceipts",
    "shipment_confirm": "Deliveries",
    "purchase_order_update": "PurchaseOrderConfirmations",
    "inventory_adjustment": "StockAdjustments",
    "invoice_release": "Invoices",
    "credit": "Credits",
    "backorder": "Backorders",
    "postings": "Postings",
    "stock": "Stock",
}
NOT_SENT: Final = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)
LONGEST_FILTER: Final = 4_000
"""Characters; servers refuse longer URLs."""
SETUP: Final = frozenset({401, 403, 404, 405, 407})
"""Statuses that speak of the connection's set-up, not of the posting: mended by people, then tried again."""
CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


class RestAdapter:
    """See Adapter. `timeout` in seconds: to connect, and of silence."""

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        user: str | None = None,
        connect_s: float = 2.0,
        read_s: float = 10.0,
        connections: int = 16,
        entity_sets: Mapping[str, str] | None = None,
        trusted: trust.Trust = True,
    ) -> None:
        self._sets = {**ENTITY_SETS, **(entity_sets or {})}
        self._url = url.rstrip("/") + "/"
        self._headers = {"Accept": "application/json"}
        if token and not user:
            self._headers["Authorization"] = f"Bearer {token}"
        self._auth = aiohttp.BasicAuth(user, token or "") if user else None
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_s, sock_read=read_s)
        self._connections, self._trusted = connections + 2, trusted
        self._client: aiohttp.ClientSession | None = None

    # ---- postings -----------------------------------------------------------------------------------------------

    async def goods_receipt(self, posting: ErpPosting) -> Answer:
        return await self._post(posting)

    async def shipment_confirm(self, posting: ErpPosting) -> Answer:
        return await self._post(posting)

    async def purchase_order_update(self, posting: ErpPosting) -> Answer:
        return await self._post(posting)

    async def inventory_adjustment(self, posting: ErpPosting) -> Answer:
        return await self._post(posting)

    async def invoice_release(self, posting: ErpPosting) -> Answer:
        return await self._post(posting)

    async def credit(self, posting: ErpPosting) -> Answer:
        return await self._post(posting)

    async def backorder(self, posting: ErpPosting) -> Answer:
        return await self._post(posting)

    async def _post(self, posting: ErpPosting) -> Answer:
        if CONTROL.search(posting["idempotency_key"]):  # no header can carry it
            return Answer(
                "REFUSED", None, f"a control character in the key {shortened(repr(posting['idempotency_key']))}"
            )
        response = await self._request(
            "POST",
            self._sets[posting["operation"]],
            data=orjson.dumps(entity(posting)),
            headers={
                "Content-Type": "application/json",
                "Idempotency-Key": posting["idempotency_key"],
                **({} if (here := HERE.get()) is None else here.http()),
            },
        )
        if response.status == 202:
            raise Unanswered("202: accepted, and not done yet", taken=True, healthy=True)
        return posted(response) if 200 <= response.status < 300 else refusal(response)

    # ---- questions ----------------------------------------------------------------------------------------------

    async def inquiry(self, keys: Sequence[str]) -> Mapping[str, Answer]:
        found: dict[str, Answer] = {}
        for some in _portions([_quoted(key) for key in keys]):
            for row in await self._rows("postings", f"IdempotencyKey in ({','.join(some)})"):
                found[text(row, "IdempotencyKey")] = taken("DUPLICATE", row)
        return found

    async def holds(self, document: str) -> bool:
        return bool(await self._rows("postings", f"Document eq {_quoted(document)}", top=1))

    async def availability_query(self, sku: str, location: str) -> Stock:
        rows = await self._rows("stock", f"Sku eq {_quoted(sku)} and Location eq {_quoted(location)}")
        return Stock(sku, location, {text(row, "Disposition"): quantity(row) for row in rows})

    async def invoice_status(self, document: str) -> InvoiceStatus:
        rows = await self._rows("invoice_release", f"Document eq {_quoted(document)}")
        invoiced = sum(quantity(line) for row in rows for line in objects(row, "Lines"))
        return InvoiceStatus(document, [text(row, "DocumentNumber") for row in rows], invoiced)

    async def _rows(self, kind: str, condition: str, top: int | None = None) -> list[dict[str, Any]]:
        params = {"$filter": condition, **({} if top is None else {"$top": str(top)})}
        return rows_of(await self._request("GET", self._sets[kind], params=params))

    # ---- the wire -----------------------------------------------------------------------------------------------

    async def _request(self, method: str, entity_set: str, **more: Any) -> Reply:
        """An answer that is the ERP's word; raise Unanswered for any other end."""
        try:
            async with self._session().request(method, self._url + entity_set, allow_redirects=False, **more) as answer:
                response = Reply(answer.status, answer.headers, await _bounded(answer))
        except NOT_SENT as error:
            raise Unanswered(f"not connected{trust.advice(error, CA_FILE)}: {_told(error)}", taken=False) from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unanswered(f"connection broke or fell silent: {_told(error)}", taken=True) from error
        status = response.status
        if status == 429:
            after = retry_after(response.headers.get("Retry-After"))
            raise Unanswered("429: asked to slow down", taken=False, retry_after_s=after or 1.0, healthy=True)
        if status == 503:
            after = retry_after(response.headers.get("Retry-After"))
            raise Unanswered("503: not available", taken=False, retry_after_s=after or None)
        if status >= 500 or status in (408, 425) or 300 <= status < 400:
            raise Unanswered(f"{status}: a fault of the system", taken=status >= 500 or status == 408)
        if status in SETUP:
            raise Unanswered(f"{status}: check the URL, the credentials and their rights", taken=False)
        return response

    def _session(self) -> aiohttp.ClientSession:
        """Made with the first request: it belongs to the running loop."""
        if self._client is None:
            self._client = aiohttp.ClientSession(
                headers=self._headers,
                auth=self._auth,
                timeout=self._timeout,
                connector=aiohttp.TCPConnector(limit=self._connections, ssl=self._trusted),
            )
        return self._client

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()


def entity(posting: ErpPosting) -> dict[str, Any]:
    """A posting in the ERP's words; dates as ISO 8601."""
    return {
        "IdempotencyKey": posting["idempotency_key"],
        "Document": posting["document"],
        "Step": posting["step"],
        "Revision": posting["revision"],
        "Reverses": posting["reverses"],
        "Partner": posting["partner"],
        "PostingDate": datetime.fromtimestamp(posting["created_at"] / 1000, UTC).date().isoformat(),
        "CorrelationId": posting["correlation_id"],
        "Lines": [
            {
                "Line": line["line"],
                "Sku": line["sku"],
                "Location": line["location"],
                "Quantity": line["quantity"],
                "Disposition": line["disposition"],
                "Date": None if line["date"] is None else iso_date(line["date"]),
                "Note": line["note"],
                "Substitute": line["substitute"],
            }
            for line in posting["lines"]
        ],
    }


async def _bounded(answer: aiohttp.ClientResponse) -> bytes:
    """The body, cut off where it is too long; the rest is not read, and the connection given up."""
    body = bytearray()
    async for part in answer.content.iter_any():
        body += part
        if len(body) >= LARGEST:
            answer.close()
            break
    return bytes(body[:LARGEST])


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _portions(parts: Sequence[str]) -> list[list[str]]:
    portions: list[list[str]] = [[]]
    length = 0
    for part in parts:
        if portions[-1] and length + len(part) > LONGEST_FILTER:
            portions.append([])
            length = 0
        portions[-1].append(part)
        length += 3 * len(part) // 2  # quotes, colons and slashes grow when encoded
    return portions


def _told(error: Exception) -> str:
    return f"{type(error).__name__}{f' {error}' if str(error) else ''}"

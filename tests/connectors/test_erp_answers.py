"""What an ERP may say, well-formed or not: each answer becomes taken, refused or unanswered, and none ends the connector."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from connectors.outbound.erp.adapter import REASON_MOST, Answer, Unanswered
from connectors.outbound.erp.odata_answers import LARGEST
from connectors.outbound.erp.rest_adapter import RestAdapter
from connectors.outbound.erp.routing import Routing, Rule, System
from tests.connectors.erp_in_memory import Erp, Partition, Told, codec, connector, running, until
from tests.connectors.erp_site import posting

LINE = {"Line": "1", "Sku": "A1", "Location": "DC01", "Disposition": "available", "Quantity": 12}


class Saying:
    """An adapter and a server that says the same to everything."""

    def __init__(self, adapter: RestAdapter) -> None:
        self.adapter, self.heard = adapter, list[web.Request]()

    async def post(self, document: str = "PURCHASE_ORDER:1") -> Answer:
        of: Any = posting(document)
        return await self.adapter.goods_receipt(of)


@asynccontextmanager
async def saying(status: int, body: Any = None) -> AsyncIterator[Saying]:
    content = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
    application = web.Application(client_max_size=1 << 30)

    async def answer(request: web.Request) -> web.Response:
        it.heard.append(request)
        return web.Response(status=status, body=content, content_type="application/json")

    application.router.add_route("*", "/{everything}", answer)
    async with TestServer(application) as server:
        it = Saying(RestAdapter(str(server.make_url(""))))
        try:
            yield it
        finally:
            await it.adapter.close()


@pytest.mark.parametrize(
    ("status", "body", "document"),
    [
        (200, {"DocumentNumber": "GR-1"}, "GR-1"),
        (201, {"DocumentNumber": 77}, "77"),
        (201, None, None),
        (203, {"DocumentNumber": "GR-1"}, "GR-1"),
        (204, None, None),
    ],
)
async def test_every_status_of_success_says_that_the_posting_was_taken(status, body, document):
    """Also without a body: it is not sent again, which an ERP without keys would book again."""
    async with saying(status, body) as erp:
        answer = await erp.post()

    assert Answer("POSTED", document) == answer


async def test_accepted_and_not_done_yet_is_asked_for_before_it_is_sent_again():
    """202 is no word on the posting, and nothing against the system."""
    async with saying(202, {"DocumentNumber": "later"}) as erp:
        with pytest.raises(Unanswered, match="202: accepted") as fault:
            await erp.post()

    assert (True, True) == (fault.value.taken, fault.value.healthy)


@pytest.mark.parametrize(
    ("totals", "read"),
    [
        ([LINE], {"1|A1|DC01|available": 12}),
        ([{**LINE, "Quantity": "12.000"}], {"1|A1|DC01|available": 12}),
        ([{**LINE, "Quantity": "-3"}], {"1|A1|DC01|available": -3}),
        ([{**LINE, "Quantity": 12.0}], {"1|A1|DC01|available": 12}),
        ([{**LINE, "Quantity": "12.5"}], None),
        ([{**LINE, "Quantity": "1e999999999"}], None),
        ([{**LINE, "Quantity": True}], None),
        ([{name: value for name, value in LINE.items() if name != "Sku"}], None),
        (["12 pieces"], None),
        ({"A1": 12}, None),
        (7, None),
    ],
)
async def test_totals_that_cannot_be_read_do_not_unsay_that_it_was_taken(totals, read):
    """They serve the comparison with a shadow only; whole amounts are read as numbers and as decimal text."""
    async with saying(201, {"DocumentNumber": "GR-1", "Totals": totals}) as erp:
        answer = await erp.post()

    assert Answer("POSTED", "GR-1", totals=read) == answer


@pytest.mark.parametrize("inner", ["see GR-1", ["GR-1"], None, {"DocumentNumber": "GR-1", "Totals": "none"}])
async def test_a_duplicate_is_one_whatever_is_told_of_the_document_it_has(inner):
    """The code decides."""
    error = {"code": "DUPLICATE_KEY", "message": "known", "innererror": inner}
    async with saying(409, {"error": error}) as erp:
        answer = await erp.post()

    assert ("DUPLICATE", "GR-1" if isinstance(inner, dict) else None) == (answer.outcome, answer.erp_document)


@pytest.mark.parametrize(
    "body",
    [
        b"<html>", b"[]", b"", {"value": None}, {"value": ["a row"]}, {"value": [{}]}, {"value": [{"IdempotencyKey": ["x"]}]},
        {"value": [{"IdempotencyKey": None, "DocumentNumber": "1"}]},
    ],
)  # fmt: skip
async def test_a_question_answered_in_another_form_is_unanswered(body):
    """Nothing is taken for found or for missing; the connector lives on."""
    async with saying(200, body) as erp:
        with pytest.raises(Unanswered) as fault:
            await erp.adapter.inquiry(["PURCHASE_ORDER:1/GOODS_RECEIPT/1"])

    assert not fault.value.taken


@pytest.mark.parametrize("row", ["a row", {}, {"Disposition": "available", "Quantity": "a few"}, {"Quantity": 1}])
async def test_stock_and_invoices_in_another_form_are_unanswered(row):
    """Also lines that are none."""
    async with saying(200, {"value": [row]}) as erp:
        with pytest.raises(Unanswered):
            await erp.adapter.availability_query("A1", "DC01")
        with pytest.raises(Unanswered):
            await erp.adapter.invoice_status("SALES_ORDER:1")
    async with saying(200, {"value": [{"DocumentNumber": "I1", "Lines": "none"}]}) as erp:
        with pytest.raises(Unanswered):
            await erp.adapter.invoice_status("SALES_ORDER:1")


async def test_amounts_as_decimal_text_are_read_where_they_are_whole():
    """As OData writes them."""
    async with saying(200, {"value": [{"Disposition": "available", "Quantity": "12.000"}]}) as erp:
        stock = await erp.adapter.availability_query("A1", "DC01")

    assert {"available": 12} == stock.by_disposition


@pytest.mark.parametrize("character", ["\r\n", "\0", "\x1b", "\x7f"])
async def test_a_document_that_no_header_can_name_is_refused_without_sending_it(character):
    """It will not become better by waiting: somebody has to correct the document."""
    async with saying(201, {"DocumentNumber": "GR-1"}) as erp:
        answer = await erp.post(f"PURCHASE_ORDER:1{character}X-Other: 1")

    assert ("REFUSED", []) == (answer.outcome, erp.heard)
    assert "control character" in (answer.reason or "")


async def test_an_endless_answer_is_read_to_a_bound_and_asked_about_later():
    """Memory stays bounded whatever the ERP sends."""
    async with saying(201, b'{"DocumentNumber": "' + b"9" * LARGEST + b'"}') as erp:
        with pytest.raises(Unanswered, match="no JSON object") as fault:
            await erp.post()

    assert fault.value.taken


async def test_a_long_reason_is_cut():
    """It goes into results, exceptions and logs, which have bounds of their own."""
    async with saying(422, {"error": {"code": "LONG", "message": "x" * 3_000_000}}) as erp:
        answer = await erp.post()

    assert "REFUSED" == answer.outcome
    assert len(answer.reason or "") == REASON_MOST == len(Unanswered("x" * 9_999, taken=False).reason)


class Broken(Erp):
    """One whose adapter does what no adapter may."""

    async def post(self, posting: Any) -> Answer:
        raise AttributeError(f"nobody thought of {posting['document']}")

    goods_receipt = post


async def test_a_fault_nobody_thought_of_does_not_end_the_connector_where_a_shadow_has_it(monkeypatch):
    """The shadow says UNKNOWN and tries again; of a system of record it would end the process."""
    sent = posting("PURCHASE_ORDER:1")
    told, shadow = Told(), Broken()
    routing = Routing({name: System(name, "odata") for name in ("erp", "s")}, (Rule("erp", shadow=("s",)),))
    it = connector(routing, told, {"s": shadow}, shadow="s")
    partition = Partition(codec().encode("erp.postings", sent))
    async with running(it, partition, monkeypatch):
        await until(lambda: len(told.attempts) > 1, "a second attempt")

    assert {(sent["idempotency_key"], "UNKNOWN", "s")} == set(told.attempts)
    assert "nobody thought of" in (told.reasons[0] or "")

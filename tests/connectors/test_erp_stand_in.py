"""The stand-in ERP itself: what it refuses, what it remembers, what it does wrong on request."""

import asyncio
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from connectors.outbound.erp.adapter import Answer, Unanswered
from connectors.outbound.erp.rest_adapter import RestAdapter
from tests.connectors.erp_site import Erp, posting


@pytest.fixture
def erp(tmp_path: Any) -> Iterator[Erp]:
    it = Erp("erp", tmp_path).up()
    yield it
    it.stop()


@pytest.fixture
async def adapter(erp: Erp) -> Any:
    it = RestAdapter(erp.service, read_s=0.3, connect_s=1)
    yield it
    await it.close()


async def post(adapter: RestAdapter, *args: Any, **changes: Any) -> Answer:
    of: Any = posting(*args, **changes)
    return await getattr(adapter, of["operation"])(of)


async def test_it_takes_a_key_once_and_says_under_which_number(erp, adapter):
    """Also after its death: what it has taken is kept."""
    first = await post(adapter, "PURCHASE_ORDER:1", quantity=3)
    await asyncio.to_thread(erp.kill)  # beside the loop, which sees the connection end
    await asyncio.to_thread(erp.up)
    second = await post(adapter, "PURCHASE_ORDER:1", quantity=3)

    assert ("POSTED", "DUPLICATE") == (first.outcome, second.outcome)
    assert first.erp_document == second.erp_document
    assert {"1|A1|DC01|available": 3} == first.totals == second.totals
    assert {"PURCHASE_ORDER:1/GOODS_RECEIPT/1": 1} == erp.state()["duplicates_attempted"]
    assert {"A1|DC01|available": 3} == erp.state()["stock"]


async def test_stock_and_totals_follow_each_operation(erp, adapter):
    """Receipts, credits and adjustments add, shipments take, reversals take back, updates replace."""
    await post(adapter, "PURCHASE_ORDER:1", quantity=10)
    await post(adapter, "PURCHASE_ORDER:1", revision=2, quantity=-1)
    await post(adapter, "SALES_ORDER:1", "shipment_confirm", quantity=4)
    await post(adapter, "SALES_ORDER:1", "credit", quantity=1)
    await post(adapter, "STOCK:A1|DC01", "inventory_adjustment", quantity=-2)
    await post(adapter, "SALES_ORDER:1", "backorder", quantity=9)
    await post(adapter, "SALES_ORDER:1", "backorder", 2, quantity=5)

    assert {"A1|DC01|available": 4} == erp.state()["stock"]
    assert 5 == erp.state()["totals"]["SALES_ORDER:1"]["backorder|1|A1|DC01|available"]


async def test_it_refuses_for_business_reasons_on_request(erp, adapter):
    """A closed period, and an invoice beyond what was delivered."""
    erp.faults(closed_before="2100-01-01")
    closed = await post(adapter, "PURCHASE_ORDER:1")
    erp.faults(closed_before="", invoice_needs_delivery=True)
    early = await post(adapter, "SALES_ORDER:1", "invoice_release")

    assert ("REFUSED", "PERIOD_CLOSED") == (closed.outcome, (closed.reason or "")[:13])
    assert ("REFUSED", "NOT_DELIVERED") == (early.outcome, (early.reason or "")[:13])
    assert [] == erp.keys()


@pytest.mark.parametrize(
    ("faults", "taken", "in_erp"),
    [
        ({"timeout_after_rate": 1.0}, True, 1),
        ({"timeout_before_rate": 1.0}, True, 0),
        ({"error_after_rate": 1.0}, True, 1),
        ({"outage": True}, True, 0),
        ({"rate_limit": 0.5}, False, 0),
    ],
)
async def test_a_fault_is_unanswered_and_says_whether_it_may_have_been_taken(erp, adapter, faults, taken, in_erp):
    """Silence and broken connections may have posted; 429 has not."""
    erp.faults(**faults)
    with pytest.raises(Unanswered) as told:
        await post(adapter, "PURCHASE_ORDER:1")

    assert taken == told.value.taken
    erp.faults(timeout_after_rate=0, timeout_before_rate=0, error_after_rate=0, outage=False, rate_limit=0)
    assert in_erp == len(erp.keys())


async def test_an_erp_that_is_not_there_or_asks_for_rights_has_surely_taken_nothing(erp, adapter):
    """No connection, and a wrong address of the service: to be tried again, nothing to ask."""
    wrong = RestAdapter(f"{erp.url}/elsewhere")
    with pytest.raises(Unanswered, match="404: check the URL") as told:
        await post(wrong, "PURCHASE_ORDER:1")
    await wrong.close()
    erp.kill()
    with pytest.raises(Unanswered, match="not connected") as absent:
        await post(adapter, "PURCHASE_ORDER:1")

    assert not told.value.taken
    assert not absent.value.taken


async def test_questions_find_what_is_there(adapter):
    """By keys, with quotes in them too, and by document."""
    await post(adapter, "PURCHASE_ORDER:O'Neil")
    keys = [f"PURCHASE_ORDER:{n}/GOODS_RECEIPT/1" for n in range(120)] + ["PURCHASE_ORDER:O'Neil/GOODS_RECEIPT/1"]
    found = await adapter.inquiry(keys)

    assert ["PURCHASE_ORDER:O'Neil/GOODS_RECEIPT/1"] == list(found)
    assert await adapter.holds("PURCHASE_ORDER:O'Neil")
    assert not await adapter.holds("PURCHASE_ORDER:1")


def test_an_unknown_fault_is_refused(erp):
    """A misspelt fault never passes for none."""
    request = urllib.request.Request(f"{erp.url}/faults", orjson.dumps({"latency": 5}))
    with pytest.raises(urllib.error.HTTPError) as told:
        urllib.request.urlopen(request, timeout=10)

    assert b"no fault latency; there are latency_ms" in told.value.read()

"""The ERP connector on real parts: postings from a topic into a stand-in ERP."""

import asyncio
import os
import re
import signal
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from connectors.outbound.erp.rest_adapter import RestAdapter
from tests.connectors.erp_site import LETTERS, POSTINGS, ErpSite, posting, wait
from tests.monitoring.exposition import samples, scraped, value

pytestmark = pytest.mark.stack


@pytest.fixture
def site(stack: Any, tmp_path: Any) -> Iterator[ErpSite]:
    it = ErpSite(stack, tmp_path)
    yield it
    it.close()


def test_postings_reach_the_erp_in_order_and_each_has_its_result(site):
    """Every posting is taken once, a document's in the topic's order, and the offsets are committed behind the results."""
    erp = site.erp()
    site.connector(url=erp.service)
    sent = [posting(site.document(n % 7), revision=n // 7 + 1) for n in range(70)]
    site.send(*sent)
    site.settle(p["idempotency_key"] for p in sent)

    expected = {site.document(n): [f"{site.document(n)}/GOODS_RECEIPT/{r}" for r in range(1, 11)] for n in range(7)}

    assert expected == erp.state()["documents"]
    assert {"A1|DC01|available": 70} == erp.state()["stock"]
    assert {"POSTED"} == {r["outcome"] for r in site.results()}
    assert all(r["_key"] == r["document"] and r["erp_document"].startswith("GR-") for r in site.results())
    wait(lambda: sum(site.committed().values()) == sum(site._ends(POSTINGS).values()), "all offsets to be committed")


def test_business_refusals_become_exceptions_with_an_owner_and_are_not_repeated(site):
    """A refusal is one attempt, an exception for who can mend it, and the document goes on."""
    erp = site.erp()
    erp.faults(refusal_rates={"invoice_release": 1.0})
    site.connector(url=erp.service)
    order = site.document("S1", "SALES_ORDER")
    sent = [posting(order, step) for step in ("shipment_confirm", "invoice_release", "credit")]
    site.send(*sent)
    site.settle(p["idempotency_key"] for p in sent)

    (exception,) = site.exceptions()

    assert ["POSTED", "REFUSED", "POSTED"] == [r["outcome"] for r in site.results()]
    assert ("ERP_REFUSED", "finance", "POSTING") == (
        exception["category"],
        exception["owner"],
        exception["subject"]["kind"],
    )
    assert f"{order}/INVOICE_RELEASE/1" == exception["subject"]["id"]
    assert "BLOCKED" in exception["message"]
    assert site.codec.decode(POSTINGS, exception["original"])["document"] == order


def test_a_timeout_after_the_erp_took_it_is_resolved_by_asking_even_without_duplicate_detection(site):
    """UNKNOWN, then found by its key: once in an ERP that would have taken it twice."""
    erp = site.erp()
    erp.faults(timeout_after_rate=0.5, detect_duplicates=False)
    site.connector(url=erp.service)
    sent = [posting(site.document(n % 5), revision=n // 5 + 1) for n in range(20)]
    site.send(*sent)
    site.settle(p["idempotency_key"] for p in sent)

    outcomes = [r["outcome"] for r in site.results()]

    assert sorted(p["idempotency_key"] for p in sent) == sorted(erp.keys())
    assert outcomes.count("UNKNOWN") == outcomes.count("DUPLICATE") > 0
    assert {} == erp.state()["out_of_order"]


def test_technical_faults_are_retried_in_order_and_every_attempt_is_written_down(site):
    """5xx, silence and 429 delay a document; they neither lose nor reorder it."""
    erp = site.erp()
    erp.faults(error_rate=0.3, error_after_rate=0.1, timeout_before_rate=0.05, rate_limit=100)
    site.connector(url=erp.service)
    sent = [posting(site.document(n % 10), revision=n // 10 + 1) for n in range(80)]
    site.send(*sent)
    site.settle(p["idempotency_key"] for p in sent)

    numbers: dict[str, list[int]] = {}
    for result in site.results():
        numbers.setdefault(result["idempotency_key"], []).append(result["attempt"])

    assert sorted(p["idempotency_key"] for p in sent) == sorted(erp.keys())
    assert {} == erp.state()["out_of_order"]
    for attempts in numbers.values():
        assert attempts == sorted(attempts)


def test_what_cannot_be_read_or_routed_is_told_and_holds_nothing_up(site):
    """Poison goes to the dead letters with its bytes; an unknown operation becomes an exception; the next one is posted."""
    erp = site.erp()
    site.connector(url=erp.service)
    document = site.document("P1")
    site.producer.produce(POSTINGS, b"poison " + site.mark.encode(), document)
    site.send(posting(document, "tea_making"), posting(document))
    site.settle([f"{document}/GOODS_RECEIPT/1"])

    letters = [letter for letter in site.read(LETTERS) if site.mark.encode() in letter["original"]]

    assert [(b"poison " + site.mark.encode(), "NOT_AVRO")] == [(each["original"], each["category"]) for each in letters]
    assert [f"{document}/GOODS_RECEIPT/1"] == erp.keys()
    assert ["UNKNOWN_OPERATION"] == [each["category"] for each in site.exceptions()]
    assert "REFUSED" == site.final()[f"{document}/TEA_MAKING/1"]


def test_an_erp_that_is_down_only_defers(site):
    """Nothing is lost while the breaker is open; the audit trail stays short; all is posted in order afterwards."""
    erp = site.erp()
    erp.kill()
    connector = site.connector(url=erp.service)
    sent = [posting(site.document(n % 20), revision=n // 20 + 1) for n in range(200)]
    site.send(*sent)
    opened = lambda: connector.answer()[1]["groups"][f"{site.app}-erp"]["systems"]["erp"]["breaker"] != "closed"  # noqa: E731
    wait(opened, "the breaker to open")
    told, measured = connector.answer()[1]["groups"][f"{site.app}-erp"], samples(scraped(connector.url))
    erp.up()
    site.settle(p["idempotency_key"] for p in sent)

    assert value(measured, "stockstream_erp_breaker_state", system="erp") > 0
    assert value(measured, "stockstream_erp_oldest_seconds", group=f"{site.app}-erp") > 0
    assert value(samples(scraped(connector.url)), "stockstream_erp_breaker_state", system="erp") == 0
    assert told["backlog"] >= 200
    assert sorted(p["idempotency_key"] for p in sent) == sorted(erp.keys())
    assert {} == erp.state()["out_of_order"]
    assert len([r for r in site.results() if r["outcome"] == "FAILED"]) < 100


def test_a_backlog_drains_with_the_urgent_first_within_the_pace(site):
    """Shipments written last, behind adjustments, are in the ERP before most of these; the pace is never exceeded."""
    erp = site.erp()
    connector = site.connector(url=erp.service, rate=100, window=200, start=False)
    mountain = [posting(f"STOCK:{site.mark}-{n}|DC01", "inventory_adjustment") for n in range(300)]
    urgent = [posting(site.document(n, "SALES_ORDER"), "shipment_confirm") for n in range(20)]
    site.send(*mountain, *urgent)
    erp.faults(rate_limit=230)  # a burst of 10 and 100 a second never reach this
    connector.start()
    site.settle(p["idempotency_key"] for p in mountain + urgent)

    sequence = [r["idempotency_key"] for r in sorted(site.results(), key=lambda r: r["answered_at"])]
    places = [sequence.index(p["idempotency_key"]) for p in urgent]

    assert sorted(places)[len(places) // 2] < 150
    assert 320 == len(erp.keys())
    assert not [r for r in site.results() if (r["reason"] or "").startswith("429")]


def test_a_frozen_instance_that_lost_its_partitions_posts_nothing_twice(site):
    """It is stopped in the middle, its partitions move, it wakes up: the ERP's keys and the order hold."""
    erp = site.erp()
    erp.faults(latency_ms=60)
    frozen, other = (site.connector(name, url=erp.service, rate=200) for name in ("frozen", "other"))
    sent = [posting(site.document(n % 20), revision=n // 20 + 1) for n in range(300)]
    site.send(*sent)
    wait(lambda: len(erp.keys()) > 30, "some postings")
    os.kill(frozen.pid, signal.SIGSTOP)
    wait(lambda: len(other.answer()[1]["groups"][f"{site.app}-erp"]["partitions"]) == 4, "the other to have all")
    os.kill(frozen.pid, signal.SIGCONT)
    site.settle(p["idempotency_key"] for p in sent)

    assert sorted(p["idempotency_key"] for p in sent) == sorted(erp.keys())
    assert {} == erp.state()["out_of_order"]


def test_a_backlog_is_told_by_the_instance_that_has_the_partition_and_by_no_other(site):
    """A second instance takes partitions over while postings wait: summed over both, each partition counts once."""
    erp = site.erp()
    erp.kill()
    first = site.connector("first", url=erp.service)
    site.send(*[posting(site.document(n)) for n in range(40)])
    wait(lambda: len(_told(first)) == 4, "the first to tell of all partitions")
    second = site.connector("second", url=erp.service)

    wait(
        lambda: _told(second) and _told(first).isdisjoint(_told(second)), "the first to be silent about what it gave up"
    )
    assert {"0", "1", "2", "3"} == _told(first) | _told(second)


def _told(connector: Any) -> set[str]:
    """Partitions whose backlog an instance tells."""
    with urllib.request.urlopen(f"{connector.url}/metrics", timeout=10) as answer:
        return set(re.findall(r'stockstream_erp_backlog\{[^}]*partition="(\d+)"', answer.read().decode()))


def test_questions_of_the_business_are_answered_by_the_erp(site):
    """Stock and invoices as the ERP has them, through the adapter's own operations."""
    erp = site.erp()
    site.connector(url=erp.service)
    order, sku = site.document("S1", "SALES_ORDER"), f"SKU-{site.mark}"
    sent = [
        posting(site.document("P1"), sku=sku, quantity=12),
        posting(order, "shipment_confirm", sku=sku, quantity=5),
        posting(order, "invoice_release", sku=sku, quantity=5),
    ]
    site.send(*sent)
    site.settle(p["idempotency_key"] for p in sent)

    async def asked() -> Any:
        adapter = RestAdapter(erp.service)
        try:
            return await adapter.availability_query(sku, "DC01"), await adapter.invoice_status(order)
        finally:
            await adapter.close()

    stock, invoices = asyncio.run(asked())

    assert {"available": 7} == stock.by_disposition
    assert 5 == invoices.quantity
    assert 1 == len(invoices.numbers)


def test_settings_that_cannot_be_used_are_refused_with_a_word(site):
    """No URL, or a routing file with a mistake: exit code 2 and the place."""
    connector = site.connector("silent", start=False)
    connector.start()

    assert 2 == wait(connector.ended, "the connector to refuse")
    assert "STOCKSTREAM_ERP_URL" in connector.log.read_text()

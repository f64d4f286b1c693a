"""A whole site: worker, view, API, ERP connector, webhooks and shop adapter say what schemas/metrics.py names, and no more."""

from collections.abc import Iterator

import httpx2
import pytest

from local.edges import SHOP_CHANNEL, SUBSCRIPTION, Edges, edges
from local.stack import LocalStack
from local.supervised import Supervised
from monitoring.promql import read
from monitoring.written import expressions
from tests.monitoring.elsewhere import ELSEWHERE
from tests.monitoring.exposition import families, named, samples, scraped, total, value
from tests.monitoring.promtool import check_metrics
from tests.pipeline.site_under_test import ROOT, Site, wait_for

pytestmark = pytest.mark.stack
APP = "measured-site"


@pytest.fixture(scope="module")
def running(stack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Edges]]:
    """Everything, after scans, postings, deliveries, a question to the API and an exception."""
    directory = tmp_path_factory.mktemp("measured-site")
    site = Site(stack, directory, APP)
    try:
        skus = site.new_items("SITE", 4)
        site.start("one")
        with edges(site.site, directory, ROOT / "channels.yaml", redis=stack.redis_url) as around:
            site.scans(skus, 80)
            strange = site.scan(skus[0], "DC01", 0)
            strange |= {"event_id": "site-x", "quantity": 1, "item": {"scheme": "SKU", "code": "NOBODY"}}
            site.send("warehouse.scans", "NOBODY", strange)
            site.producer.flush(30)
            site.settle()
            asked = {"X-API-Key": around.shop_key}
            wait_for(lambda: httpx2.get(f"{around.api_url}/v1/availability/{skus[0]}", headers=asked).status_code == 200, 30, "an answer")  # fmt: skip
            wish = {"sku": skus[0], "quantity": 1, "ttl_seconds": 900}
            httpx2.post(f"{around.api_url}/v1/reservations", json=wish, headers=asked | {"Idempotency-Key": "site-1"}, timeout=30)  # fmt: skip
            with httpx2.stream("GET", f"{around.api_url}/v1/channels/{SHOP_CHANNEL}/stream", headers=asked) as stream:
                assert stream.status_code == 200
            wait_for(lambda: around.in_erp() and total(told(around.erp_connector), "stockstream_erp_posting_seconds_count"), 60, "a posting")  # fmt: skip
            yield site, around
    finally:
        site.close()


def told(process: Supervised):
    return samples(scraped(process.url))


def everybody(site: Site, around: Edges) -> dict[str, str]:
    """What each kind of process exposes."""
    by_name = {process.name: process for process in around.all}
    kinds = {
        "redis-view": "redis-view",
        "webhooks": "webhooks",
        "shop": "shop-connector",
        "api": "api",
        "erp": "erp-connector",
    }
    texts = {kind: scraped(by_name[name].url) for kind, name in kinds.items()}
    return {**texts, "worker": scraped(site.workers["one"].url)}


def test_every_process_exposes_what_is_named_for_it_and_nothing_else_of_ours(running: tuple[Site, Edges]) -> None:
    """And promtool finds nothing to say about it."""
    for process, text in everybody(*running).items():
        ours = {name for name in families(text) if name.startswith("stockstream_")}
        assert named(process) == ours, process
        assert value(samples(text), "stockstream_ready", process=process) == 1
        check_metrics(text)


def test_everything_that_alerts_and_dashboards_read_has_a_sample_of_somebody(running: tuple[Site, Edges]) -> None:
    """By a real process, under the very name of the expression: a labelled metric without a sample is only promised."""
    wanted = {name for _, expression in expressions() for name in read(expression).names}
    wanted = {name for name in wanted if name.startswith("stockstream_")} - ELSEWHERE.keys()

    def missing() -> set[str]:
        return wanted - {name for text in everybody(*running).values() for name, _ in samples(text)}

    # The view counts exceptions every few seconds; deliveries come when they come.
    wait_for(lambda: not missing(), 30, lambda: f"samples of {sorted(missing())}")


def test_the_edges_measure_their_work(running: tuple[Site, Edges]) -> None:
    """Postings from made to posted, requests by route template, exceptions by owner, subscriptions, the view's delay."""
    site, around = running
    by_name = {process.name: process for process in around.all}
    api, erp, view = told(around.api), told(around.erp_connector), by_name["redis-view"]

    assert total(api, "stockstream_api_request_seconds_count", route="/v1/availability/{sku}", status="200") > 0
    assert total(erp, "stockstream_erp_posting_seconds_count", operation="inventory_adjustment") > 0
    assert total(erp, "stockstream_erp_attempts_total", outcome="POSTED", shadow="false") > 0
    assert total(told(view), "stockstream_view_latency_seconds_count") > 0
    group = {"category": "UNKNOWN_ITEM", "severity": "HIGH", "owner": "master-data"}
    wait_for(lambda: total(told(view), "stockstream_exceptions_open", **group) >= 1, 20, "the view to count exceptions")
    assert total(told(view), "stockstream_exceptions_oldest_seconds", **group) < 3_600
    assert total(told(view), "stockstream_view_lag_records") >= 0
    assert {0.0} == {v for (name, _), v in erp.items() if name == "stockstream_erp_breaker_state"}
    assert 0 <= total(erp, "stockstream_erp_oldest_seconds") < 3_600
    worker = samples(scraped(site.workers["one"].url))
    assert total(worker, "stockstream_recovery_read_records") == total(worker, "stockstream_recovery_target_records")
    webhooks = by_name["webhooks"]
    wait_for(
        lambda: total(told(webhooks), "stockstream_webhook_deliveries_total", outcome="delivered"), 30, "a delivery"
    )
    assert value(told(webhooks), "stockstream_webhook_enabled", subscription=SUBSCRIPTION) == 1
    wait_for(lambda: total(told(webhooks), "stockstream_webhook_latency_seconds_count"), 30, "a delivery")

"""What a real worker says at /metrics: every metric of its own, with figures that the records sent explain."""

import time
from collections.abc import Iterator

import pytest

from local.stack import LocalStack
from tests.monitoring.exposition import Samples, families, named, samples, scraped, value
from tests.monitoring.promtool import check_metrics
from tests.pipeline.site_under_test import Site, now_ms, wait_for

pytestmark = pytest.mark.stack
APP = "measured"


@pytest.fixture(scope="module")
def site(stack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One worker that has seen scans, a duplicate, an unknown item, a heartbeat and a snapshot that differs."""
    site = Site(stack, tmp_path_factory.mktemp("measured"), APP)
    try:
        skus = site.new_items("MET", 5)
        site.start("one")
        site.scans(skus, 200)
        once = site.scan(skus[0], "DC01", 3)
        site.send("warehouse.scans", skus[0], once)
        site.send(
            "warehouse.scans", "NOBODY", {**once, "event_id": "met-x", "item": {"scheme": "SKU", "code": "NOBODY"}}
        )
        site.send("warehouse.scans", "NOBODY", b"no Avro")
        at = now_ms()
        site.send("feeds.heartbeats", "WMS-DC01|DC01", {"source": "WMS-DC01", "location": "DC01", "sent_at": at})
        site.producer.flush(30)
        site.settle()
        snapshot = {
            "event_id": "met-snapshot",
            "sku": skus[0],
            "location": "DC01",
            "on_hand": site.expected[f"{skus[0]}|DC01"] + 4,
            "disposition": "available",
            "taken_at": now_ms(),
            "source": "ERP",
            "correlation_id": "met-snapshot",
        }
        site.send("erp.stock-snapshots", f"{skus[0]}|DC01", snapshot)
        site.producer.flush(30)
        site.settle()
        yield site
    finally:
        site.close()


def found(site: Site) -> Samples:
    return samples(scraped(site.workers["one"].url))


def test_every_metric_of_a_worker_is_there_and_promtool_has_nothing_to_say(site: Site) -> None:
    """Named as schemas/metrics.py names them, and nothing under our prefix that it does not name."""
    text = scraped(site.workers["one"].url)

    assert named("worker") == {name for name in families(text) if name.startswith("stockstream_")}
    assert {"process_cpu_seconds", "process_resident_memory_bytes"} <= families(text)
    check_metrics(text)


def test_what_came_in_and_what_became_of_it_is_counted(site: Site) -> None:
    """Outcomes of intake, exceptions, dead letters and the units by which a snapshot differed; other tests share the topics."""
    wait_for(lambda: value(found(site), "stockstream_intake_records_total", topic="erp.stock-snapshots", outcome="accepted"), 20, "a sweep that tells")  # fmt: skip
    said = found(site)
    intake = "stockstream_intake_records_total"

    assert value(said, intake, topic="warehouse.scans", outcome="duplicate") >= 1
    assert value(said, intake, topic="warehouse.scans", outcome="parked") >= 1
    assert value(said, "stockstream_exceptions_raised_total", category="UNKNOWN_ITEM", severity="HIGH") >= 1
    assert value(said, "stockstream_dead_letters_total", category="NOT_AVRO") >= 1
    assert value(said, "stockstream_stock_divergence_units_total", location="DC01") >= 4
    assert value(said, "stockstream_ready", process="worker") == 1
    changes = value(said, "stockstream_atp_changes_total")
    deltas = value(said, "stockstream_outputs_total", topic="availability.deltas")
    assert changes >= deltas > 0


def test_time_is_measured_from_intake_to_commit_by_feed(site: Site) -> None:
    """End to end, waiting in a topic and commit latency all have observations; lag is told for every topic read."""
    said = found(site)
    feed = {"source": "WMS-DC01", "location": "DC01"}

    assert value(said, "stockstream_end_to_end_seconds_count", **feed) > 0
    assert value(said, "stockstream_end_to_end_seconds_sum", **feed) < 3600
    assert value(said, "stockstream_wait_seconds_count", topic="warehouse.scans") >= 20  # of 200, every seventh
    assert value(said, "stockstream_commit_latency_seconds_count") > 0
    assert value(said, "stockstream_commit_age_seconds") < 60
    topics = {dict(labels)["topic"] for name, labels in said if name == "stockstream_lag_records"}
    assert {"warehouse.scans", "inventory.ledger", "order.events"} <= topics


def test_a_feed_grows_old_between_two_looks(site: Site) -> None:
    """Age is as of the look, not as of the last record."""
    feed = {"source": "WMS-DC01", "location": "DC01"}
    before = value(found(site), "stockstream_feed_age_seconds", **feed)
    time.sleep(0.3)
    said = found(site)

    assert value(said, "stockstream_feed_age_seconds", **feed) > before
    assert value(said, "stockstream_feed_status", **feed) == 0

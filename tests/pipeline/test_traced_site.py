"""A trace goes through a whole site: API, worker, ERP connector, webhooks and shop adapter, with and without a collector."""

import secrets
import time
import uuid
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx2
import pytest
from collector import Collector
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from site_under_test import ROOT, Site, now_ms, wait_for

from connectors.api import api_keys
from local.edges import SHOP_CHANNEL, WEBHOOK_CHANNEL, Edges, edges
from local.stack import LocalStack
from schemas.trace_context import TraceContext

pytestmark = pytest.mark.stack
SOON = {"OTEL_BSP_SCHEDULE_DELAY": "100", "STOCKSTREAM_OTLP_RATIO": "0"}
STATE = "vendor=kept,other=too"
PATH = (
    "warehouse.scans",
    "inventory.ledger",
    "availability.snapshots",
    "availability.deltas",
    f"channel.{SHOP_CHANNEL}.availability",
    f"channel.{WEBHOOK_CHANNEL}.availability",
    "erp.postings",
    "erp.posting-results",
)
"""Topics that say something of a scan."""


class Running(NamedTuple):
    site: Site
    around: Edges
    collector: Collector | None
    key: str

    def post(self, path: str, body: dict[str, Any], trace: TraceContext | None, key: str = "") -> httpx2.Response:
        headers = {"X-API-Key": key or self.key, **({} if trace is None else trace.http())}
        headers |= {"Idempotency-Key": uuid.uuid4().hex}
        return httpx2.post(f"{self.around.api_url}{path}", json=body, headers=headers, timeout=30)

    def scan(self, sku: str, quantity: int, trace: TraceContext | None) -> str:
        """Send a scan to the API; its correlation id."""
        correlation = f"traced-{uuid.uuid4()}"
        scan = {
            "event_id": str(uuid.uuid4()), "scan_type": "ADJUST", "item": {"scheme": "SKU", "code": sku},
            "location": "DC01", "quantity": quantity, "uom": "EA", "occurred_at": now_ms(), "source": "WMS-DC01",
            "reference": {"kind": "NONE", "number": ""}, "correlation_id": correlation,
        }  # fmt: skip
        answer = self.post("/v1/scans", scan, trace)
        assert answer.status_code == 202, answer.text
        return correlation

    def headers(self, topic: str, correlation: str) -> list[dict[str, bytes]]:
        """Headers of all committed records of a topic that are about an event."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.site.stack.bootstrap,
                "group.id": "headers",
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
            }
        )
        left = set(consumer.list_topics(topic, timeout=10).topics[topic].partitions)
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in left])
        decode, found = self.site.codec.decoder(topic), []
        end = time.monotonic() + 30
        while left:
            assert time.monotonic() < end, f"{topic} was not read to its end within 30 s"
            for message in consumer.consume(1_000, 0.1):
                if message.error() is not None:
                    left.discard(message.partition())
                elif (value := message.value()) is None or correlation.encode() not in value:
                    continue  # another's, who may not mean it to be read
                elif decode(value).get("correlation_id") == correlation:
                    found.append(dict(message.headers() or ()))
        consumer.close()
        return found


def fresh(flags: str = "01") -> TraceContext:
    """A trace as a caller begins one."""
    return TraceContext(f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-{flags}", STATE)


@pytest.fixture(scope="module", params=["on", "off"])
def running(
    request: pytest.FixtureRequest, stack: LocalStack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """A site, exporting to a collector of ours or not at all."""
    directory = tmp_path_factory.mktemp("traced")
    collector = Collector() if request.param == "on" else None
    key, _ = api_keys.create(directory / "api-keys.json", "wms", ("ingest:write", "availability:read"))
    with pytest.MonkeyPatch.context() as environment:
        for name, value in SOON.items():
            environment.setenv(name, value)
        if collector is not None:
            environment.setenv("STOCKSTREAM_OTLP_ENDPOINT", collector.url)
        site = Site(stack, directory, f"traced-{request.param}")
        try:
            site.start("one")
            with edges(site.site, directory, ROOT / "channels.yaml", redis=stack.redis_url) as around:
                httpx2.post(f"{around.erp.url}/faults", json={"error_rate": 0, "error_after_rate": 0}, timeout=10)
                yield Running(site, around, collector, key)
        finally:
            site.close()
            if collector is not None:
                collector.close()


def followed(running: Running, trace: TraceContext) -> str:
    """Send a traced scan and wait until it has come everywhere; its correlation id."""
    [sku] = running.site.new_items(f"TRACED-{secrets.token_hex(4)}", 1)
    running.site.settle()
    correlation = running.scan(sku, 25, trace)
    wait_for(lambda: running.headers("erp.posting-results", correlation), 60, "the ERP's answer")
    came = trace.trace_id
    wait_for(lambda: any(came in parent for parent in running.around.in_erp()["traces"].values()), 30, "the ERP")
    wait_for(lambda: sum(came in parent for parent in running.around.in_shop()["traces"]) >= 2, 30, "shop and webhook")
    return correlation


def test_one_trace_from_the_device_to_the_erp_and_the_shops(running: Running):
    """Every record that a scan causes has the trace id and the state that it came with; so have the requests."""
    trace = fresh()

    correlation = followed(running, trace)

    for topic in PATH:
        found = running.headers(topic, correlation)
        contexts = {header["traceparent"].decode() for header in found}
        assert found, topic
        assert {context[3:35] for context in contexts} == {trace.trace_id}, topic
        assert {header["tracestate"].decode() for header in found} == {STATE}, topic
        if running.collector is None:
            assert contexts == {trace.traceparent}, topic


def test_spans_say_what_happened_and_belong_to_the_trace(running: Running):
    """Server and client spans are in the trace, those of chunks and transactions name it in links; no name has a SKU."""
    collector = running.collector
    if collector is None:
        pytest.skip("nothing is exported")
    trace = fresh()
    followed(running, trace)

    def told(name: str) -> list[Any]:
        return [
            span
            for span in collector.spans
            if span.name == name and (span.trace == trace.trace_id or trace.trace_id in dict(span.links))
        ]

    for name in ("POST /v1/scans", "process warehouse.scans", "process inventory.ledger", "POST inventory_adjustment", "POST webhook", "set quantities", "process erp.posting-results"):  # fmt: skip
        wait_for(lambda name=name: told(name), 30, f"a span {name!r}; there are {sorted({s.name for s in collector.spans})}")  # fmt: skip
    [server] = told("POST /v1/scans")
    [client] = told("POST inventory_adjustment")
    chunk = told("process inventory.ledger")[0]
    transactions = [span for span in collector.spans if span.name == "transaction" and (chunk.trace, chunk.span) in span.links]  # fmt: skip

    assert (server.trace, server.parent, server.service) == (trace.trace_id, trace.span_id, "stockstream-api")
    assert server.attributes["http.route"] == "/v1/scans"
    assert server.attributes["http.response.status_code"] == 202
    assert (client.trace, client.parent, client.service) == (trace.trace_id, server.span, "stockstream-erp")
    assert client.attributes["stockstream.erp.outcome"] == "POSTED"
    assert (trace.trace_id, server.span) in chunk.links
    assert chunk.trace != trace.trace_id
    assert chunk.attributes["messaging.destination.name"] == "inventory.ledger"
    assert chunk.attributes["messaging.batch.message_count"] >= 1
    assert transactions
    assert told("POST webhook")[0].trace == told("set quantities")[0].trace == trace.trace_id
    assert not [span.name for span in collector.spans if "TRACED" in span.name]
    assert collector.paths == {"/v1/traces"}


def test_a_trace_that_is_not_kept_passes_all_the_same_and_makes_no_span(running: Running):
    """The flag is the caller's: headers travel, nobody tells."""
    trace = fresh(flags="00")

    correlation = followed(running, trace)

    for topic in PATH:
        assert {h["traceparent"].decode() for h in running.headers(topic, correlation)} == {trace.traceparent}, topic
    if running.collector is not None:
        named = [s for s in running.collector.spans if s.trace == trace.trace_id or trace.trace_id in dict(s.links)]
        assert named == []


def test_a_reservation_and_its_reply_are_of_one_trace(running: Running):
    """The request, the entry, and the single writer's decision."""
    [sku] = running.site.new_items(f"TRACED-{secrets.token_hex(4)}", 1)
    running.site.settle()
    running.scan(sku, 25, None)
    running.site.settle()
    trace = fresh()

    body = {"sku": sku, "quantity": 3, "ttl_seconds": 600}
    answer = running.post("/v1/reservations", body, trace, running.around.shop_key)
    assert answer.status_code == 201, answer.text
    name = answer.json()["reservation_id"].rpartition(".")[2]

    for topic in ("reservations.requests", "reservations.replies"):
        found = running.headers(topic, name)
        assert {header["traceparent"].decode()[3:35] for header in found} == {trace.trace_id}, topic


def test_what_has_no_trace_gets_none(running: Running):
    """No header is made up where the ratio is 0."""
    [sku] = running.site.new_items(f"TRACED-{secrets.token_hex(4)}", 1)
    running.site.settle()
    correlation = running.scan(sku, 4, None)
    wait_for(lambda: running.headers("erp.posting-results", correlation), 60, "the ERP's answer")

    assert [h for topic in PATH for h in running.headers(topic, correlation) if "traceparent" in h] == []


def test_a_scan_that_waits_for_its_item_finds_its_trace_again(running: Running):
    """Parked, then taken when the item comes: exception, resolution and ledger entry are of the scan's trace."""
    sku, trace = f"TRACED-{secrets.token_hex(4)}-0000", fresh()
    correlation = running.scan(sku, 6, trace)
    wait_for(lambda: running.headers("exceptions", correlation), 30, "the exception")
    running.site.new_items(sku.removesuffix("-0000"), 1)
    wait_for(lambda: running.headers("inventory.ledger", correlation), 30, "the entry")

    for topic in ("exceptions", "exceptions.resolutions", "inventory.ledger"):
        found = running.headers(topic, correlation)
        assert {header["traceparent"].decode()[3:35] for header in found} == {trace.trace_id}, topic


def test_a_collector_that_dies_costs_nothing_but_spans(running: Running):
    """Work goes on, exactly, and every process ends in order when it is told to."""
    if running.collector is None:
        pytest.skip("nothing is exported")
    running.collector.close()
    skus = running.site.new_items(f"LOST-{secrets.token_hex(4)}", 3)
    running.site.settle()
    for number in range(30):
        running.scan(skus[number % 3], number + 1, fresh())
        running.site.expected[f"{skus[number % 3]}|DC01"] += number + 1
    running.site.settle()
    running.site.assert_exact(skus)

    worker = running.site.workers["one"]
    process: Any = worker._process
    worker.stop(grace_s=30)
    assert process.returncode == 0
    assert [each.name for each in running.around.all if each.ended() is not None] == []

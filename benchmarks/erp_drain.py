"""Draining a backlog of postings into the stand-in ERP: `python -m benchmarks.erp_drain [--postings N]`.

Real Kafka; connector and stand-in as processes on this machine. Without faults it says what the connector can do; with
all of them, what they cost. The judge is the ERP: each posting once, in its document's order.
"""

import argparse
import sys
import time
import urllib.request
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
from confluent_kafka import Producer

from benchmarks.rig import CHANNELS, cpu_seconds, resident_mb, wait
from local.stack import LocalStack
from local.supervised import Supervised
from local.up import Site
from schemas import registry

TOPIC = "erp.postings"
PARTITIONS = 4
CONNECTOR = ("-c", "from cli.erp import connect_erp; import typer; typer.run(connect_erp)")
FAULTS = {
    "latency_ms": 20,
    "error_rate": 0.05,
    "error_after_rate": 0.03,
    "timeout_before_rate": 0.005,
    "timeout_after_rate": 0.01,
}
SETTINGS = {
    "rate": 100_000,
    "concurrency": 32,
    "read_timeout_ms": 500,
    "total_timeout_ms": 1_000,
    "backoff_first_ms": 20,
    "backoff_most_ms": 500,
}
WITHIN_S = 600.0


def run(postings: int, faults: dict[str, Any]) -> dict[str, Any]:
    """Figures of one drain; the time counts from the first posting in the ERP to the last."""
    with TemporaryDirectory(prefix="stockstream-bench-") as name, LocalStack(Path(name) / "stack") as stack:
        directory = Path(name)
        Site(stack, list(CHANNELS), "erp-bench", PARTITIONS).prepare()
        sent = produce(stack, postings)
        command = ("-m", "local.erp_server", "--port", "{port}", "--state", str(directory / "erp.sqlite"))
        erp = Supervised("erp", command, {}, directory, health="/faults")
        erp.start()
        wait(lambda: erp.answer()[0], 60, "the stand-in ERP")
        ask(f"{erp.url}/faults", faults)
        given = {"bootstrap": stack.bootstrap, "registry": stack.registry_url, "app": "erp-bench"}
        environment = {f"STOCKSTREAM_{key.upper()}": str(value) for key, value in given.items()}
        own = {**SETTINGS, "url": f"{erp.url}/odata"}
        environment |= {f"STOCKSTREAM_ERP_{key.upper()}": str(value) for key, value in own.items()}
        connector = Supervised(
            "erp-connector", CONNECTOR, environment, directory, port_variable="STOCKSTREAM_ERP_HTTP_PORT"
        )
        try:
            connector.start()
            wait(lambda: count(erp) > 0, 120, "the first posting", 0.01)
            begun, cpu = time.monotonic(), cpu_seconds(connector.pid)
            wait(lambda: count(erp) >= postings, WITHIN_S, "the last posting", 0.25)
            seconds = time.monotonic() - begun
            used, memory = cpu_seconds(connector.pid) - cpu, resident_mb(connector.pid)
            state = ask(f"{erp.url}/state")
        finally:
            connector.stop()
            erp.stop()
        return {
            "postings": postings,
            "seconds": round(seconds, 1),
            "postings_per_second": round(postings / seconds),
            "connector_cpu_us": round(used * 1e6 / postings),
            "connector_mb": round(memory),
            "each_once_in_order": state["documents"] == sent,
            "duplicates_the_erp_turned_away": sum(state["duplicates_attempted"].values()),
        }


def produce(stack: LocalStack, postings: int) -> dict[str, list[str]]:
    """Goods receipts of many orders, three postings each; keys by document, as they stand in the topic."""
    codec = registry.connected_codec(stack.registry_url, CHANNELS)
    producer = Producer(
        {
            "bootstrap.servers": stack.bootstrap,
            "partitioner": "murmur2_random",
            "queue.buffering.max.messages": 2_000_000,
        }
    )
    sent: dict[str, list[str]] = {}
    orders = max(1, postings // 3)
    for number in range(postings):
        document, revision = f"PURCHASE_ORDER:{number % orders:07d}", number // orders + 1
        key = f"{document}/GOODS_RECEIPT/{revision}"
        line = {"line": "1", "sku": f"SKU-{number % 500:04d}", "location": "DC01", "quantity": 1}
        record = {
            "document": document,
            "step": "GOODS_RECEIPT",
            "revision": revision,
            "idempotency_key": key,
            "operation": "goods_receipt",
            "priority": 30,
            "lines": [{**line, "disposition": "available", "date": None, "note": None, "substitute": None}],
            "causes": [],
            "created_at": time.time_ns() // 1_000_000,
            "correlation_id": str(number),
            "reverses": None,
            "partner": None,
        }
        producer.produce(TOPIC, codec.encode(TOPIC, record), document)
        sent.setdefault(document, []).append(key)
        if number % 1_000 == 0:
            producer.poll(0)
    if producer.flush(120):
        raise TimeoutError("the broker did not take all postings within 120 s")
    return sent


def count(erp: Supervised) -> int:
    return int(ask(f"{erp.url}/count")["postings"])


def ask(url: str, body: Any = None) -> Any:
    data = None if body is None else orjson.dumps(body)
    with urllib.request.urlopen(urllib.request.Request(url, data), timeout=60) as answer:
        return orjson.loads(answer.read())


def main() -> None:
    """Both drains, one JSON object a line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--postings", type=int, default=10_000)
    given = parser.parse_args()
    for name, faults in (("without faults", {}), ("with faults", FAULTS)):
        figures = run(given.postings, faults)
        sys.stdout.write(orjson.dumps({"drain": name, **figures}).decode() + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

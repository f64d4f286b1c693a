"""Filling an empty Redis with the view: `python -m benchmarks.redis_view [--positions N] [--instances N]`.

Real Kafka, registry and Redis on this machine; instances as processes; positions of the usual size, one record each.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
import redis

from benchmarks.rig import CHANNELS, DECLARED, cpu_seconds, metric, wait
from connectors import view_keys as keys
from local.stack import LocalStack
from local.supervised import Supervised, await_all
from local.up import Site
from schemas import registry

APP = "view-bench"
PARTITIONS = 4
TOPIC = "availability.snapshots"
EXAMPLE = Path(__file__).resolve().parent.parent / "schemas/examples/Availability/v1/with-supply-on-the-way.json"
COMMAND = ("-c", "from cli.redis_view import connect_redis; import typer; typer.run(connect_redis)")


def run(positions: int, instances: int) -> dict[str, Any]:
    """Figures of one rebuild; the time counts from the first record in Redis to the last."""
    with TemporaryDirectory(prefix="stockstream-bench-") as name, LocalStack(Path(name) / "stack") as stack:
        site = Site(stack, list(CHANNELS), APP, PARTITIONS)
        site.prepare()
        produce(stack, positions)
        client = redis.Redis.from_url(stack.redis_url)
        with crew(stack, Path(name), instances) as views:
            begun, ended = watch(client, positions)
            await_all(views, 60)
            seconds = ended - begun
            stats: Any = client.info("commandstats")
            calls = stats["cmdstat_evalsha"]
            memory: Any = client.info("memory")
            applied = f'stockstream_view_records_total{{outcome="applied",topic="{TOPIC}"}}'
            return {
                "positions": sum(metric(view.url, applied) for view in views),
                "instances": instances,
                "seconds": round(seconds, 2),
                "snapshots_per_second": round(positions / seconds),
                "view_cpu_us": round(sum(cpu_seconds(view.pid) for view in views) * 1e6 / positions, 1),
                "redis_us": round(calls["usec"] / positions, 1),
                "redis_ms_per_batch": round(calls["usec"] / calls["calls"] / 1000, 2),
                "redis_bytes": round(memory["used_memory"] / positions),
            }


def produce(stack: LocalStack, positions: int) -> None:
    """One snapshot for each position, four locations a SKU."""
    from confluent_kafka import Producer  # noqa: PLC0415 - heavy, and only here

    codec, base = registry.connected_codec(stack.registry_url, CHANNELS), orjson.loads(EXAMPLE.read_bytes())
    producer = Producer(
        {"bootstrap.servers": stack.bootstrap, "compression.type": "lz4", "queue.buffering.max.messages": 2_000_000}
    )
    for number in range(positions):
        sku, location = f"SKU-{number // 4:06d}", f"DC{number % 4 + 1:02d}"
        value = codec.encode(TOPIC, {**base, "sku": sku, "location": location, "revision": number % 50 + 1})
        producer.produce(TOPIC, value, f"{sku}|{location}", partition=number // 4 % PARTITIONS)
        if number % 1_000 == 0:
            producer.poll(0)
    if producer.flush(120):
        raise TimeoutError("the broker did not take all snapshots within 120 s")


@contextmanager
def crew(stack: LocalStack, directory: Path, instances: int) -> Iterator[list[Supervised]]:
    settings = {"bootstrap": stack.bootstrap, "registry": stack.registry_url, "redis": stack.redis_url}
    given = {**settings, "app": APP, "channels": DECLARED}
    environment = {f"STOCKSTREAM_{key.upper()}": str(value) for key, value in given.items()}
    port = "STOCKSTREAM_VIEW_HTTP_PORT"
    views = [
        Supervised(f"view-{number}", COMMAND, environment, directory, port_variable=port) for number in range(instances)
    ]
    try:
        for view in views:
            view.start()
        yield views
    finally:
        for view in views:
            view.stop()


def watch(client: redis.Redis, positions: int) -> tuple[float, float]:
    """When the first batch was in Redis and when the last one was."""

    def done() -> int:
        fields: Any = client.hgetall(keys.view(APP))
        return sum(int(value) for name, value in fields.items() if name.startswith(b"offset:" + TOPIC.encode()))

    wait(lambda: done() > 0, 60, "the first batch", 0.002)
    begun, before = time.monotonic(), done()
    wait(lambda: done() >= positions, 300, "all positions", 0.02)
    ended = time.monotonic()
    print(f"{before} positions were in when counting began", file=sys.stderr)
    return begun, ended


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--positions", type=int, default=160_000)
    parser.add_argument("--instances", type=int, default=1)
    chosen = parser.parse_args()
    print(orjson.dumps(run(chosen.positions, chosen.instances), option=orjson.OPT_INDENT_2).decode())


if __name__ == "__main__":
    main()

"""The API under load: 160,000 positions in Redis, one process on one core, 1,000 requests a second."""

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
import redis

from benchmarks.load import load
from benchmarks.rig import CHANNELS, DECLARED, Rig, wait
from connectors import view_keys as keys
from connectors.api import api_keys
from schemas.clock import wall_ms

SKUS, LOCATIONS = 20_000, 8
RATE, SECONDS, WARM_S = 1_000, 30, 5
APP = "bench"
RUN = (
    "import sys; from connectors.api.main import run; from connectors.api.settings import ApiSettings; "
    "from schemas.environment import read; sys.exit(run(read(ApiSettings)))"
)


def run(rig: Rig) -> dict[str, Any]:
    """Latency at RATE of one channel's offer, and of one SKU with all its locations and channels."""
    fill(rig.stack.redis_url)
    with TemporaryDirectory() as place, api(rig, Path(place)) as (url, key, pid):
        found = {}
        for name, path in (
            ("offer", "/v1/channels/webshop/availability/{}"),
            ("sku", "/v1/availability/{}"),
        ):
            attack(url, key, path, WARM_S)
            before = cpu(pid)
            result = attack(url, key, path, SECONDS)
            result["cpu"] = round((cpu(pid) - before) / SECONDS, 2)
            found[name] = result
        return found


@contextmanager
def api(rig: Rig, place: Path) -> Iterator[tuple[str, str, int]]:
    """The API as production starts it, on the last core; the generator and Redis have the others."""
    key, _ = api_keys.create(place / "keys.json", "bench", ["availability:read"], rate=100_000)
    environment = {
        **os.environ,
        "STOCKSTREAM_BOOTSTRAP": rig.stack.bootstrap,
        "STOCKSTREAM_REGISTRY": rig.stack.registry_url,
        "STOCKSTREAM_REDIS": rig.stack.redis_url,
        "STOCKSTREAM_APP": APP,
        "STOCKSTREAM_CHANNELS": str(DECLARED),
        "STOCKSTREAM_DATA_DIR": str(place),
        "STOCKSTREAM_API_KEYS_FILE": str(place / "keys.json"),
        "STOCKSTREAM_API_PORT": "0",
    }
    cores = sorted(os.sched_getaffinity(0))
    with subprocess.Popen([sys.executable, "-c", RUN], env=environment) as process:
        os.sched_setaffinity(process.pid, {cores[-1]})
        try:
            address = place / "api-http.url"
            wait(address.exists, 60, "the API to answer")
            os.sched_setaffinity(0, set(cores[:-1]) or set(cores))
            yield address.read_text(), key, process.pid
        finally:
            os.sched_setaffinity(0, set(cores))
            process.terminate()


def attack(url: str, key: str, path: str, seconds: int) -> dict[str, Any]:
    """Ask for random SKUs at RATE."""
    draw = random.Random(7)
    paths = [path.format(f"SKU-{draw.randrange(SKUS):05}") for _ in range(RATE * seconds)]
    return load(url, key, paths, RATE)


def cpu(pid: int) -> float:
    """Seconds of CPU a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def fill(url: str) -> None:
    """Put the positions and every channel's offers where the view keeps them."""
    client, now = redis.Redis.from_url(url), wall_ms()
    instance = {"state": "live", "percent": 100, "at": now + 3_600_000, "lag": 0}
    client.hset(keys.view(APP), mapping={keys.EPOCH: "1", keys.instance_field("bench"): orjson.dumps(instance)})
    places = [f"DC{number:02}" for number in range(1, LOCATIONS + 1)]
    for place in places:
        field = f"WMS-{place}|{place}"
        client.hset(keys.feeds(APP), mapping={field: orjson.dumps(feed(place, now)), keys.revision_of(field): now})
    pipeline = client.pipeline(transaction=False)
    for number in range(SKUS):
        sku = f"SKU-{number:05}"
        mapping: Any = {place: orjson.dumps(position(sku, place, now)) for place in places}
        pipeline.hset(keys.sku(APP, sku), mapping=mapping | {keys.revision_of(place): 7 for place in places})
        for channel in CHANNELS:
            value = orjson.dumps(offer(channel, sku, places[:4], now))
            pipeline.hset(keys.offer(APP, channel, sku), mapping={keys.VALUE: value, keys.REVISION: 4})
            pipeline.zadd(keys.offers(APP, channel), {sku: 0})
        if number % 500 == 499:
            pipeline.execute()
    client.close()


def feed(place: str, now: int) -> dict[str, Any]:
    times = dict.fromkeys(("since", "last_event_at", "last_heartbeat_at", "computed_at"), now)
    return {"source": f"WMS-{place}", "location": place, "status": "FRESH", **times}


def position(sku: str, place: str, now: int) -> dict[str, Any]:
    """A position as the inventory stage tells it: two purchase orders expected, four later dates, three sources."""
    return {
        "sku": sku,
        "location": place,
        "revision": 7,
        "on_hand": 120,
        "disposition": {"available": 110, "quality_hold": 10},
        "allocated": 15,
        "safety_stock": 5,
        "expected": [
            {
                "po_number": f"45000{number}",
                "line": "10",
                "shipment": f"SHP-{number}",
                "quantity": 40,
                "date": 20_800 + number,
                "state": "IN_TRANSIT",
                "overdue": False,
            }
            for number in range(2)
        ],
        "atp": 90,
        "atp_signed": 95,
        "schedule": [{"date": 20_800 + number, "atp": 90 + 40 * number} for number in range(4)],
        "next_receipt": 20_800,
        "as_of": now,
        "stamps": [
            {
                "source": f"{name}-{place}",
                "event_time": now,
                "ingested_at": now,
                "coordinate": "warehouse.scans[3]@4711",
            }
            for name in ("WMS", "EDI", "ERP")
        ],
        "computed_at": now,
        "causes": ["warehouse.scans[3]@4711"],
        "correlation_id": "6f1b7f0a-7b1c-4d1e-9d35-0c5e3f0a7f11",
    }


def offer(channel: str, sku: str, places: list[str], now: int) -> dict[str, Any]:
    return {
        "channel": channel,
        "sku": sku,
        "revision": 4,
        "previous_revision": 3,
        "quantity": 358,
        "previous_quantity": 340,
        "status": "IN_STOCK",
        "by_location": [{"location": place, "quantity": 90} for place in places],
        "next_date": 20_800,
        "buffer": 2,
        "fallback": None,
        "as_of": now,
        "computed_at": now,
        "correlation_id": "6f1b7f0a-7b1c-4d1e-9d35-0c5e3f0a7f11",
    }


if __name__ == "__main__":
    from benchmarks.rig import rig as fresh

    with fresh() as made:
        print(orjson.dumps(run(made), option=orjson.OPT_INDENT_2).decode())

"""Scans: in at `warehouse.scans`, through intake, ledger and inventory, out as a delta or snapshot, two workers."""

import random
import threading
import time
import uuid
from typing import Any

from confluent_kafka import OFFSET_END, Consumer, TopicPartition

from benchmarks.inventory_stage import FOLDED, LOCATIONS
from benchmarks.rig import Rig, metric, ready, wait

TOPIC = "warehouse.scans"
OUT = "availability.snapshots"
SCANNED = "bench"


def scan(sku: str, location: str, quantity: int, now: int) -> dict[str, Any]:
    """An adjustment: moves stock, needs no document."""
    return {
        "event_id": str(uuid.UUID(int=random.getrandbits(128), version=4)),
        "scan_type": "ADJUST",
        "item": {"scheme": "SKU", "code": sku},
        "location": location,
        "quantity": quantity,
        "uom": "EA",
        "disposition": None,
        "to_disposition": None,
        "to_location": None,
        "lot": None,
        "device_id": "RF-12",
        "operator": None,
        "reference": {"kind": "NONE", "number": "", "line": None},
        "corrects": None,
        "occurred_at": now,
        "sent_at": now,
        "source": f"WMS-{location}",
        "correlation_id": SCANNED,
    }


def reference_data(rig: Rig, skus: int) -> None:
    """Items and locations that the scans name."""
    producer = rig.producer()
    for number in range(skus):
        sku = f"SKU-{number:06d}"
        item: dict[str, Any] = {
            "sku": sku,
            "description": sku,
            "base_uom": "EA",
            "packs": [],
            "identifiers": [],
            "segment": "ABC"[number % 3],
            "safety_stock": [],
            "shelf_life_days": None,
            "active": True,
        }
        producer.produce("erp.items", rig.codec.encode("erp.items", item), sku)
        producer.poll(0)
    for name in LOCATIONS:
        location = {
            "location": name,
            "kind": "WAREHOUSE",
            "time_zone": "UTC",
            "calendar": "",
            "priority": 1,
            "codes": [],
            "active": True,
        }
        producer.produce("erp.locations", rig.codec.encode("erp.locations", location), name)
    producer.flush(60)


def send(rig: Rig, count: int, rate: float | None, skus: int) -> None:
    """Produce scans, as fast as it goes or at a rate."""
    producer, encode, rnd = rig.producer(), rig.codec.encoder(TOPIC), random.Random(3)
    began = time.monotonic()
    for number in range(count):
        sku = f"SKU-{rnd.randrange(skus):06d}"
        value = encode(scan(sku, LOCATIONS[number % 4], rnd.randrange(1, 40), time.time_ns() // 1_000_000))
        while True:
            try:
                producer.produce(TOPIC, value, sku, timestamp=time.time_ns() // 1_000_000)
                break
            except BufferError:
                producer.poll(0.05)
        if rate and number % 20 == 0:
            producer.poll(0)
            time.sleep(max(0.0, began + number / rate - time.monotonic()))
    producer.flush(120)


def start(rig: Rig, workers: int, skus: int) -> list[str]:
    reference_data(rig, skus)
    urls = [rig.start_worker(f"scans-{number}") for number in range(workers)]
    wait(lambda: all(ready(url) for url in urls), 120, "the workers to be ready")
    settled(urls, skus)
    return urls


def folded(urls: list[str]) -> float:
    return sum(metric(url, FOLDED) for url in urls)


def settled(urls: list[str], policies: int) -> None:
    """Each item writes one policy entry; wait for them all."""
    wait(lambda: folded(urls) >= policies, 120, "the items' policies", 0.2)


def throughput(rig: Rig, scans: int = 600_000, skus: int = 5_000) -> dict[str, Any]:
    """Scans waiting in the topic, drained by two workers."""
    reference_data(rig, skus)
    send(rig, scans, None, skus)
    urls = [rig.start_worker(f"scans-{number}") for number in range(2)]
    total = scans + skus
    wait(lambda: folded(urls) >= total * 0.2, 300, "the first fifth of the scans", 0.1)
    began, at = time.monotonic(), folded(urls)
    wait(lambda: folded(urls) >= total, 600, "all scans", 0.1)
    seconds = time.monotonic() - began
    return {"scans/s": round((total - at) / seconds), "scans": scans, "workers": 2}


def latency(rig: Rig, rate: float = 2_000, seconds: float = 30, skus: int = 5_000) -> dict[str, Any]:
    """Producer's clock to a read-committed consumer of the snapshots, both hops, two workers."""
    start(rig, 2, skus)
    times: list[float] = []
    stop = threading.Event()
    listening = threading.Event()

    def listen() -> None:
        consumer = Consumer(
            {
                "bootstrap.servers": rig.stack.bootstrap,
                "group.id": "bench-latency",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 10,
            }
        )
        consumer.assign([TopicPartition(OUT, p, OFFSET_END) for p in range(rig.partitions)])
        decode = rig.codec.decoder(OUT)
        consumer.poll(2)
        listening.set()
        while not stop.is_set():
            for message in consumer.consume(500, 0.05):
                now, answer = time.time() * 1000, decode(message.value())
                if answer["correlation_id"] == SCANNED:  # not what the sweep's clock brought about
                    times.append(now - answer["as_of"])
        consumer.close()

    thread = threading.Thread(target=listen)
    thread.start()
    listening.wait(30)
    send(rig, int(rate * seconds), rate, skus)
    time.sleep(2)
    stop.set()
    thread.join()
    warm = sorted(times[len(times) // 3 :])  # the broker's Java is warm by then

    def at(share: float) -> int:
        return round(warm[int(len(warm) * share)])

    return {"scans/s": rate, "samples": len(warm), "p50 ms": at(0.5), "p95 ms": at(0.95), "p99 ms": at(0.99)}

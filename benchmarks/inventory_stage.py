"""Inventory stage: ledger → rows, snapshots, deltas and channel offers, one worker, in transactions."""

import random
import time
from typing import Any

from benchmarks.rig import Rig, cpu_seconds, metric, resident_mb, wait
from streams.topics import LEDGER, partitioner

LOCATIONS = ("DC01", "DC02", "DC03", "DC04")
DELTAS = 'stockstream_outputs_total{topic="availability.deltas"}'
KINDS = ("RECEIPT", "ISSUE", "ISSUE", "ADJUST")
FOLDED = 'stockstream_events_total{stage="inventory"}'


def entry(number: int, kind: str, quantity: int, at: int) -> dict[str, Any]:
    """A plain movement as intake writes it."""
    return {
        "event_id": f"e{number}",
        "occurred_at": at,
        "recorded_at": at,
        "source": "WMS-DC01",
        "coordinate": f"warehouse.scans[{number % 4}]@{number}",
        "correlation_id": f"c{number}",
        "kind": kind,
        "quantity": quantity,
        "disposition": "available",
        "to_disposition": None,
        "reference": None,
        "line": None,
        "corrects": None,
        "claim": None,
        "policy": None,
        "reservation": None,
    }


def fill(rig: Rig, entries: int, positions: int, seed: int = 1, first: int = 0) -> None:
    """Write opening stock for each position, then movements of a few units over uniformly drawn positions.

    Uniform is the hardest case: no two entries of a transaction are likely to meet in one row.
    """
    rnd, producer, encode = random.Random(seed), rig.producer(), rig.codec.encoder(LEDGER)
    place = partitioner(rig.partitions)
    now = time.time_ns() // 1_000_000
    for number in range(first, first + entries):
        opening = number < positions
        where = number if opening else rnd.randrange(positions)
        key = f"SKU-{where // len(LOCATIONS):06d}|{LOCATIONS[where % len(LOCATIONS)]}".encode()
        kind, quantity = ("RECEIPT", rnd.randrange(50, 500)) if opening else (rnd.choice(KINDS), rnd.randrange(1, 8))
        value = encode(entry(number, kind, quantity, now + number // 50))
        while True:
            try:
                producer.produce(LEDGER, value, key, partition=place(LEDGER, key))
                break
            except BufferError:
                producer.poll(0.05)
        if number % 10_000 == 0:
            producer.poll(0)
    if producer.flush(120):
        raise TimeoutError("the broker did not take the entries within 120 s")


def run(rig: Rig, entries: int = 800_000, positions: int = 160_000) -> dict[str, Any]:
    """Measure between the first fifth (which creates the positions) and the end."""
    fill(rig, entries, positions)
    url = rig.start_worker("inventory", http_port=0)
    pid = rig.workers[-1].pid
    start = max(positions, entries // 5)
    wait(lambda: metric(url, FOLDED) >= start, 300, f"the first {start} entries", 0.1)
    began, folded, cpu = time.monotonic(), metric(url, FOLDED), cpu_seconds(pid)
    wait(lambda: metric(url, FOLDED) >= entries, 300, f"all {entries} entries", 0.1)
    seconds, count = time.monotonic() - began, entries - folded
    return {
        "entries/s": round(count / seconds),
        "cpu us/entry": round((cpu_seconds(pid) - cpu) / count * 1e6, 1),
        "positions": positions,
        "worker MB": round(resident_mb(pid)),
        "transactions": metric(url, "stockstream_transactions_total"),
        "deltas/entry": round(metric(url, DELTAS) / entries, 2),
    }

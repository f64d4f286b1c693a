"""Recovery: how long a worker that lost its memory needs to read every position back, and what one weighs."""

import time
from typing import Any

from benchmarks.inventory_stage import FOLDED, fill
from benchmarks.rig import Rig, metric, ready, resident_mb, wait


def run(rig: Rig, positions: int = 1_000_000) -> dict[str, Any]:
    """Fold one entry into each position, kill the worker, start another."""
    fill(rig, positions, positions)
    url = rig.start_worker("first")
    wait(lambda: metric(url, FOLDED) >= positions, 900, f"{positions} positions to be folded", 0.25)
    time.sleep(2)
    rig.stop_workers()
    url = rig.start_worker("second", log_level="info")
    base = resident_mb(rig.workers[-1].pid)
    began = time.monotonic()
    wait(lambda: ready(url), 120, "the recovery")
    seconds = time.monotonic() - began
    weight = resident_mb(rig.workers[-1].pid) - base
    rows = sum(metric(url, f'stockstream_rows{{table="{table}"}}') for table in ("inventory",))
    return {
        "positions": positions,
        "rows": rows,
        "seconds": round(seconds, 2),
        "rows/s": round(rows / seconds) if seconds else None,
        "bytes/position": round(weight * 1024 * 1024 / positions),
    }

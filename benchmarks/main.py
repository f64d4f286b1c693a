"""Runs benchmarks by name, each on a fresh stack."""

from collections.abc import Callable
from typing import Any

from benchmarks import api, inventory_stage, recovery, scans
from benchmarks.rig import Rig, rig

BENCHMARKS: dict[str, Callable[[Rig], dict[str, Any]]] = {
    "inventory": inventory_stage.run,
    "scans": scans.throughput,
    "latency": scans.latency,
    "recovery": recovery.run,
    "api": api.run,
}


def run(names: list[str]) -> dict[str, dict[str, Any]]:
    """Run them one after the other; raise KeyError for an unknown name."""
    results = {}
    for name in names:
        with rig() as it:
            results[name] = BENCHMARKS[name](it)
            print(name, results[name], flush=True)
    return results

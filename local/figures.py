"""The demo's figures, from what was published and what the producers logged. Pure arithmetic; latencies in ms."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from local.journal import Acknowledged

SHARES = (("p50", 0.50), ("p95", 0.95), ("p99", 0.99))


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """p50, p95, p99 and the number of values; zeros where there is none."""
    if not values:
        return {"p50": 0, "p95": 0, "p99": 0, "count": 0}
    ordered = sorted(values)
    at = {name: ordered[min(len(ordered) - 1, int(len(ordered) * share))] for name, share in SHARES}
    return {**at, "count": len(ordered)}


def latencies(
    deltas: Iterable[tuple[int, Mapping[str, Any]]], sent_ms: Mapping[str, int], without: tuple[int, int] = (0, 0)
) -> list[int]:
    """Milliseconds from the newest causing record's production to the delta's own timestamp.

    `deltas` are timestamps and records. Deltas that time brought about, not a record (a held-back change, the passing
    of a date), have no such latency. `without` leaves out records produced in that span of wall time.
    """
    found = []
    for timestamp, delta in deltas:
        causes = [sent_ms[cause] for cause in delta["causes"] if cause in sent_ms]
        if causes and "CLOCK" not in delta["reasons"] and not without[0] <= max(causes) <= without[1]:
            found.append(timestamp - max(causes))
    return found


def longest_gaps(stamps: Iterable[tuple[int, int]], since: int, until: int) -> dict[int, int]:
    """By partition, the longest time without a record between two moments. `stamps` are partition and time, ms."""
    by_partition: dict[int, list[int]] = defaultdict(list)
    for partition, at in stamps:
        if since - 2_000 <= at <= until:
            by_partition[partition].append(at)
    gaps = {}
    for partition, times in by_partition.items():
        times.sort()
        gaps[partition] = max((b - a for a, b in pairwise(times) if b >= since), default=0)
    return gaps


def event_counts(journal: Iterable[Acknowledged]) -> tuple[dict[str, int], dict[str, int]]:
    """Acknowledged records by label and by what was done to them."""
    labels: Counter[str] = Counter()
    marks: Counter[str] = Counter()
    for record in journal:
        labels[record.label] += 1
        if record.mark:
            marks[record.mark] += 1
    return dict(labels.most_common()), dict(marks.most_common())

"""From what a task folds and writes to its metrics: once a chunk or a transaction, and once for what is rare."""

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any, Final

from schemas.instruments import OTHER, Bounded
from streams import metrics
from tables.exceptions import CATEGORIES
from tables.outcome import Measure

SAMPLES: Final = 4
"""Positions of a transaction whose time from intake to commit is taken."""
_named: Final = {label: Bounded() for label in ("partner", "location", "source", "channel")}


def bounded(label: str, value: str) -> str:
    """The value, or `other` once there are too many."""
    known = _named.get(label)
    return value if known is None else known(value)


def measured(measures: Iterable[Measure]) -> None:
    """Take what stages measured in one step."""
    for metric, values, amount in measures:
        labels = [bounded(label, value) for label, value in zip(metric.labels, values, strict=True)]
        if metric.kind == "counter":
            counted = metrics.COUNTED[metric.name]
            (counted.labels(*labels) if labels else counted).inc(amount)
        else:
            metrics.OBSERVED[metric.name].labels(*labels).observe(amount)


def _raised(record: Mapping[str, Any]) -> None:
    category = record["category"]
    metrics.RAISED.labels(category, record["severity"]).inc()
    if category == "STOCK_DIVERGENCE":
        location = record["subject"]["id"].split("|")[1]
        units = abs(int(record["evidence"]["found"]) - int(record["evidence"]["compared"]))
        metrics.DIVERGENCE.labels(bounded("location", location)).inc(units)


def _resolved(record: Mapping[str, Any]) -> None:
    metrics.RESOLVED.labels(record["category"], record["resolution"]).inc()


def _dead(record: Mapping[str, Any]) -> None:
    metrics.DEAD_LETTERS.labels(record["category"] if record["category"] in CATEGORIES else OTHER).inc()


def _decided(record: Mapping[str, Any]) -> None:
    """A request that was refused as UNKNOWN_CHANNEL or INVALID may name any channel."""
    strange = record["reason"] in ("UNKNOWN_CHANNEL", "INVALID")
    channel = OTHER if strange else bounded("channel", record["channel"])
    metrics.RESERVATIONS.labels(channel, record["action"], record["state"], record["reason"] or "").inc()


RARE: Final[Mapping[str, Callable[[Mapping[str, Any]], None]]] = {
    "exceptions": _raised,
    "exceptions.resolutions": _resolved,
    "dead-letters": _dead,
    "reservations.replies": _decided,
}
"""Topics whose records are counted one by one."""


def committed(snapshots: Iterable[Mapping[str, Any]], now: int) -> None:
    """Take samples of a transaction's availability: how long its newest stamp was under way (now: business time, ms).

    What only the passing of time has changed has no stamp of its own time and is left out.
    """
    for snapshot in islice(snapshots, SAMPLES):
        newest = max(snapshot["stamps"], key=_ingested, default=None)
        if newest is not None and newest["ingested_at"] == snapshot["computed_at"]:
            labels = bounded("source", newest["source"]), bounded("location", snapshot["location"])
            metrics.END_TO_END_SECONDS.labels(*labels).observe(max(0, now - newest["ingested_at"]) / 1000)


def _ingested(stamp: Mapping[str, Any]) -> int:
    return int(stamp["ingested_at"])

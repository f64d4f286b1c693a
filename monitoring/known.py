"""Whether an expression reads only metrics that exist, by labels that they have."""

from collections.abc import Iterable, Mapping

from monitoring.promql import read
from schemas.metrics import FOREIGN, METRICS, SCRAPED, series


def exposed() -> dict[str, frozenset[str]]:
    """The labels of every series a process of ours exposes, and of those that Prometheus adds."""
    known: dict[str, frozenset[str]] = {}
    for metric in METRICS:
        for name in series(metric):
            own = {*metric.labels, "le"} if name.endswith("_bucket") and metric.kind == "histogram" else metric.labels
            known[name] = frozenset(own)
    return known | FOREIGN


def faults(expression: str, recorded: Mapping[str, Iterable[str]]) -> list[str]:
    """What is wrong with it; `recorded`: labels of recording rules' series. Empty: nothing."""
    reading = read(expression)
    known = {**exposed(), **{name: frozenset(labels) for name, labels in recorded.items()}}
    found: list[str] = []
    having: set[str] = set(SCRAPED)
    for name, matched in reading.selectors:
        labels = known.get(name)
        if labels is None:
            found.append(f"no metric {name}")
            continue
        having |= labels
        found += [f"{name} has no label {label}" for label in matched if label not in labels | SCRAPED]
    if not reading.selectors:
        found.append("it reads no metric")
    return found + [f"grouped by {label}, which nothing in it has" for label in reading.grouped if label not in having]

"""Clients' objects of the metrics that schemas/metrics.py names."""

from importlib.metadata import PackageNotFoundError, version

import prometheus_client
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from schemas.metrics import Metric

prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each counter, which nobody asks for

OTHER = "other"


def counter(metric: Metric, registry: CollectorRegistry = REGISTRY) -> Counter:
    """Counts up."""
    _check(metric, "counter")
    return Counter(metric.name, metric.help, metric.labels, registry=registry)


def gauge(metric: Metric, registry: CollectorRegistry = REGISTRY) -> Gauge:
    """Goes up and down."""
    _check(metric, "gauge")
    return Gauge(metric.name, metric.help, metric.labels, registry=registry)


def histogram(metric: Metric, registry: CollectorRegistry = REGISTRY) -> Histogram:
    """Counts observations by size."""
    _check(metric, "histogram")
    return Histogram(metric.name, metric.help, metric.labels, buckets=metric.buckets, registry=registry)


def running(build: Gauge, process: str) -> None:
    """Tell which process this is, in which version."""
    try:
        release = version("stockstream")
    except PackageNotFoundError:  # run from the source tree
        release = "unknown"
    build.labels(process, release).set(1)


def _check(metric: Metric, kind: str) -> None:
    if metric.kind != kind:
        raise TypeError(f"{metric.name} is a {metric.kind}, not a {kind}")


class Bounded:
    """Values of a label that come from data: the first `most` have their name, all further ones are `other`."""

    def __init__(self, most: int = 100) -> None:
        self._most = most
        self._known: set[str] = set()

    def __call__(self, value: str) -> str:
        if value in self._known:
            return value
        if len(self._known) >= self._most:
            return OTHER
        self._known.add(value)
        return value

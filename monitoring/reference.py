"""docs/metrics.md: every metric, in a table for each process."""

from itertools import groupby
from typing import Final

from schemas.metrics import FOREIGN, METRICS, Metric

HEAD: Final = """# Metrics

Every process serves `/metrics` on its health port. This page is written by `make monitoring` from `schemas/metrics.py`, the one place that names them. Labels have few values: stages, topics, declared channels, systems and subscriptions, and the first hundred feeds, locations and partners a process meets (all further ones are `other`); none grows with SKUs, documents or customers. Beside its own labels a series has `job` and `instance`, and `site`, which the chart's ServiceMonitor and compose give it: alerts are judged of each site apart, dashboards show the one chosen. Whoever scrapes otherwise and has several sites under one Prometheus adds that label; with one site it may be left out. `product: stockstream`, which both give as well, tells targets that are ours from others before they have said a word; without it nothing is said of a process that never came up. Histograms have `_bucket`, `_sum` and `_count`.

[Alerts](runbooks/README.md) and the dashboards in `helm/stockstream/files` use these, and nothing else but what Prometheus and its Python client add: {foreign}.
"""
TITLES: Final = {
    "every": "Every process",
    "connectors": "api and connectors",
    "worker": "worker",
    "redis-view": "connect redis",
    "api": "api",
    "erp": "connect erp",
    "webhooks": "connect webhooks",
    "shop": "connect shop",
}


def page() -> str:
    """The page as text."""
    foreign = ", ".join(f"`{name}`" for name in FOREIGN)
    parts = [HEAD.format(foreign=foreign)]
    order = list(TITLES)
    metrics = sorted(METRICS, key=lambda metric: order.index(metric.process))
    for process, group in groupby(metrics, key=lambda metric: metric.process):
        parts.append(
            f"## {TITLES[process]}\n\n| metric | kind | labels | meaning |\n|---|---|---|---|\n{_rows(list(group))}"
        )
    return "\n".join(parts)


def _rows(metrics: list[Metric]) -> str:
    rows = ""
    for metric in metrics:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        rows += f"| `{metric.name}` | {metric.kind} | {labels} | {metric.help} |\n"
    return rows

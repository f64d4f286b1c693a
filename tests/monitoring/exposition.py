"""What a process says at /metrics, taken apart."""

import urllib.request

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from schemas.metrics import METRICS

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]
COMMERCE = {"webhooks", "shop"}  # one program: each has the other's as well, at nought


def scraped(url: str) -> str:
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
        return answer.read().decode()


def here() -> Samples:
    """What a connector in this process would say."""
    return samples(generate_latest().decode())


def families(text: str) -> set[str]:
    return {family.name for family in text_string_to_metric_families(text)}


def samples(text: str) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(found: Samples, name: str, **labels: str) -> float:
    """Of one series; 0 where it is not there."""
    return found.get((name, frozenset(labels.items())), 0.0)


def total(found: Samples, name: str, **labels: str) -> float:
    """Of all series of a name that have these labels."""
    return sum(v for (n, having), v in found.items() if n == name and labels.items() <= dict(having).items())


def named(process: str) -> set[str]:
    """The families that schemas/metrics.py names for a process, as the client calls them."""
    mine = {process, "every", *([] if process == "worker" else ["connectors"])}
    if process in COMMERCE:
        mine |= COMMERCE
    return {metric.name.removesuffix("_total") for metric in METRICS if metric.process in mine}

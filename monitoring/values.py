"""Whether an expression asks only for label values that the code can set; what comes from data may be anything."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final, get_args

from connectors.api import availability, channels
from monitoring.objectives import OBJECTIVES
from monitoring.promql import Matcher, matchers
from schemas.catalogue import catalogue
from schemas.metrics import METRICS, PRODUCT
from schemas.records import ErpPostingResult
from tables.exceptions import CATEGORIES

OPEN: Final = frozenset(
    {"site", "partner", "location", "source", "channel", "system", "subscription", "instance", "job"}
)
"""Labels whose values come from data, from declarations or from whoever scrapes."""
OUTCOMES: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "stockstream_intake_records_total": (
        "streams/intake.py streams/waiting_room.py",
        ("accepted", "duplicate", "parked", "quarantined", "dead", "replayed"),
    ),
    "stockstream_ship_notices_total": ("tables/measures.py", ("in_time", "late")),
    "stockstream_order_lines_received_total": ("tables/measures.py", ("on_time", "late")),
    "stockstream_view_records_total": ("connectors/outbound/redis_view/view.py", ("applied", "old", "undecodable")),
    "stockstream_webhook_deliveries_total": (
        "connectors/outbound/commerce/subscriber.py",
        ("delivered", "failed", "gone"),
    ),
    "stockstream_erp_attempts_total": ("schemas/records.py", get_args(ErpPostingResult.__annotations__["outcome"])),
}
"""Outcomes by metric, and the files in which each stands as it is counted."""


def _topics() -> set[str]:
    return {topic.name for topic in catalogue().for_channels(["webshop"])}


def _routes() -> set[str]:
    return {getattr(route, "path", "") for module in (availability, channels) for route in module.router.routes}


VALUES: Final[Mapping[str, Callable[[], Iterable[str]]]] = {
    "severity": lambda: {category.severity for category in CATEGORIES.values()},
    "owner": lambda: {category.owner for category in CATEGORIES.values()},
    "category": lambda: CATEGORIES,
    "topic": _topics,
    "route": _routes,
    "status": lambda: ("0", *map(str, range(100, 600))),
    "shadow": lambda: ("true", "false"),
    "slo": lambda: [objective.name for objective in OBJECTIVES],
    PRODUCT: lambda: ("stockstream",),
}
BOUNDS: Final = {f"{metric.name}_bucket": {str(float(bound)) for bound in metric.buckets} for metric in METRICS}


def can_be(matcher: Matcher) -> Iterable[str] | None:
    """All values of the label, or None where they are not ours to know; raise KeyError where nobody has said."""
    if matcher.label in OPEN:
        return None
    if matcher.label == "le":
        return BOUNDS[matcher.metric]
    if matcher.label == "outcome":
        return OUTCOMES[matcher.metric][1]
    return VALUES[matcher.label]()


def strange(expression: str) -> list[str]:
    """Values asked for that no process of ours sets."""
    found: list[str] = []
    for matcher in matchers(expression):
        if not matcher.value:  # whether there is any
            continue
        try:
            values = can_be(matcher)
        except KeyError:
            found.append(f"nobody has said what {matcher.label} of {matcher.metric} can be")
            continue
        if values is not None:
            asked = alternatives(matcher.value) if "~" in matcher.sign else [re.escape(matcher.value)]
            missing = [each for each in asked if not any(re.fullmatch(each, value) for value in values)]
            found += [f"{matcher.label} of {matcher.metric} is never {each}" for each in missing]
    return found


def alternatives(pattern: str) -> list[str]:
    """What a pattern offers to choose from, outside of parentheses and brackets."""
    found, depth = [""], 0
    for sign in pattern:
        depth += (sign in "([") - (sign in ")]")
        if sign == "|" and not depth:
            found.append("")
        else:
            found[-1] += sign
    return found


def unsaid(read: Callable[[str], str]) -> list[str]:
    """Outcomes that stand in none of the files which are said to count them; `read`: a file's text."""
    return [
        f"{outcome} of {metric}"
        for metric, (paths, outcomes) in OUTCOMES.items()
        for outcome in outcomes
        if not any(f'"{outcome}"' in read(path) for path in paths.split())
    ]

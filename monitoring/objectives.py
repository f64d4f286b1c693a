"""What the business is promised, and the alerts when the promise is being spent: multi-window, multi-burn-rate.

An objective says which share of events (or of time) may go wrong in 30 days: its budget. An alert fires when the budget
is spent so many times too fast over a long window and still over a short one: fast enough to matter, and not over yet.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from monitoring.rules import Alert, Group, Recording

ERRORS: Final = "stockstream:slo_errors:ratio_rate"
NOT_FRESH: Final = "stockstream:location_not_fresh:max"


class Burn(NamedTuple):
    """Fires when `factor` times the budget's pace is exceeded over both windows."""

    severity: Literal["critical", "warning"]
    long: str
    short: str
    factor: float
    spent: str
    """How much of the budget of 30 days that is, once the long window is over."""


FAST: Final = (
    Burn("critical", "1h", "5m", 14.4, "2 %"),
    Burn("critical", "6h", "30m", 6, "5 %"),
    Burn("warning", "1d", "2h", 3, "10 %"),
    Burn("warning", "3d", "6h", 1, "10 %"),
)
SLOW: Final = (Burn("warning", "1d", "6h", 3, "10 %"), Burn("warning", "3d", "1d", 1, "10 %"))
"""For what happens a few times a day, and for promises of others: nobody is woken."""


@dataclass(frozen=True, slots=True)
class Objective:
    """`bad` and `all` are counts over a window, `{window}` in them; a share of time has `bad` alone, a ratio already."""

    name: str
    alert: str
    title: str
    target: float
    labels: tuple[str, ...]
    bad: str
    all: str = ""
    least: int = 0
    """Events there must be in the long window: one late line of two is no trend."""
    burns: tuple[Burn, ...] = FAST
    who: str = ""
    """The series' labels as people read them, in Prometheus's templates."""

    @property
    def budget(self) -> float:
        return round(1 - self.target, 6)

    @property
    def windows(self) -> list[str]:
        """Each once, shortest first."""
        found = {window for burn in self.burns for window in (burn.long, burn.short)}
        return sorted(found, key=seconds)

    def ratio(self, window: str) -> str:
        bad = self.bad.replace("{window}", window)
        return f"{bad}\n/\n{self.all.replace('{window}', window)}" if self.all else bad


def seconds(window: str) -> int:
    """Of a Prometheus duration of one unit."""
    return int(window[:-1]) * {"m": 60, "h": 3_600, "d": 86_400}[window[-1]]


def _by(labels: tuple[str, ...]) -> str:
    return f" by ({', '.join(labels)})" if labels else ""


def _within(metric: str, limit: str, *labels: str, match: str = "") -> tuple[str, str]:
    """Bad and all of a latency objective: what took longer than a bucket's bound."""
    by, only = _by(labels), f"{{{match}}}" if match else ""
    within = f'{{{match + ", " if match else ""}le="{limit}"}}'
    whole = f"sum{by} (rate({metric}_count{only}[{{window}}]))"
    return f"({whole} - sum{by} (rate({metric}_bucket{within}[{{window}}])))", whole


def _share(metric: str, bad: str, *labels: str, match: str = "") -> tuple[str, str]:
    """Bad and all of a counter."""
    by, only = _by(labels), f"{{{match}}}" if match else ""
    wrong = f"{{{match + ', ' if match else ''}{bad}}}"
    return f"sum{by} (rate({metric}{wrong}[{{window}}]))", f"sum{by} (rate({metric}{only}[{{window}}]))"


OBJECTIVES: Final = (
    Objective(
        "feed_freshness", "StockstreamFeedNotFresh", "Feeds of a warehouse are fresh 99 % of the time", 0.99,
        ("location",), f"avg_over_time({NOT_FRESH}[{{window}}])", who="{{ $labels.location }}",
    ),
    Objective(
        "intake_to_channel", "StockstreamChannelsLate",
        "99 % of changes are with the channels 2.5 s after they were taken in", 0.99, ("location",),
        *_within("stockstream_end_to_end_seconds", "2.5", "location"), who="{{ $labels.location }}",
    ),
    Objective(
        "intake_wait", "StockstreamIntakeWaits", "99 % of records are taken in 2.5 s after they were sent", 0.99,
        ("topic",), *_within("stockstream_wait_seconds", "2.5", "topic"), who="{{ $labels.topic }}",
    ),
    Objective(
        "posting_success", "StockstreamPostingsFail", "The ERP takes 99 % of the postings offered to it", 0.99,
        ("system",),
        *_share("stockstream_erp_attempts_total", 'outcome=~"FAILED|UNKNOWN|REFUSED"', "system", match='shadow="false"'),
        least=20, who="{{ $labels.system }}",
    ),
    Objective(
        "posting_time", "StockstreamPostingsLate", "The ERP has 95 % of postings within 5 minutes", 0.95, ("system",),
        *_within("stockstream_erp_posting_seconds", "300.0", "system"), least=20, who="{{ $labels.system }}",
    ),
    Objective(
        "api_success", "StockstreamApiErrors", "99.9 % of the API's answers are no fault of ours", 0.999, (),
        *_share("stockstream_api_requests_total", 'status=~"0|5.."'), least=100, who="the API",
    ),
    Objective(
        "api_time", "StockstreamApiSlow", "99 % of the API's answers about availability take 100 ms at most", 0.99, (),
        *_within("stockstream_api_request_seconds", "0.1", match='route=~"/v1/(availability|channels).*"'), least=100,
        who="the API",
    ),
    Objective(
        "webhook_delivery", "StockstreamWebhooksFail", "Receivers take 95 % of deliveries", 0.95, ("subscription",),
        *_share("stockstream_webhook_deliveries_total", 'outcome!="delivered"', "subscription"), least=10,
        who="{{ $labels.subscription }}",
    ),
    Objective(
        "partner_delivery", "StockstreamPartnerLate", "A supplier delivers 90 % of lines by the date it promised", 0.90,
        ("partner",), *_share("stockstream_order_lines_received_total", 'outcome="late"', "partner"), least=20,
        burns=SLOW, who="{{ $labels.partner }}",
    ),
    Objective(
        "partner_acknowledgement", "StockstreamPartnerSilent",
        "A supplier acknowledges 90 % of the orders it answers within a day", 0.90, ("partner",),
        *_within("stockstream_acknowledgement_seconds", "86400.0", "partner"), least=10, burns=SLOW,
        who="{{ $labels.partner }}",
    ),
    Objective(
        "partner_notice", "StockstreamPartnerUnannounced", "A supplier announces 90 % of shipments before they arrive",
        0.90, ("partner",), *_share("stockstream_ship_notices_total", 'outcome="late"', "partner"), least=10,
        burns=SLOW, who="{{ $labels.partner }}",
    ),
)  # fmt: skip


def recordings() -> Iterator[Recording]:
    """The ratios that alerts and dashboards read, by window."""
    yield Recording(NOT_FRESH, "max by (location) (stockstream_feed_status) > bool 0", ("location",))
    for objective in OBJECTIVES:
        for window in objective.windows:
            labels = {"slo": objective.name}
            yield Recording(ERRORS + window, objective.ratio(window), (*objective.labels, "slo"), labels)


def alerts() -> Iterator[Alert]:
    for objective in OBJECTIVES:
        for burn in objective.burns:
            yield _alert(objective, burn)


def _alert(objective: Objective, burn: Burn) -> Alert:
    limit = f"{burn.factor:g} * {objective.budget:g}"
    which = f'{{slo="{objective.name}"}}'
    expression = f"{ERRORS}{burn.long}{which} > {limit}\nand\n{ERRORS}{burn.short}{which} > {limit}"
    if objective.least:
        counted = objective.all.replace("{window}", burn.long).replace("rate(", "increase(")
        on = f"on ({', '.join(objective.labels)})" if objective.labels else "on ()"
        expression += f"\nand {on}\n{counted} >= {objective.least}"
    return Alert(
        objective.alert,
        expression,
        burn.severity,
        f"{objective.title}: {objective.who} does not keep it",
        f"{{{{ $value | humanizePercentage }}}} went wrong over {burn.long}, and it still does over {burn.short}. At "
        f"{objective.budget * burn.factor:.2%} that window alone spends {burn.spent} of a month's budget.",
        labels={"slo": objective.name, "window": burn.long},
    )


def groups() -> tuple[Group, ...]:
    return (
        Group("stockstream-objectives", tuple(recordings()), "30s"),
        Group("stockstream-burn-rates", tuple(alerts()), "30s"),
    )

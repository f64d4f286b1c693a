"""What the business is promised, and the alerts when the promise is being spent: multi-window, multi-burn-rate.

An objective says which share of events (or of time) may go wrong in 30 days: its budget. An alert fires when the budget
is spent so many times too fast over a long window and still over a short one: fast enough to matter, and not over yet.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from monitoring.counters import by, increase, seconds
from monitoring.rules import Alert, Group, Recording
from schemas.metrics import ACKNOWLEDGED, ORDERS

ERRORS: Final = "stockstream:slo_errors:ratio_rate"
EVENTS: Final = "stockstream:slo_events:increase"
NOT_FRESH: Final = "stockstream:location_not_fresh:max"


Over = Callable[[str], str]
"""An expression over a window."""


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


class Counts(NamedTuple):
    """What there was over a window, and which of it was bad, or else good. A share of time is a ratio already."""

    bad: Over | None = None
    good: Over | None = None
    all: Over | None = None


@dataclass(frozen=True, slots=True)
class Objective:
    """What is promised of each value of its labels."""

    name: str
    alert: str
    title: str
    target: float
    labels: tuple[str, ...]
    counts: Counts
    least: int = 0
    """Events there must be in the long window: one late line of two is no trend. They are recorded, if it is given."""
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

    @property
    def on(self) -> str:
        return f"on ({', '.join(self.labels)})"

    def events(self, window: str) -> str:
        """All there were, as recorded."""
        return f'{EVENTS}{window}{{slo="{self.name}"}}'

    def ratio(self, window: str) -> str:
        bad, good, every = self.counts
        if good:
            return f"1 - {good(window)}\n/ {self.on}\n{self.events(window)}"
        if bad is None:
            raise TypeError(f"{self.name} counts nothing")
        if every and self.least:
            return f"{bad(window)}\n/ {self.on}\n{self.events(window)}"
        return f"{bad(window)}\n/\n{every(window)}" if every else bad(window)


def _within(metric: str, limit: str, *labels: str, match: str = "") -> Counts:
    """A latency objective: good is what a bucket's bound holds."""
    fast = f'{match + ", " if match else ""}le="{limit}"'
    return Counts(
        good=lambda window: increase(f"{metric}_bucket", window, *labels, match=fast),
        all=lambda window: increase(f"{metric}_count", window, *labels, match=match),
    )


def _within_busy(metric: str, limit: str, *labels: str) -> Counts:
    """The same of what every process observes all the time, where a series' first observations do not matter."""

    def whole(window: str) -> str:
        return f"sum{by(*labels)} (rate({metric}_count[{window}]))"

    def slow(window: str) -> str:
        return f'({whole(window)} - sum{by(*labels)} (rate({metric}_bucket{{le="{limit}"}}[{window}])))'

    return Counts(bad=slow, all=whole)


def _share(metric: str, bad: str, *labels: str, match: str = "") -> Counts:
    """Those of a counter with a label that says so."""
    wrong = f"{match + ', ' if match else ''}{bad}"
    return Counts(
        bad=lambda window: increase(metric, window, *labels, match=wrong),
        all=lambda window: increase(metric, window, *labels, match=match),
    )


OBJECTIVES: Final = (
    Objective(
        "feed_freshness", "StockstreamFeedNotFresh", "Feeds of a warehouse are fresh 99 % of the time", 0.99,
        ("location",), Counts(bad=lambda window: f"avg_over_time({NOT_FRESH}[{window}])"), who="{{ $labels.location }}",
    ),
    Objective(
        "intake_to_channel", "StockstreamChannelsLate",
        "99 % of changes are with the channels 2.5 s after they were taken in", 0.99, ("location",),
        _within_busy("stockstream_end_to_end_seconds", "2.5", "location"), who="{{ $labels.location }}",
    ),
    Objective(
        "intake_wait", "StockstreamIntakeWaits", "99 % of records are taken in 2.5 s after they were sent", 0.99,
        ("topic",), _within_busy("stockstream_wait_seconds", "2.5", "topic"), who="{{ $labels.topic }}",
    ),
    Objective(
        "posting_success", "StockstreamPostingsFail", "The ERP takes 99 % of the postings offered to it", 0.99,
        ("system",),
        _share("stockstream_erp_attempts_total", 'outcome=~"FAILED|UNKNOWN|REFUSED"', "system", match='shadow="false"'),
        least=20, who="{{ $labels.system }}",
    ),
    Objective(
        "posting_time", "StockstreamPostingsLate", "The ERP has 95 % of postings within 5 minutes", 0.95, ("system",),
        _within("stockstream_erp_posting_seconds", "300.0", "system"), least=20, who="{{ $labels.system }}",
    ),
    Objective(
        "api_success", "StockstreamApiErrors", "99.9 % of the API's answers are no fault of ours", 0.999, (),
        _share("stockstream_api_requests_total", 'status=~"0|5.."'), least=100, who="the API",
    ),
    Objective(
        "api_time", "StockstreamApiSlow", "99 % of the API's answers about availability take 100 ms at most", 0.99, (),
        _within("stockstream_api_request_seconds", "0.1", match='route=~"/v1/(availability|channels).*"'), least=100,
        who="the API",
    ),
    Objective(
        "webhook_delivery", "StockstreamWebhooksFail", "Receivers take 95 % of deliveries", 0.95, ("subscription",),
        _share("stockstream_webhook_deliveries_total", 'outcome!="delivered"', "subscription"), least=10,
        who="{{ $labels.subscription }}",
    ),
    Objective(
        "partner_delivery", "StockstreamPartnerLate", "A supplier delivers 90 % of lines by the date it promised", 0.90,
        ("partner",), _share("stockstream_order_lines_received_total", 'outcome="late"', "partner"), least=20,
        burns=SLOW, who="{{ $labels.partner }}",
    ),
    Objective(
        "partner_acknowledgement", "StockstreamPartnerAcknowledgesLate",
        "A supplier acknowledges 90 % of the orders it answers within a day", 0.90, ("partner",),
        _within("stockstream_acknowledgement_seconds", "86400.0", "partner"), least=10, burns=SLOW,
        who="{{ $labels.partner }}",
    ),
    Objective(
        "partner_notice", "StockstreamPartnerUnannounced", "A supplier announces 90 % of shipments before they arrive",
        0.90, ("partner",), _share("stockstream_ship_notices_total", 'outcome="late"', "partner"), least=10,
        burns=SLOW, who="{{ $labels.partner }}",
    ),
)  # fmt: skip


SILENCE: Final = (("2d", 5), ("5d", 2))
"""Windows, which end a day ago, and the orders there must be in them: of many soon, of few later."""


def silent() -> Iterator[Alert]:
    """Suppliers that answer no order, or few: an acknowledgement that never comes is in no measure of its time.

    All answers since then are set against the orders of the window, so that one that came in time is never missing.
    """
    for window, least in SILENCE:
        since = f"{int(window[:-1]) + 1}d"
        ordered = increase(ORDERS.name, window, "partner", ago="1d")
        answered = increase(ACKNOWLEDGED.name, since, "partner")
        yield Alert(
            "StockstreamPartnerSilent",
            f"{ordered} >= {least}\nunless on (partner)\n{answered}\n>= on (partner)\n0.5 * {ordered}",
            "warning",
            "{{ $labels.partner }} leaves most orders unanswered",
            f"It was sent {{{{ $value | humanize }}}} orders in {window}, all more than a day ago, and has acknowledged "
            "less than half of them. What they bring is promised for the date requested, which nobody has confirmed.",
            labels={"window": window},
        )


def recordings() -> Iterator[Recording]:
    """The ratios that alerts and dashboards read, by window."""
    yield Recording(NOT_FRESH, "max by (location) (stockstream_feed_status) > bool 0", ("location",))
    for objective in OBJECTIVES:
        having, labels = (*objective.labels, "slo"), {"slo": objective.name}
        for window in objective.windows:
            if objective.least and objective.counts.all:
                yield Recording(EVENTS + window, objective.counts.all(window), having, labels)
            yield Recording(ERRORS + window, objective.ratio(window), having, labels)


def alerts() -> Iterator[Alert]:
    for objective in OBJECTIVES:
        for burn in objective.burns:
            yield _alert(objective, burn)
    yield from silent()


def _alert(objective: Objective, burn: Burn) -> Alert:
    limit = f"{burn.factor:g} * {objective.budget:g}"
    which = f'{{slo="{objective.name}"}}'
    expression = f"{ERRORS}{burn.long}{which} > {limit}\nand\n{ERRORS}{burn.short}{which} > {limit}"
    if objective.least:
        expression += f"\nand {objective.on}\n{objective.events(burn.long)} >= {objective.least}"
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

"""What makes each alert fire, and what looks like it and must not. Series in promtool's notation, a sample a minute."""

import re
from typing import Final, NamedTuple


class Case(NamedTuple):
    """Series and whether the alert fires on them after `minutes`; `severities` are those that do.

    `ever`: asked of all minutes until then, not of the last alone.
    """

    alert: str
    what: str
    series: dict[str, str]
    minutes: int
    severities: tuple[str, ...] = ()
    step: str = "1m"
    ever: bool = False


def _counts(metric: str, good: str, bad: str, *, per_step: tuple[int, int], steps: int) -> dict[str, str]:
    """A counter by a label: so many good and bad in a step."""
    return {f"{metric}{{{good}}}": f"0+{per_step[0]}x{steps}", f"{metric}{{{bad}}}": f"0+{per_step[1]}x{steps}"}


def _times(metric: str, labels: str, limit: str, *, within: int, whole: int, steps: int) -> dict[str, str]:
    """A histogram: so many of a step's observations within the limit."""
    return {
        f'{metric}_bucket{{{labels}, le="{limit}"}}': f"0+{within}x{steps}",
        f"{metric}_count{{{labels}}}": f"0+{whole}x{steps}",
    }


FAST: Final = ("critical", "warning")


def _burning(alert: str, spent: dict[str, str], kept: dict[str, str]) -> list[Case]:
    """Half of everything wrong for hours wakes somebody; what is within the budget does not."""
    return [Case(alert, "burns", spent, 400, FAST), Case(alert, "keeps its budget", kept, 400)]


def _slow(alert: str, spent: dict[str, str], kept: dict[str, str]) -> list[Case]:
    """Days, in steps of half an hour."""
    return [
        Case(alert, "burns", spent, 4_500, ("warning",), "30m"),
        Case(alert, "keeps its budget", kept, 4_500, (), "30m"),
        Case(
            alert,
            "is too little to judge by",
            {k: v.replace("0+", "0+0.0") for k, v in spent.items()},
            4_500,
            (),
            "30m",
        ),
    ]


def _latency(alert: str, metric: str, labels: str, limit: str) -> list[Case]:
    return _burning(
        alert,
        _times(metric, labels, limit, within=50, whole=100, steps=400),
        _times(metric, labels, limit, within=1_000, whole=1_000, steps=400),
    )


ATTEMPTS: Final = "stockstream_erp_attempts_total"
_SAP: Final = 'system="sap", operation="credit", shadow="false"'


def _instance(
    ready: str, up: str, *, name: str = "a", process: str = "worker", job: str = "s", start: str = ""
) -> dict[str, str]:
    """What Prometheus has of one instance; `up` is all there is while it does not answer, and nothing once it is gone.

    It says who it is whenever it says whether it is ready.
    """
    which = f'job="{job}", instance="{name}"'
    found = {f'up{{product="stockstream", {which}}}': up}
    if ready:
        info = re.sub(r"\b[01](?=x|\s|$)", "1", ready)
        found[f'stockstream_ready{{process="{process}", {which}}}'] = ready
        found[f'stockstream_process_info{{process="{process}", version="1", {which}}}'] = info
    return found | ({f"process_start_time_seconds{{{which}}}": start} if start else {})


def _never(what: str, series: dict[str, str], minutes: int) -> list[Case]:
    """None of the alerts about processes that are away fires at any time."""
    return [Case(alert, what, series, minutes, ever=True) for alert in AWAY]


AWAY: Final = (
    "StockstreamNotReady",
    "StockstreamNeverReady",
    "StockstreamInstanceNotReady",
    "StockstreamInstanceDown",
    "StockstreamRestarting",
)
BACK_OFF: Final = " ".join(["0 stale _x3"] * 40)
"""Scraped once, not ready, then away for the rest of five minutes: a connector in CrashLoopBackOff."""
STARTS: Final = " ".join(f"{start} stale _x3" for start in range(40))
RARELY_UP: Final = " ".join(["1 0x3"] * 40)
NOT_LET_IN: Final = _instance("1x60 stale", "1x60 0x200")
"""A worker whose password was changed: since then it leaves with 77, before it serves /metrics."""
NEVER_LET_IN: Final = _instance("", "0x400")
UPGRADE: Final = (
    _instance("1x60 0 stale", "1x61 stale", name="old-1")
    | _instance("1x61 0 stale", "1x62 stale", name="old-2")
    | _instance("_x52 0x4 1x200", "_x50 0x1 1x205", name="new-1")
    | _instance("_x52 0x5 1x200", "_x50 0x1 1x205", name="new-2")
)
SCALE_DOWN: Final = (
    _instance("1x300", "1x300", name="a")
    | _instance("1x300", "1x300", name="b")
    | _instance("1x60 0 stale", "1x61 stale", name="c")
)
RESTART: Final = _instance("1x60 stale 0 1x200", "1x60 0 1x201", start="0x60 stale 1x201")
SWITCHED_OFF: Final = _instance("1x60 stale", "1x60 stale") | _instance("1x400", "1x400", name="b", process="api")

CASES: Final[list[Case]] = [
    Case(
        "StockstreamFeedNotFresh", "one of two feeds is late",
        {
            'stockstream_feed_status{source="WMS-1", location="DC01"}': "1x400",
            'stockstream_feed_status{source="WMS-2", location="DC01"}': "0x400",
        },
        400, FAST,
    ),
    Case("StockstreamFeedNotFresh", "fresh", {'stockstream_feed_status{source="W", location="DC01"}': "0x400"}, 400),
    Case(
        "StockstreamFeedNotFresh", "late for two minutes, twelve hours ago",
        {'stockstream_feed_status{source="W", location="DC01"}': "0x60 2x1 0x780"}, 780,
    ),
    *_latency("StockstreamChannelsLate", "stockstream_end_to_end_seconds", 'source="W", location="DC01"', "2.5"),
    *_latency("StockstreamIntakeWaits", "stockstream_wait_seconds", 'topic="warehouse.scans"', "2.5"),
    *_latency("StockstreamPostingsLate", "stockstream_erp_posting_seconds", 'system="sap", operation="credit"', "300.0")[1:],
    Case(
        "StockstreamPostingsLate", "none within five minutes",
        _times("stockstream_erp_posting_seconds", 'system="sap", operation="credit"', "300.0", within=0, whole=10, steps=400),
        400, FAST,
    ),
    *_latency("StockstreamApiSlow", "stockstream_api_request_seconds", 'route="/v1/availability/{sku}", status="200"', "0.1"),
    Case(
        "StockstreamApiSlow", "only a route of another kind is slow",
        _times("stockstream_api_request_seconds", 'route="/v1/reservations", status="201"', "0.1", within=0, whole=99, steps=400),
        400,
    ),
    *_burning(
        "StockstreamPostingsFail",
        _counts(ATTEMPTS, f'{_SAP}, outcome="POSTED"', f'{_SAP}, outcome="FAILED"', per_step=(10, 10), steps=400),
        _counts(ATTEMPTS, f'{_SAP}, outcome="POSTED"', f'{_SAP}, outcome="DUPLICATE"', per_step=(10, 10), steps=400),
    ),
    Case(
        "StockstreamPostingsFail", "a shadow's failures",
        _counts(
            ATTEMPTS, f'{_SAP}, outcome="POSTED"', 'system="new", operation="credit", shadow="true", outcome="FAILED"',
            per_step=(10, 10), steps=400,
        ),
        400,
    ),
    Case(
        "StockstreamPostingsFail", "over: it failed for an hour, five hours ago, and not since",
        {
            f'{ATTEMPTS}{{{_SAP}, outcome="POSTED"}}': "0+100x360",
            f'{ATTEMPTS}{{{_SAP}, outcome="FAILED"}}': "0+1x60 60x300",
        },
        360,
    ),
    Case(
        "StockstreamPostingsFail", "at one site, beside one that is a hundred times as busy",
        _counts(ATTEMPTS, f'site="one", {_SAP}, outcome="FAILED"', f'site="two", {_SAP}, outcome="POSTED"', per_step=(10, 10_000), steps=400),
        400, FAST,
    ),
    *_burning(
        "StockstreamApiErrors",
        _counts("stockstream_api_requests_total", 'route="/v1/feeds", status="200"', 'route="/v1/feeds", status="500"', per_step=(50, 50), steps=400),
        _counts("stockstream_api_requests_total", 'route="/v1/feeds", status="200"', 'route="/v1/feeds", status="404"', per_step=(50, 50), steps=400),
    ),
    *_burning(
        "StockstreamWebhooksFail",
        _counts("stockstream_webhook_deliveries_total", 'subscription="s", outcome="delivered"', 'subscription="s", outcome="failed"', per_step=(1, 9), steps=400),
        _counts("stockstream_webhook_deliveries_total", 'subscription="s", outcome="delivered"', 'subscription="s", outcome="gone"', per_step=(9, 0), steps=400),
    ),
    *_slow(
        "StockstreamPartnerLate",
        _counts("stockstream_order_lines_received_total", 'partner="ACME", outcome="on_time"', 'partner="ACME", outcome="late"', per_step=(2, 2), steps=150),
        _counts("stockstream_order_lines_received_total", 'partner="ACME", outcome="on_time"', 'partner="ACME", outcome="late"', per_step=(99, 1), steps=150),
    ),
    *_slow(
        "StockstreamPartnerUnannounced",
        _counts("stockstream_ship_notices_total", 'partner="ACME", outcome="in_time"', 'partner="ACME", outcome="late"', per_step=(2, 2), steps=150),
        _counts("stockstream_ship_notices_total", 'partner="ACME", outcome="in_time"', 'partner="ACME", outcome="late"', per_step=(99, 1), steps=150),
    ),
    *_slow(
        "StockstreamPartnerSilent",
        _times("stockstream_acknowledgement_seconds", 'partner="ACME"', "86400.0", within=1, whole=4, steps=150),
        _times("stockstream_acknowledgement_seconds", 'partner="ACME"', "86400.0", within=4, whole=4, steps=150),
    ),
    Case(
        "StockstreamNotReady", "the only worker went away",
        {'stockstream_ready{process="worker", instance="a"}': "1x10 stale", 'stockstream_ready{process="api", instance="b"}': "1x30"},
        20, ("critical",),
    ),
    Case(
        "StockstreamNotReady", "one of two went away",
        {'stockstream_ready{process="worker", instance="a"}': "1x10 0x20", 'stockstream_ready{process="worker", instance="b"}': "1x30"},
        20,
    ),
    Case(
        "StockstreamNotReady", "the only worker of one site went away, another's did not",
        {
            'stockstream_ready{process="worker", instance="a", site="one"}': "1x10 0x20",
            'stockstream_ready{process="worker", instance="b", site="two"}': "1x30",
        },
        20, ("critical",),
    ),
    Case("StockstreamNotReady", "not let in any more, three hours ago", NOT_LET_IN, 240, ("critical",)),
    Case("StockstreamNotReady", "switched off, five hours ago", SWITCHED_OFF, 360, ("critical",)),
    Case("StockstreamNotReady", "away for six days", _instance("1x12 stale", "1x12 0x2100"), 8_700, ("critical",), "5m"),
    Case("StockstreamNotReady", "away for eight days, another alert's by now", _instance("1x12 stale", "1x12 0x2400"), 11_580, (), "5m"),
    Case("StockstreamNotReady", "it never was there", {'stockstream_ready{process="shop", instance="a"}': "0x30"}, 20),
    *_never("a rolling upgrade: the old pods are gone", UPGRADE, 240),
    *_never("from three workers to two", SCALE_DOWN, 240),
    *_never("a short restart", RESTART, 240),
    Case("StockstreamNeverReady", "not let in at its first start", NEVER_LET_IN, 180, ("critical",)),
    Case("StockstreamNeverReady", "not let in at its first start, while others are", NEVER_LET_IN | _instance("1x400", "1x400", job="api", process="api"), 180, ("critical",)),
    Case("StockstreamNeverReady", "it waits from its first start on", _instance("0x200", "1x200"), 180, ("critical",)),
    Case("StockstreamNeverReady", "in back-off from its first start on", _instance(BACK_OFF, RARELY_UP, start=STARTS), 180, ("critical",)),
    Case("StockstreamNeverReady", "away for eight days", _instance("1x12 stale", "1x12 0x2400"), 11_580, ("critical",), "5m"),
    Case("StockstreamNeverReady", "not let in any more: another alert's", NOT_LET_IN, 240, ever=True),
    Case("StockstreamNeverReady", "one of two, the other is ready", NEVER_LET_IN | _instance("1x400", "1x400", name="b"), 180, ever=True),
    Case("StockstreamNeverReady", "a first start of ten minutes", _instance("_x2 0x8 1x200", "0x1 1x210"), 180, ever=True),
    Case("StockstreamNeverReady", "switched off on purpose", SWITCHED_OFF, 360, ever=True),
    Case("StockstreamNeverReady", "somebody else's at the site", {'up{site="one", job="other", instance="z"}': "0x400"}, 180, ever=True),
    Case("StockstreamInstanceNotReady", "half an hour", _instance("0x30", "1x30"), 30, ("warning",)),
    Case("StockstreamInstanceNotReady", "in back-off", _instance(BACK_OFF, RARELY_UP, start=STARTS), 180, ("warning",)),
    Case("StockstreamInstanceNotReady", "a start", _instance("1x10 0x10 1x20", "1x50"), 30, ever=True),
    Case("StockstreamInstanceNotReady", "gone before it was ready", _instance("0x6 stale", "1x6 stale"), 60, ever=True),
    Case("StockstreamInstanceDown", "never let in", NEVER_LET_IN, 180, ("warning",)),
    Case("StockstreamInstanceDown", "not let in any more, three hours ago", NOT_LET_IN, 240, ("warning",)),
    Case("StockstreamInstanceDown", "in back-off", _instance(BACK_OFF, RARELY_UP, start=STARTS), 180, ("warning",)),
    Case(
        "StockstreamInstanceDown", "it said once who it is, and its scrape does not",
        {
            'stockstream_process_info{process="worker", version="1", job="s", instance="a"}': "1x10 stale",
            'up{job="s", instance="a"}': "1x10 0x200",
        },
        200, ("warning",),
    ),
    Case("StockstreamInstanceDown", "gone with its target", SWITCHED_OFF, 360, ever=True),
    Case("StockstreamInstanceDown", "somebody else's at the site", {'up{site="one", job="other", instance="z"}': "0x400"}, 180, ever=True),
    Case("StockstreamRestarting", "every five minutes", _instance("1x40", "1x40", start="0x4 1x4 2x4 3x4 4x4 5x4"), 29, ("critical",)),
    *(
        Case("StockstreamRestarting", f"in back-off, while it is {told}", _instance(BACK_OFF, RARELY_UP, start=STARTS), minutes, ("critical",))
        for told, minutes in (("scraped", 180), ("away", 183))
    ),
    Case(
        "StockstreamRestarting", "mended: five times, and then not for half an hour",
        _instance("1x100", "1x100", start="0x4 1x4 2x4 3x4 4x4 5x60"), 56,
    ),
    Case(
        "StockstreamRestarting", "once, and somebody else's five times",
        {
            **_instance("1x40", "1x40", start="0x14 1x20"),
            'process_start_time_seconds{job="other", instance="z"}': "0x4 1x4 2x4 3x4 4x4 5x4",
        },
        29, ever=True,
    ),
    Case("StockstreamRecoveringLong", "three minutes", {'stockstream_recovery_seconds{instance="a"}': "0+60x5"}, 5, ("warning",)),
    Case("StockstreamRecoveringLong", "a minute", {'stockstream_recovery_seconds{instance="a"}': "0 30 60 0x5"}, 5),
    Case("StockstreamStuck", "no commit", {'stockstream_commit_age_seconds{instance="a"}': "0+10x5"}, 4, ("critical",)),
    Case("StockstreamStuck", "slow", {'stockstream_commit_age_seconds{instance="a"}': "5x5"}, 4),
    Case("StockstreamLagGrowing", "more and more", {'stockstream_lag_records{topic="warehouse.scans", instance="a"}': "0+2000x40"}, 35, ("warning",)),
    Case("StockstreamLagGrowing", "less and less", {'stockstream_lag_records{topic="warehouse.scans", instance="a"}': "900000-2000x40"}, 35),
    Case(
        "StockstreamSlowCommits", "half a second",
        {
            'stockstream_transaction_seconds_bucket{le="0.25"}': "0+10x40",
            'stockstream_transaction_seconds_bucket{le="1.0"}': "0+20x40",
            'stockstream_transaction_seconds_bucket{le="+Inf"}': "0+20x40",
        },
        35, ("warning",),
    ),
    Case(
        "StockstreamSlowCommits", "ten milliseconds",
        {
            'stockstream_transaction_seconds_bucket{le="0.01"}': "0+20x40",
            'stockstream_transaction_seconds_bucket{le="+Inf"}': "0+20x40",
        },
        35,
    ),
    Case("StockstreamDeadLetters", "one", {'stockstream_dead_letters_total{category="NOT_AVRO"}': "0x5 1x5"}, 9, ("warning",)),
    Case("StockstreamDeadLetters", "a posting", {'stockstream_erp_dead_letters_total{category="NOT_AVRO"}': "0x5 1x5"}, 9, ("warning",)),
    Case("StockstreamDeadLetters", "long ago", {'stockstream_dead_letters_total{category="NOT_AVRO"}': "0x5 1x40"}, 40),
    Case("StockstreamUndecodable", "one", {'stockstream_undecodable_total{topic="feeds.status"}': "0x5 1x5"}, 9, ("critical",)),
    Case("StockstreamUndecodable", "none", {'stockstream_undecodable_total{topic="feeds.status"}': "0x10"}, 9),
    *(
        case
        for alert, severity, limit, fires in (
            ("StockstreamExceptionsCritical", "CRITICAL", 900, "critical"),
            ("StockstreamExceptionsAgeing", "HIGH", 28_800, "warning"),
        )
        for case in (
            Case(alert, "too old", {f'stockstream_exceptions_oldest_seconds{{category="X", severity="{severity}", owner="o"}}': f"{limit + 1}x10"}, 9, (fires,)),
            Case(alert, "not yet", {f'stockstream_exceptions_oldest_seconds{{category="X", severity="{severity}", owner="o"}}': f"{limit - 1}x10"}, 9),
            Case(alert, "of another severity", {'stockstream_exceptions_oldest_seconds{category="X", severity="LOW", owner="o"}': "999999x10"}, 9),
        )
    ),
    Case("StockstreamBreakerOpen", "open and half-open", {'stockstream_erp_breaker_state{system="sap"}': "2 1 2 1 2 1 2 1 2 1 2"}, 9, ("warning",)),
    Case("StockstreamBreakerOpen", "for a moment", {'stockstream_erp_breaker_state{system="sap"}': "0 0 2 1 0 0 0 0 0 0 0"}, 9),
    Case("StockstreamErpBacklogOld", "twenty minutes", {'stockstream_erp_oldest_seconds{group="erp"}': "1200x10"}, 9, ("warning",)),
    Case("StockstreamErpBacklogOld", "ten minutes", {'stockstream_erp_oldest_seconds{group="erp"}': "600x10"}, 9),
    Case("StockstreamWebhookDisabled", "disabled", {'stockstream_webhook_enabled{subscription="s", instance="a"}': "0x10"}, 9, ("warning",)),
    Case(
        "StockstreamWebhookDisabled", "another instance serves it",
        {'stockstream_webhook_enabled{subscription="s", instance="a"}': "0x10", 'stockstream_webhook_enabled{subscription="s", instance="b"}': "1x10"},
        9,
    ),
    Case("StockstreamViewAway", "Redis is away", {'stockstream_view_away{what="redis"}': "1x10"}, 9, ("critical",)),
    Case("StockstreamViewAway", "it is back", {'stockstream_view_away{what="redis"}': "1x1 0x10"}, 9),
    Case("StockstreamViewLag", "far behind", {'stockstream_view_lag_records{instance="a"}': "20000x10"}, 9, ("warning",)),
    Case("StockstreamViewLag", "a little", {'stockstream_view_lag_records{instance="a"}': "100x10"}, 9),
    Case(
        "StockstreamStockDiverges", "one in ten",
        {
            'stockstream_exceptions_raised_total{category="STOCK_DIVERGENCE", severity="MEDIUM"}': "0+1x100",
            'stockstream_intake_records_total{topic="erp.stock-snapshots", outcome="accepted"}': "0+10x100",
        },
        100, ("warning",),
    ),
    Case(
        "StockstreamStockDiverges", "one in a thousand",
        {
            'stockstream_exceptions_raised_total{category="STOCK_DIVERGENCE", severity="MEDIUM"}': "0+1x100",
            'stockstream_intake_records_total{topic="erp.stock-snapshots", outcome="accepted"}': "0+1000x100",
        },
        100,
    ),
    Case(
        "StockstreamDuplicates", "a file again and again",
        _counts("stockstream_intake_records_total", 'topic="t", outcome="accepted"', 'topic="t", outcome="duplicate"', per_step=(1, 9), steps=100),
        100, ("warning",),
    ),
    Case(
        "StockstreamDuplicates", "some",
        _counts("stockstream_intake_records_total", 'topic="t", outcome="accepted"', 'topic="t", outcome="duplicate"', per_step=(9, 1), steps=100),
        100,
    ),
]  # fmt: skip

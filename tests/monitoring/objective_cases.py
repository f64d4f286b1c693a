"""Objectives that are kept, spent and too little to judge by."""

from typing import Final

from tests.monitoring.case import Case, scraped_late

Each = tuple[int, int]
FAST: Final = ("critical", "warning")
DAY: Final = 1_440


def _from(first: int, each: int, steps: int) -> str:
    """A counter that comes into being in the second step, and counts on."""
    return f"_ {first}+{each}x{steps - 1}"


def _counts(metric: str, good: str, bad: str, *, per_step: Each, steps: int) -> dict[str, str]:
    """A counter by a label: so many good and bad in a step."""
    return {f"{metric}{{{label}}}": _from(n, n, steps) for label, n in zip((good, bad), per_step, strict=True)}


def _times(metric: str, labels: str, limit: str, *, within: int, whole: int, steps: int) -> dict[str, str]:
    """A histogram: so many of a step's observations within the limit."""
    return {
        f'{metric}_bucket{{{labels}, le="{limit}"}}': _from(within, within, steps),
        f"{metric}_count{{{labels}}}": _from(whole, whole, steps),
    }


def _burning(alert: str, spent: dict[str, str], kept: dict[str, str]) -> list[Case]:
    """Half of everything wrong for hours wakes somebody; what is within the budget does not."""
    return [Case(alert, "burns", spent, 400, FAST), Case(alert, "keeps its budget", kept, 400)]


def _at_once(alert: str, metric: str, bad: str, within: str = "") -> list[Case]:
    """All in one go: the series comes into being with it, and nothing more is counted. `within`: a bucket without any."""
    values = {f"{metric}{{{bad}}}": "200"}
    if within:
        values[f'{metric.removesuffix("count")}bucket{{{bad}, le="{within}"}}'] = "0"
    burst = {name: f"_x300 {value}x5" for name, value in values.items()}
    late = scraped_late(values, minutes=100, away=40)
    return [
        Case(alert, "all wrong at once, and nothing since", burst, 303, FAST),
        Case(alert, "not scraped for 40 minutes, long after all went wrong", late, 240, ever=True),
    ]


def _slow(alert: str, spent: dict[str, str], kept: dict[str, str]) -> list[Case]:
    """Days, in steps of half an hour."""
    few = dict.fromkeys(spent, "_ 1 2 4x147")
    each_once = {name.replace('partner="ACME"', f'partner="ACME", instance="{n}"'): "_x100 1x50" for name in spent for n in range(12)}  # fmt: skip
    workers = {name: values for n in range(12) for name, values in _worker(n).items()}
    wrong = {name: "_x100 0x50" if 'le="' in name else values for name, values in each_once.items()}
    return [
        Case(alert, "burns", spent, 4_500, ("warning",), "30m"),
        Case(alert, "keeps its budget", kept, 4_500, (), "30m"),
        Case(alert, "is too little to judge by", few, 4_500, (), "30m"),
        Case(alert, "one at each of twelve workers", wrong | workers, 3_300, ("warning",), "30m"),
    ]


def _orders(what: str, ordered: str, acknowledged: str, *fires: str) -> Case:
    """Five days and a half of a supplier, by the half-hour."""
    series = {'stockstream_purchase_orders_total{partner="ACME"}': ordered}
    if acknowledged:
        series['stockstream_purchase_orders_acknowledged_total{partner="ACME"}'] = acknowledged
    return Case("StockstreamPartnerSilent", what, series, 7_920, fires, "30m")


def _moving(acknowledged: int) -> Case:
    """Its partition is each of six workers' in turn, for a day; then the worker is replaced. Two orders and answers each."""
    series: dict[str, str] = {}
    for day in range(6):
        which = f'instance="{day}"'
        life = f"_x{day * 48} {{0}}x46 stale" if day else "{0}x46 stale"
        series[f'stockstream_process_info{{process="worker", version="1", {which}}}'] = life.format(1)
        series[f"process_start_time_seconds{{{which}}}"] = life.format(day * 86_400)
        for metric, counted in (("orders", 2), ("orders_acknowledged", acknowledged)):
            if counted:
                begun = f"_x{day * 48 + 20} {counted}x25 stale"
                series[f'stockstream_purchase_{metric}_total{{partner="ACME", {which}}}'] = begun
    fires = () if acknowledged else ("warning",)
    return Case(
        "StockstreamPartnerSilent", f"workers come and go, it answers {acknowledged} of 2", series, 7_920, fires, "30m"
    )


def _worker(number: int) -> dict[str, str]:
    which = f'instance="{number}"'
    return {
        f'stockstream_process_info{{process="worker", version="1", {which}}}': "1x150",
        f"process_start_time_seconds{{{which}}}": "0x150",
    }


def _latency(alert: str, metric: str, labels: str, limit: str) -> list[Case]:
    return _burning(
        alert,
        _times(metric, labels, limit, within=50, whole=100, steps=400),
        _times(metric, labels, limit, within=1_000, whole=1_000, steps=400),
    )


ATTEMPTS: Final = "stockstream_erp_attempts_total"
_SAP: Final = 'system="sap", operation="credit", shadow="false"'


OBJECTIVES: Final[list[Case]] = [
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
            f'{ATTEMPTS}{{{_SAP}, outcome="POSTED"}}': "_ 100+100x359",
            f'{ATTEMPTS}{{{_SAP}, outcome="FAILED"}}': "_ 1+1x59 60x300",
        },
        360,
    ),
    Case(
        "StockstreamPostingsFail", "at one site, beside one that is a hundred times as busy",
        _counts(ATTEMPTS, f'site="one", {_SAP}, outcome="FAILED"', f'site="two", {_SAP}, outcome="POSTED"', per_step=(10, 10_000), steps=400),
        400, FAST,
    ),
    *_at_once("StockstreamPostingsFail", ATTEMPTS, f'{_SAP}, outcome="REFUSED"'),
    *_at_once("StockstreamPostingsLate", "stockstream_erp_posting_seconds_count", 'system="sap", operation="credit"', within="300.0"),
    *_at_once("StockstreamApiErrors", "stockstream_api_requests_total", 'route="/v1/feeds", status="500"'),
    *_at_once("StockstreamWebhooksFail", "stockstream_webhook_deliveries_total", 'subscription="s", outcome="failed"'),
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
        "StockstreamPartnerAcknowledgesLate",
        _times("stockstream_acknowledgement_seconds", 'partner="ACME"', "86400.0", within=1, whole=4, steps=150),
        _times("stockstream_acknowledgement_seconds", 'partner="ACME"', "86400.0", within=4, whole=4, steps=150),
    ),
    _orders("it never answers", "_x10 1+1x260", "", "warning"),
    _orders("it answers one in five", "_x10 1+1x260", "_x14 1x4 2x4 3x4 4+0.2x260", "warning"),
    _orders("two orders, together, three days ago, and no answer", "_x120 2x150", "", "warning"),
    _orders("it stopped answering three days ago", "_x10 1+1x260", "_x14 1+1x110 111x150", "warning"),
    _orders("it answers all of them the same day", "_x10 1+1x260", "_x14 1+1x256"),
    _orders("it is slow: each answer takes two days", "_x10 1+1x260", "_x106 1+1x164"),
    _orders("it is young: its first orders were sent an hour ago", "_x262 9x10", ""),
    _orders("one order without an answer is no silence", "_x120 1x150", ""),
    _orders("a week's orders on one day, answered on the next", "_x120 40x150", "_x160 40x110"),
    _moving(2),
    _moving(0),
]  # fmt: skip

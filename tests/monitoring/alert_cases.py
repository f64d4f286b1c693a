"""What makes each alert fire, and what looks like it and must not."""

from typing import Final

from tests.monitoring.case import Case, scraped_late
from tests.monitoring.objective_cases import OBJECTIVES
from tests.monitoring.process_cases import PROCESSES

NEW_POD: Final = {
    'stockstream_process_info{process="worker", version="1", instance="new"}': "_x30 1x30",
    'process_start_time_seconds{instance="new"}': "_x30 1800x30",
    'stockstream_process_info{process="worker", version="1", instance="old"}': "1x30 stale",
    'process_start_time_seconds{instance="old"}': "-864000x30 stale",
}
"""A pod that takes the place of another after half an hour."""


def _rare(alert: str, severity: str, series: str) -> list[Case]:
    """A counter that one occurrence is enough of."""

    def at(instance: str, values: str) -> dict[str, str]:
        return {series.replace("}", f', instance="{instance}"}}'): values}

    old = at("old", "4x30 stale")
    return [
        Case(alert, f"one, of {series}", {series: "_x5 1x20"}, 9, (severity,)),
        Case(alert, f"thousands at once, of {series}", {series: "_x5 5000x20"}, 9, (severity,)),
        Case(alert, f"one more, of {series}", {series: "_ 7x30 8x20"}, 35, (severity,)),
        Case(alert, f"at the start of a new pod, of {series}", {**NEW_POD, **old, **at("new", "_x30 1x30")}, 33, (severity,)),
        Case(alert, f"the second of the same after a restart, of {series}", {series: "_x5 1x20 stale _x30 1x20"}, 60, (severity,)),
        Case(alert, f"long ago, of {series}", {series: "_x5 1x40"}, 40),
        Case(alert, f"none, of {series}", {series: "_x5 0x20"}, 20, ever=True),
        Case(alert, f"none in a new pod, which counts from 0 again, of {series}", {**NEW_POD, **at("old", "_ 0x29 stale"), **at("new", "_x30 0x30")}, 60, ever=True),
        Case(alert, f"some before the pod was replaced, of {series}", {**NEW_POD, **old, **at("new", "_x30 0x30")}, 60, ever=True),
        Case(alert, f"not scraped for a while, long after, of {series}", scraped_late({series: "4"}, minutes=30, away=40), 100, ever=True),
    ]  # fmt: skip


def _diverging(differing: str, taken: str) -> dict[str, str]:
    return {
        'stockstream_exceptions_raised_total{category="STOCK_DIVERGENCE", severity="MEDIUM"}': differing,
        'stockstream_intake_records_total{topic="erp.stock-snapshots", outcome="accepted"}': taken,
    }


def _repeated(accepted: str, duplicate: str) -> dict[str, str]:
    metric = 'stockstream_intake_records_total{topic="t", outcome='
    return {f'{metric}"accepted"}}': accepted, f'{metric}"duplicate"}}': duplicate}


PLATFORM: Final[list[Case]] = [
    Case("StockstreamRecoveringLong", "three minutes", {'stockstream_recovery_seconds{instance="a"}': "0+60x5"}, 5, ("warning",)),
    Case("StockstreamRecoveringLong", "a minute", {'stockstream_recovery_seconds{instance="a"}': "0 30 60 0x5"}, 5),
    Case("StockstreamStuck", "no commit", {'stockstream_commit_age_seconds{instance="a"}': "0+10x5"}, 4, ("critical",)),
    Case("StockstreamStuck", "slow", {'stockstream_commit_age_seconds{instance="a"}': "5x5"}, 4),
    Case("StockstreamLagGrowing", "more and more", {'stockstream_lag_records{topic="warehouse.scans", instance="a"}': "0+2000x40"}, 35, ("warning",)),
    Case("StockstreamLagGrowing", "less and less", {'stockstream_lag_records{topic="warehouse.scans", instance="a"}': "900000-2000x40"}, 35),
    Case(
        "StockstreamSlowCommits", "half a second",
        {
            'stockstream_transaction_seconds_bucket{le="0.25"}': "_ 10+10x39",
            'stockstream_transaction_seconds_bucket{le="1.0"}': "_ 20+20x39",
            'stockstream_transaction_seconds_bucket{le="+Inf"}': "_ 20+20x39",
        },
        35, ("warning",),
    ),
    Case(
        "StockstreamSlowCommits", "ten milliseconds",
        {
            'stockstream_transaction_seconds_bucket{le="0.01"}': "_ 20+20x39",
            'stockstream_transaction_seconds_bucket{le="+Inf"}': "_ 20+20x39",
        },
        35,
    ),
    *(
        case
        for alert, severity, series in (
            ("StockstreamDeadLetters", "warning", 'stockstream_dead_letters_total{category="NOT_AVRO"}'),
            ("StockstreamDeadLetters", "warning", 'stockstream_erp_dead_letters_total{category="NOT_AVRO"}'),
            ("StockstreamUndecodable", "critical", 'stockstream_undecodable_total{topic="feeds.status"}'),
            ("StockstreamUndecodable", "critical", 'stockstream_view_records_total{topic="feeds.status", outcome="undecodable"}'),
        )
        for case in _rare(alert, severity, series)
    ),
    Case("StockstreamUndecodable", "the view reads all", {'stockstream_view_records_total{topic="feeds.status", outcome="applied"}': "_x5 1+1x5"}, 9),
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
    Case("StockstreamStockDiverges", "one in ten", _diverging("_ 1+1x99", "_ 10+10x99"), 100, ("warning",)),
    Case("StockstreamStockDiverges", "one in a thousand", _diverging("_ 1+1x99", "_ 1000+1000x99"), 100),
    Case("StockstreamStockDiverges", "a file of snapshots at once, half of it", _diverging("_x5 500x60", "_x5 1000x60"), 50, ("warning",)),
    Case("StockstreamStockDiverges", "the same file in time, of which all agree but one", _diverging("_x5 1x60", "_x5 1000x60"), 50),
    Case("StockstreamDuplicates", "a file again and again", _repeated("_ 1+1x99", "_ 9+9x99"), 100, ("warning",)),
    Case("StockstreamDuplicates", "some", _repeated("_ 9+9x99", "_ 1+1x99"), 100),
]  # fmt: skip

CASES: Final = [*OBJECTIVES, *PROCESSES, *PLATFORM]

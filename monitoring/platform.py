"""Alerts about the machinery and about work that nobody does: each says what is wrong, not what might be."""

from typing import Final

from monitoring.counters import increase
from monitoring.rules import Alert, Group, Recording
from schemas.metrics import DEAD_LETTERS, ERP_DEAD_LETTERS, INTAKE, RAISED, UNDECODABLE, VIEW_RECORDS

TARGET: Final = Recording(
    "stockstream:target_up",
    'up{product="stockstream"}\nor\nup and on (job, instance) last_over_time(stockstream_process_info[7d])',
    ("job", "instance"),
)
"""Whether Prometheus reaches each target that is ours: by its label, or because it once said so itself.

A process that leaves before it serves /metrics has no series but `up`; a target that is gone has none at all.
"""
LOOK_BACK: Final = "7d"
"""How long a kind of process that was ready is still expected: longer than a week-end with holidays around it, and well
within the 15 days that Prometheus keeps by default."""

_UNREADABLE: Final = 'outcome="undecodable"'
_DUPLICATE: Final = 'outcome="duplicate"'
_DIVERGENCE: Final = 'category="STOCK_DIVERGENCE"'
_SNAPSHOTS: Final = 'topic="erp.stock-snapshots", outcome="accepted"'

ALERTS: Final = (
    Alert(
        "StockstreamNotReady",
        f"max by (process) (max_over_time(stockstream_ready[{LOOK_BACK}])) == 1\n"
        "unless on (process)\nmax by (process) (stockstream_ready) == 1",
        "critical",
        "No {{ $labels.process }} is ready",
        "There was one within the week. What it does has stopped; nothing is lost, it goes on where it had committed.",
        "2m",
    ),
    Alert(
        "StockstreamNeverReady",
        f"count by (job) ({TARGET.name})\n"
        f"unless on (job)\nmax by (job) (max_over_time(stockstream_ready[{LOOK_BACK}])) == 1",
        "critical",
        "{{ $labels.job }} does not come up",
        "It is there to be scraped and has not been ready once within the week. Its work is not done; its log says why.",
        "15m",
    ),
    Alert(
        "StockstreamInstanceNotReady",
        # Ten minutes bridge the back-off of a container, of five at most, in which nothing says 0.
        "max by (process, job, instance) (max_over_time(stockstream_ready[10m])) == 0\n"
        f"and on (job, instance)\n{TARGET.name}",
        "warning",
        "{{ $labels.process }} {{ $labels.instance }} has not been ready for 15 minutes",
        "Its /readyz says why.",
        "15m",
    ),
    Alert(
        "StockstreamInstanceDown",
        # The share of time, not an unbroken nought: a container in back-off answers a scrape now and then.
        f"avg_over_time({TARGET.name}[10m]) < 0.5\nand\n{TARGET.name}",
        "warning",
        "{{ $labels.instance }} of {{ $labels.job }} does not answer",
        "It has been away for most of a quarter of an hour. It does not stay up, or nothing reaches it.",
        "15m",
    ),
    Alert(
        "StockstreamRestarting",
        # Back-off grows to five minutes, so twenty without a start are the end of it.
        "changes(process_start_time_seconds[1h]) > 3\nand\nchanges(process_start_time_seconds[20m]) > 0\n"
        "and on (job, instance)\nlast_over_time(stockstream_process_info[1h])",
        "critical",
        "{{ $labels.instance }} has started {{ $value }} times in an hour",
        "A worker leaves on every fault (74 stuck, 75 fault, 76 damaged state: look first); its last words are in its log.",
    ),
    Alert(
        "StockstreamRecoveringLong",
        "stockstream_recovery_seconds > 120",
        "warning",
        "{{ $labels.instance }} has been recovering for {{ $value | humanizeDuration }}",
        "A million positions take six to ten seconds. Its partitions' input waits meanwhile.",
        "1m",
    ),
    Alert(
        "StockstreamStuck",
        "stockstream_commit_age_seconds > 15",
        "critical",
        "{{ $labels.instance }} has input and has committed nothing for {{ $value | humanizeDuration }}",
        "The watchdog makes it leave after STOCKSTREAM_STUCK_AFTER_MS, unless the broker takes no transactions; if it comes back to this, it will not mend itself.",
    ),
    Alert(
        "StockstreamLagGrowing",
        "sum by (topic) (stockstream_lag_records) > 10000\nand\nsum by (topic) (deriv(stockstream_lag_records[10m])) > 0",
        "warning",
        "{{ $labels.topic }} has {{ $value | humanize }} records waiting, and more by the minute",
        "More comes in than the workers fold: add workers (up to the number of partitions), or find what slows them.",
        "10m",
    ),
    Alert(
        "StockstreamSlowCommits",
        "histogram_quantile(0.99, sum by (le) (rate(stockstream_transaction_seconds_bucket[10m]))) > 0.25",
        "warning",
        "One transaction in a hundred takes {{ $value | humanizeDuration }}",
        "The broker answers slowly. Usual are 2 to 10 ms; throughput and latency suffer together.",
        "10m",
    ),
    Alert(
        "StockstreamDeadLetters",
        f"{increase(DEAD_LETTERS.name, '15m', 'category')} > 0\nor\n"
        f"{increase(ERP_DEAD_LETTERS.name, '15m', 'category')} > 0",
        "warning",
        "{{ $value | humanize }} records could not be read ({{ $labels.category }})",
        "They are in dead-letters with their bytes; the producer's owner has to mend them and send them again.",
    ),
    Alert(
        "StockstreamUndecodable",
        f"{increase(UNDECODABLE.name, '15m', 'topic')} > 0\nor\n"
        f"{increase(VIEW_RECORDS.name, '15m', 'topic', match=_UNREADABLE)} > 0",
        "critical",
        "A connector passed over {{ $value | humanize }} records of {{ $labels.topic }} it could not read",
        "These are our own records: a newer worker's schema that this connector cannot read, or a stranger writes there.",
    ),
    Alert(
        "StockstreamExceptionsCritical",
        'max by (category, owner) (stockstream_exceptions_oldest_seconds{severity="CRITICAL"}) > 900',
        "critical",
        "{{ $labels.category }} has waited {{ $value | humanizeDuration }} for {{ $labels.owner }}",
        "Exceptions of severity CRITICAL are worked within a quarter of an hour.",
        "5m",
    ),
    Alert(
        "StockstreamExceptionsAgeing",
        'max by (category, owner) (stockstream_exceptions_oldest_seconds{severity="HIGH"}) > 28800',
        "warning",
        "{{ $labels.category }} has waited {{ $value | humanizeDuration }} for {{ $labels.owner }}",
        "Exceptions of severity HIGH are worked within eight hours.",
        "5m",
    ),
    Alert(
        "StockstreamBreakerOpen",
        "max by (system) (stockstream_erp_breaker_state) > 0",
        "warning",
        "{{ $labels.system }} does not answer: its breaker is not closed",
        "Nothing is sent but probes. Postings wait in their topic, in order; none is lost.",
        "5m",
    ),
    Alert(
        "StockstreamErpBacklogOld",
        "max by (group) (stockstream_erp_oldest_seconds) > 900",
        "warning",
        "The oldest posting of {{ $labels.group }} has waited {{ $value | humanizeDuration }}",
        "Shipments, receipts and invoices are late in the ERP.",
        "5m",
    ),
    Alert(
        "StockstreamWebhookDisabled",
        "max by (subscription) (stockstream_webhook_enabled) == 0",
        "warning",
        "The subscription {{ $labels.subscription }} is disabled",
        "Its receiver failed for a day, or said 410 Gone. Nothing is told to it until somebody enables it again.",
        "5m",
    ),
    Alert(
        "StockstreamViewAway",
        "max by (what) (stockstream_view_away) > 0",
        "critical",
        "The Redis view waits for {{ $labels.what }}",
        "Readers get older and older answers, marked stale.",
        "2m",
    ),
    Alert(
        "StockstreamViewLag",
        "max by (instance) (stockstream_view_lag_records) > 10000",
        "warning",
        "The Redis view is {{ $value | humanize }} records behind",
        "The API answers with what was true then.",
        "5m",
    ),
    Alert(
        "StockstreamStockDiverges",
        f"{increase(RAISED.name, '1d', match=_DIVERGENCE)}\n/\n{increase(INTAKE.name, '1d', match=_SNAPSHOTS)}\n> 0.02",
        "warning",
        "{{ $value | humanizePercentage }} of the stock snapshots of a day differ from the ledger",
        "Two per cent is the limit. A feed loses movements, or another system books past us.",
        "30m",
    ),
    Alert(
        "StockstreamDuplicates",
        f"{increase(INTAKE.name, '30m', 'topic', match=_DUPLICATE)}\n/\n{increase(INTAKE.name, '30m', 'topic')}\n> 0.5",
        "warning",
        "More than half of {{ $labels.topic }} are repeats",
        "They are dropped, so nothing counts twice; a producer sends again without end.",
        "30m",
    ),
)


def groups() -> tuple[Group, ...]:
    return (Group("stockstream-platform", (TARGET, *ALERTS), "30s"),)

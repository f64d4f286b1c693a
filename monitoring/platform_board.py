"""The dashboard of those who run the machines: processes, lag, transactions, recovery, the Redis view."""

from typing import Final

from monitoring.counters import increase
from monitoring.panels import Dashboard, Panel, Query, Row, quantile, quantiles, rate

PLATFORM: Final = Dashboard(
    "stockstream-platform",
    "Stockstream: platform",
    "Processes and their resources, lag and throughput, transactions, recovery, the Redis view.",
    (
        Row(
            "Processes",
            (
                Panel(
                    "Ready",
                    "Instances that do their work, by process.",
                    (Query("sum by (process) (stockstream_ready)", "{{process}}"),),
                    kind="stat", width=8,
                ),
                Panel(
                    "Versions",
                    "More than one of a process: a rollout is under way, or was left half done.",
                    (Query("count by (process, version) (stockstream_process_info)"),),
                    kind="table", width=8,
                ),
                Panel(
                    "Starts in an hour",
                    "A worker leaves on every fault and is started again; more than a few are a fault that stays.",
                    (Query("changes(process_start_time_seconds[1h]) and on (job, instance) stockstream_process_info", "{{instance}}"),),
                    width=8, watch=2, bad=4,
                ),
                Panel(
                    "Memory",
                    "Resident, by instance.",
                    (Query("process_resident_memory_bytes and on (job, instance) stockstream_process_info", "{{instance}}"),),
                    "bytes", width=12,
                ),
                Panel(
                    "CPU",
                    "Cores in use, by instance.",
                    (Query("rate(process_cpu_seconds_total[$__rate_interval]) and on (job, instance) stockstream_process_info", "{{instance}}"),),
                    width=12,
                ),
            ),
        ),
        Row(
            "Work",
            (
                Panel(
                    "Records folded",
                    "By stage.",
                    (Query(rate("stockstream_events_total", "stage"), "{{stage}}"),),
                    "ops", stack=True,
                ),
                Panel(
                    "Records written",
                    "By topic.",
                    (Query(rate("stockstream_outputs_total", "topic"), "{{topic}}"),),
                    "ops", stack=True,
                ),
                Panel(
                    "Lag",
                    "Records not yet read, by topic.",
                    (Query("sum by (topic) (stockstream_lag_records)", "{{topic}}"),),
                    watch=10_000, bad=100_000,
                ),
                Panel(
                    "One chunk, 99 %",
                    "Time to fold, by stage; a chunk has up to STOCKSTREAM_POLL_RECORDS records.",
                    (Query(quantile(0.99, "stockstream_chunk_seconds", "stage"), "{{stage}}"),),
                    "s", watch=0.1,
                ),
                Panel(
                    "Chunk size",
                    "Records in a chunk, on average: small at low load, large when catching up.",
                    (Query(f"{rate('stockstream_events_total', 'stage')} / {rate('stockstream_chunk_seconds_count', 'stage')}", "{{stage}}"),),
                ),
                Panel(
                    "Waiting in topics, 99 %",
                    "How long a record had been in its topic when it was folded.",
                    (Query(quantile(0.99, "stockstream_wait_seconds", "topic"), "{{topic}}"),),
                    "s", watch=1, bad=2.5,
                ),
            ),
        ),
        Row(
            "Transactions",
            (
                Panel(
                    "Begin to commit",
                    "What the broker takes for a transaction.",
                    quantiles("stockstream_transaction_seconds"),
                    "s", watch=0.05, bad=0.25,
                ),
                Panel(
                    "First fold to commit",
                    "How long what was folded waits to be true.",
                    quantiles("stockstream_commit_latency_seconds"),
                    "s", watch=0.1, bad=0.5,
                ),
                Panel(
                    "Transactions",
                    "All workers.",
                    (Query(rate("stockstream_transactions_total"), "transactions"),),
                    "ops",
                ),
                Panel(
                    "Waiting without a commit",
                    "Longest time since a commit among partitions with input waiting.",
                    (Query("stockstream_commit_age_seconds", "{{instance}}"),),
                    "s", watch=5, bad=15,
                ),
                Panel(
                    "Recovery",
                    "How much of the changelogs is read, while a recovery is under way.",
                    (Query("stockstream_recovery_read_records / stockstream_recovery_target_records and stockstream_recovery_seconds > 0", "{{instance}}"),),
                    "percentunit", most=1,
                ),
                Panel(
                    "Recovering for",
                    "A million positions take six to ten seconds.",
                    (Query("stockstream_recovery_seconds", "{{instance}}"),),
                    "s", watch=60, bad=120,
                ),
                Panel(
                    "Takeovers",
                    "Each is a rebalance: partitions move, and their input waits meanwhile.",
                    (Query("sum by (instance) (increase(stockstream_rebalances_total[1h]))", "{{instance}}"),),
                    watch=10,
                ),
                Panel(
                    "Tasks",
                    "Partitions, by worker.",
                    (Query("stockstream_tasks", "{{instance}}"),),
                    stack=True,
                ),
                Panel(
                    "Rows",
                    "In memory, by table.",
                    (Query("sum by (table) (stockstream_rows)", "{{table}}"),),
                    stack=True,
                ),
            ),
        ),
        Row(
            "Redis view",
            (
                Panel(
                    "Lag",
                    "Records not yet in Redis.",
                    (Query("stockstream_view_lag_records", "{{instance}}"),),
                    watch=1_000, bad=10_000, width=6,
                ),
                Panel(
                    "Commit to Redis",
                    "From a worker's commit until it is in Redis.",
                    quantiles("stockstream_view_latency_seconds"),
                    "s", watch=0.5, bad=2.5, width=6,
                ),
                Panel(
                    "One batch",
                    "Redis's own time, network included.",
                    quantiles("stockstream_view_batch_seconds"),
                    "s", watch=0.05, bad=0.5, width=6,
                ),
                Panel(
                    "Rebuilt",
                    "How much of what was there at the takeover is in Redis.",
                    (Query("min (stockstream_view_rebuilt_ratio)", "rebuilt"),),
                    "percentunit", "stat", most=1, width=6,
                ),
                Panel(
                    "Records",
                    "Applied, or old: a newer one was there.",
                    (Query(rate("stockstream_view_records_total", "outcome"), "{{outcome}}"),),
                    "ops", width=8,
                ),
                Panel(
                    "Away",
                    "What the view waits for.",
                    (Query("max by (what) (stockstream_view_away)", "{{what}}"),),
                    width=8, bad=1, most=1,
                ),
                Panel(
                    "Outages and positions read again",
                    "In an hour.",
                    (
                        Query(increase("stockstream_view_outages_total", "1h", "what"), "{{what}} away"),
                        Query(increase("stockstream_view_repositioned_total", "1h", "why"), "read again: {{why}}"),
                    ),
                    width=8,
                ),
            ),
        ),
    ),
)  # fmt: skip

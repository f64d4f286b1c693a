"""The dashboard of those who connect systems: what comes in and is turned away, the ERP, webhooks, the shop, the API."""

from typing import Final

from monitoring.counters import increase
from monitoring.objectives import ERRORS
from monitoring.panels import Choice, Dashboard, Panel, Query, Row, quantile, rate

SYSTEM: Final = 'system=~"$system"'
_DUPLICATES: Final = rate("stockstream_intake_records_total", "topic", match='outcome="duplicate"')
_FAILED: Final = f'{ERRORS}1h{{slo="posting_success", {SYSTEM}}}'

INTEGRATION: Final = Dashboard(
    "stockstream-integration",
    "Stockstream: integration",
    "Inbound records and what became of them, postings to the ERP, webhooks, the shop, the API.",
    (
        Row(
            "Inbound",
            (
                Panel(
                    "Records in",
                    "By topic, whatever became of them.",
                    (Query(rate("stockstream_intake_records_total", "topic"), "{{topic}}"),),
                    "ops", stack=True,
                ),
                Panel(
                    "Turned away or waiting",
                    "Quarantined: an exception says why. Parked: waits for reference data. Dead: cannot be read.",
                    (Query(rate("stockstream_intake_records_total", "topic", "outcome", match='outcome=~"quarantined|parked|dead"'), "{{topic}} {{outcome}}"),),
                    "ops", stack=True,
                ),
                Panel(
                    "Share of repeats",
                    "Duplicates are dropped; many of them mean a producer that sends again.",
                    (Query(f"{_DUPLICATES} / {rate('stockstream_intake_records_total', 'topic')}", "{{topic}}"),),
                    "percentunit", watch=0.1, bad=0.5, most=1,
                ),
                Panel(
                    "Replayed",
                    "Parked records that have entered since.",
                    (Query(rate("stockstream_intake_records_total", "topic", match='outcome="replayed"'), "{{topic}}"),),
                    "ops",
                ),
                Panel(
                    "Dead letters",
                    "Records that cannot be decoded, in an hour.",
                    (
                        Query(increase("stockstream_dead_letters_total", "1h", "category"), "{{category}}"),
                        Query(increase("stockstream_erp_dead_letters_total", "1h", "category"), "postings: {{category}}"),
                        Query(increase("stockstream_undecodable_total", "1h", "topic"), "passed over: {{topic}}"),
                    ),
                    bad=1,
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
            "ERP",
            (
                Panel(
                    "Attempts that failed, 1 h",
                    "FAILED, UNKNOWN and REFUSED of all attempts; 1 % is the month's budget.",
                    (Query(_FAILED, "{{system}}"),),
                    "percentunit", "bargauge", watch=0.01, bad=0.144, most=1,
                ),
                Panel(
                    "Oldest posting",
                    "Age of the oldest posting that is not settled.",
                    (Query("max by (group) (stockstream_erp_oldest_seconds)", "{{group}}"),),
                    "s", watch=300, bad=900,
                ),
                Panel(
                    "Breakers",
                    "Open: nothing but probes is sent.",
                    (Query(f"max by (system) (stockstream_erp_breaker_state{{{SYSTEM}}})", "{{system}}"),),
                    kind="bargauge", watch=1, bad=2, most=2,
                    mappings=(("0", "closed", "green"), ("1", "half-open", "orange"), ("2", "open", "red")),
                ),
                Panel(
                    "Backlog",
                    "Offsets of erp.postings that are not settled.",
                    (Query("sum by (group) (stockstream_erp_backlog)", "{{group}}"),),
                    watch=1_000, bad=10_000,
                ),
                Panel(
                    "Attempts",
                    "By outcome.",
                    (Query(rate("stockstream_erp_attempts_total", "system", "outcome", match=SYSTEM), "{{system}} {{outcome}}"),),
                    "ops", stack=True,
                ),
                Panel(
                    "Made to posted",
                    "From a posting's making until the ERP has it, retries and waiting included.",
                    (
                        Query(quantile(0.5, "stockstream_erp_posting_seconds", "system", match=SYSTEM), "{{system}} 50%"),
                        Query(quantile(0.95, "stockstream_erp_posting_seconds", "system", match=SYSTEM), "{{system}} 95%"),
                    ),
                    "s", watch=60, bad=300,
                ),
                Panel(
                    "One attempt, 95 %",
                    "The ERP's own time to answer, by operation.",
                    (Query(quantile(0.95, "stockstream_erp_attempt_seconds", "system", "operation", match=SYSTEM), "{{system}} {{operation}}"),),
                    "s", watch=2.5, bad=10,
                ),
                Panel(
                    "Held, under way, left",
                    "Postings in memory, sent and unanswered, and left in the topic for a later pass.",
                    (
                        Query("sum by (system) (stockstream_erp_waiting)", "held for {{system}}"),
                        Query("sum by (system) (stockstream_erp_under_way)", "under way to {{system}}"),
                        Query("sum by (group) (stockstream_erp_left_in_topic)", "left by {{group}}"),
                    ),
                ),
                Panel(
                    "Shadow and files",
                    "Comparisons of a shadow system, files written and acknowledged, keys asked for.",
                    (
                        Query(rate("stockstream_erp_compared_total", "system", "verdict"), "{{system}} {{verdict}}"),
                        Query(rate("stockstream_erp_files_total", "system"), "{{system}} files"),
                        Query(rate("stockstream_erp_acknowledged_total", "system", "outcome"), "{{system}} lines {{outcome}}"),
                        Query(rate("stockstream_erp_inquiries_total", "system", "answer"), "{{system}} asked: {{answer}}"),
                    ),
                    "ops",
                ),
            ),
        ),
        Row(
            "Webhooks and shop",
            (
                Panel(
                    "Deliveries",
                    "Attempts by subscription and outcome.",
                    (Query(rate("stockstream_webhook_deliveries_total", "subscription", "outcome"), "{{subscription}} {{outcome}}"),),
                    "ops", stack=True,
                ),
                Panel(
                    "Read to taken, 95 %",
                    "From reading a change until its receiver has taken it.",
                    (Query(quantile(0.95, "stockstream_webhook_latency_seconds", "subscription"), "{{subscription}}"),),
                    "s", watch=5, bad=60,
                ),
                Panel(
                    "Waiting to be told",
                    "SKUs, by subscription and for the shop.",
                    (
                        Query("sum by (subscription) (stockstream_webhook_pending)", "{{subscription}}"),
                        Query("sum (stockstream_shop_pending)", "shop"),
                    ),
                ),
                Panel(
                    "Subscriptions",
                    "Disabled ones are told nothing until somebody enables them.",
                    (Query("max by (subscription) (stockstream_webhook_enabled)", "{{subscription}}"),),
                    kind="bargauge", most=1, mappings=(("0", "disabled", "red"), ("1", "served", "green")),
                ),
                Panel(
                    "Shop: items",
                    "What the shop answered.",
                    (
                        Query(rate("stockstream_shop_items_total", "outcome"), "{{outcome}}"),
                        Query(rate("stockstream_shop_requests_total", "outcome"), "requests {{outcome}}"),
                    ),
                    "ops",
                ),
                Panel(
                    "Shop: one request, 95 %",
                    "The shop's own time to answer.",
                    (Query(quantile(0.95, "stockstream_shop_request_seconds"), "95%"),),
                    "s", watch=1, bad=5,
                ),
            ),
        ),
        Row(
            "API",
            (
                Panel(
                    "Requests",
                    "By route, as templates.",
                    (Query(rate("stockstream_api_requests_total", "route"), "{{route}}"),),
                    "ops", stack=True,
                ),
                Panel(
                    "Refusals and faults",
                    "Answers of 400 and above.",
                    (Query(rate("stockstream_api_requests_total", "route", "status", match='status=~"0|[45].."'), "{{status}} {{route}}"),),
                    "ops", stack=True,
                ),
                Panel(
                    "Time to answer, 99 %",
                    "From a request's head to the end of its answer.",
                    (Query(quantile(0.99, "stockstream_api_request_seconds", "route"), "{{route}}"),),
                    "s", watch=0.1, bad=0.5,
                ),
                Panel(
                    "Items sent in",
                    "Over HTTP, by route and status.",
                    (Query(rate("stockstream_api_ingest_items_total", "route", "status"), "{{route}} {{status}}"),),
                    "ops", stack=True,
                ),
                Panel(
                    "Open streams",
                    "By channel.",
                    (Query("sum by (channel) (stockstream_api_streams)", "{{channel}}"),),
                ),
                Panel(
                    "Streams that ended",
                    "By reason.",
                    (Query(rate("stockstream_api_streams_ended_total", "reason"), "{{reason}}"),),
                    "ops",
                ),
            ),
        ),
    ),
    (Choice("system", "ERP system", "stockstream_erp_breaker_state", "system"),),
)  # fmt: skip

"""Every metric of the product, named once: what it is called, what it counts, by what, and in which process.

`schemas/instruments.py` makes clients' objects of these; alerts, dashboards and docs/metrics.md are checked against them.
Labels have few values: stages, topics, declared channels and systems, and the first hundred feeds, locations or
partners (`instruments.Bounded`); none grows with SKUs, documents or customers.
"""

from dataclasses import dataclass
from typing import Final, Literal

Process = Literal["worker", "api", "redis-view", "webhooks", "shop", "erp", "connectors", "every"]
"""`connectors`: every one but the worker."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. Names end in the base unit, counters in _total."""

    process: Process
    kind: Literal["counter", "gauge", "histogram"]
    name: str
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


METRICS: Final[list[Metric]] = []
"""All of them, in the order of this file."""

FOLD: Final = (0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5)
COMMIT: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
WAY: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0)
CALL: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
DELIVERY: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 20.0)
BATCH: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
ANSWER: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
POSTED: Final = (0.1, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0)
DAYS: Final = (3_600.0, 14_400.0, 43_200.0, 86_400.0, 172_800.0, 345_600.0, 604_800.0, 1_209_600.0, 2_592_000.0)


def _counter(process: Process, name: str, text: str, *labels: str) -> Metric:
    return _named(Metric(process, "counter", name, text, labels))


def _gauge(process: Process, name: str, text: str, *labels: str) -> Metric:
    return _named(Metric(process, "gauge", name, text, labels))


def _histogram(process: Process, name: str, text: str, *labels: str, buckets: tuple[float, ...]) -> Metric:
    return _named(Metric(process, "histogram", name, text, labels, buckets))


def _named(metric: Metric) -> Metric:
    METRICS.append(metric)
    return metric


# fmt: off
# ---- every process
BUILD = _gauge("every", "stockstream_process_info", "1: this process runs, in this version.", "process", "version")
READY = _gauge("every", "stockstream_ready", "1 while the process does its work, 0 while it starts, recovers or waits.", "process")
UNDECODABLE = _counter("connectors", "stockstream_undecodable_total", "Records of our own topics that a connector could not read and passed over.", "topic")

# ---- worker: the path
EVENTS = _counter("worker", "stockstream_events_total", "Records folded, by stage; every stage folds all it reads, intake's outcomes are counted apart.", "stage")
INTAKE = _counter("worker", "stockstream_intake_records_total", "Inbound records by topic and outcome: accepted, duplicate, parked, quarantined, dead, replayed.", "topic", "outcome")
OUTPUTS = _counter("worker", "stockstream_outputs_total", "Records written, by topic.", "topic")
CHUNK_SECONDS = _histogram("worker", "stockstream_chunk_seconds", "Time to fold one chunk, by stage.", "stage", buckets=FOLD)
WAIT_SECONDS = _histogram("worker", "stockstream_wait_seconds", "Time a record had been in its topic when it was folded, by topic; of every seventh record.", "topic", buckets=WAY)
TRANSACTION_SECONDS = _histogram("worker", "stockstream_transaction_seconds", "Time from begin to commit of a transaction.", buckets=COMMIT)
COMMIT_SECONDS = _histogram("worker", "stockstream_commit_latency_seconds", "Time from the first fold a transaction carries to its commit.", buckets=COMMIT)
END_TO_END_SECONDS = _histogram("worker", "stockstream_end_to_end_seconds", "Time from intake of a record to the commit of the availability it changed, by feed; samples of each transaction.", "source", "location", buckets=WAY)
TRANSACTIONS = _counter("worker", "stockstream_transactions_total", "Transactions committed.")
LAG = _gauge("worker", "stockstream_lag_records", "Records of this worker's partitions not yet read, by topic.", "topic")
COMMIT_AGE_SECONDS = _gauge("worker", "stockstream_commit_age_seconds", "Longest time since a commit among partitions with input waiting; 0 where none waits.")
TASKS = _gauge("worker", "stockstream_tasks", "Tasks (partition numbers) this worker owns.")
ROWS = _gauge("worker", "stockstream_rows", "Rows in memory, by table.", "table")
RECOVERY_READ = _gauge("worker", "stockstream_recovery_read_records", "Changelog records read in the newest recovery.")
RECOVERY_TARGET = _gauge("worker", "stockstream_recovery_target_records", "Changelog records there are to read in the newest recovery.")
RECOVERY_SECONDS = _gauge("worker", "stockstream_recovery_seconds", "How long the recovery under way has taken so far; 0 where none is.")
REBALANCES = _counter("worker", "stockstream_rebalances_total", "Takeovers completed.")

# ---- worker: the business
FEED_AGE_SECONDS = _gauge("worker", "stockstream_feed_age_seconds", "Time since the newest sign of life of a feed.", "source", "location")
FEED_STATUS = _gauge("worker", "stockstream_feed_status", "0 fresh, 1 late, 2 stale.", "source", "location")
ATP_CHANGES = _counter("worker", "stockstream_atp_changes_total", "Times a position's promise changed; outputs of availability.deltas are those that were material.")
DIVERGENCE = _counter("worker", "stockstream_stock_divergence_units_total", "Base units by which stock snapshots of others differed from the ledger, by location.", "location")
RAISED = _counter("worker", "stockstream_exceptions_raised_total", "Exceptions raised.", "category", "severity")
RESOLVED = _counter("worker", "stockstream_exceptions_resolved_total", "Exceptions settled by the pipeline.", "category", "resolution")
DEAD_LETTERS = _counter("worker", "stockstream_dead_letters_total", "Records that could not be decoded.", "category")
RESERVATIONS = _counter("worker", "stockstream_reservation_decisions_total", "Decisions about reservations; the reason is empty where it was accepted.", "channel", "action", "state", "reason")
ASN_SECONDS = _histogram("worker", "stockstream_asn_receipt_seconds", "Time from a shipment's ship notice to its first receipt, by location shipped to.", "location", buckets=DAYS)
NOTICES = _counter("worker", "stockstream_ship_notices_total", "Ship notices whose goods have come, by supplier and outcome: in_time, late (after the goods).", "partner", "outcome")
ORDERS = _counter("worker", "stockstream_purchase_orders_total", "Purchase orders that came in for the first time, by supplier.", "partner")
ACKNOWLEDGED = _counter("worker", "stockstream_purchase_orders_acknowledged_total", "Purchase orders acknowledged for the first time, by supplier.", "partner")
ACK_SECONDS = _histogram("worker", "stockstream_acknowledgement_seconds", "Time from a purchase order to its first acknowledgement, by supplier.", "partner", buckets=DAYS)
LINES_RECEIVED = _counter("worker", "stockstream_order_lines_received_total", "Purchase order lines received in full, by supplier and outcome: on_time, late (against the date promised, else requested).", "partner", "outcome")

# ---- Redis view
VIEW_RECORDS = _counter("redis-view", "stockstream_view_records_total", "Records by topic and what became of them: applied, old (a newer one was there), undecodable.", "topic", "outcome")
VIEW_BATCH_SECONDS = _histogram("redis-view", "stockstream_view_batch_seconds", "Time Redis took for one batch, network included.", buckets=BATCH)
VIEW_WAIT_SECONDS = _histogram("redis-view", "stockstream_view_latency_seconds", "Time from a worker's commit until the first record of a batch is in Redis.", buckets=WAY)
VIEW_LAG = _gauge("redis-view", "stockstream_view_lag_records", "Records of this instance's partitions not yet in Redis; NaN while unknown.")
VIEW_REBUILT = _gauge("redis-view", "stockstream_view_rebuilt_ratio", "How much of what was there at the takeover of its partitions is in Redis, 0 to 1.")
VIEW_PARTITIONS = _gauge("redis-view", "stockstream_view_partitions", "Topic partitions this instance keeps.")
VIEW_OUTAGES = _counter("redis-view", "stockstream_view_outages_total", "Times something the view needs went away, by what.", "what")
VIEW_AWAY = _gauge("redis-view", "stockstream_view_away", "1 while the view waits for this, else 0.", "what")
VIEW_REPOSITIONED = _counter("redis-view", "stockstream_view_repositioned_total", "Times positions were read again, by why: emptied (Redis lost the view), moved (another instance or a failover).", "why")
OPEN_EXCEPTIONS = _gauge("redis-view", "stockstream_exceptions_open", "Exceptions open in the whole site; every instance tells the same.", "category", "severity", "owner")
OLDEST_EXCEPTION_SECONDS = _gauge("redis-view", "stockstream_exceptions_oldest_seconds", "Age of the oldest open exception; every instance tells the same.", "category", "severity", "owner")

# ---- API
API_REQUESTS = _counter("api", "stockstream_api_requests_total", "Requests answered.", "route", "status")
API_SECONDS = _histogram("api", "stockstream_api_request_seconds", "Time from a request's head to the end of its answer; streams left out.", "route", "status", buckets=ANSWER)
API_STREAMS = _gauge("api", "stockstream_api_streams", "Open streams.", "channel")
API_STREAMS_ENDED = _counter("api", "stockstream_api_streams_ended_total", "Streams that ended, by reason.", "reason")
API_RESERVATIONS = _counter("api", "stockstream_api_reservation_answers_total", "Answers about reservations, by action and outcome.", "action", "outcome")
API_ITEMS = _counter("api", "stockstream_api_ingest_items_total", "Items sent, by route and status.", "route", "status")
API_IDEMPOTENCY_AWAY = _counter("api", "stockstream_api_idempotency_away_total", "Requests whose idempotency key Redis could not be asked about.")

# ---- ERP connector
ERP_ATTEMPTS = _counter("erp", "stockstream_erp_attempts_total", "Attempts to post, by outcome: POSTED, DUPLICATE, REFUSED, FAILED, UNKNOWN.", "system", "operation", "outcome", "shadow")
ERP_ATTEMPT_SECONDS = _histogram("erp", "stockstream_erp_attempt_seconds", "Time of one attempt until the ERP's answer or its end.", "system", "operation", buckets=CALL)
ERP_POSTING_SECONDS = _histogram("erp", "stockstream_erp_posting_seconds", "Time from a posting's making until the ERP has it, retries and waiting included; shadows left out.", "system", "operation", buckets=POSTED)
ERP_INQUIRIES = _counter("erp", "stockstream_erp_inquiries_total", "Idempotency keys asked for, by answer.", "system", "answer")
ERP_BREAKER = _gauge("erp", "stockstream_erp_breaker_state", "0 closed, 1 half-open, 2 open.", "system")
ERP_WAITING = _gauge("erp", "stockstream_erp_waiting", "Postings held in memory.", "group", "system")
ERP_UNDER_WAY = _gauge("erp", "stockstream_erp_under_way", "Postings sent and not answered.", "system")
ERP_BACKLOG = _gauge("erp", "stockstream_erp_backlog", "Offsets of the topic that are not settled.", "group", "partition")
ERP_LEFT = _gauge("erp", "stockstream_erp_left_in_topic", "Postings read and left in the topic for a later pass.", "group")
ERP_OLDEST_SECONDS = _gauge("erp", "stockstream_erp_oldest_seconds", "Age of the oldest posting not settled.", "group")
ERP_EXCEPTIONS = _counter("erp", "stockstream_erp_exceptions_total", "Exceptions raised, by category.", "category")
ERP_DEAD_LETTERS = _counter("erp", "stockstream_erp_dead_letters_total", "Postings that could not be decoded.", "category")
ERP_FILES = _counter("erp", "stockstream_erp_files_total", "Files written for systems that take files.", "system")
ERP_ACKNOWLEDGED = _counter("erp", "stockstream_erp_acknowledged_total", "Lines of acknowledgement files.", "system", "outcome")
ERP_COMPARED = _counter("erp", "stockstream_erp_compared_total", "Shadow postings compared.", "system", "verdict")

# ---- webhooks
WEBHOOK_DELIVERIES = _counter("webhooks", "stockstream_webhook_deliveries_total", "Attempts to deliver, by subscription and outcome: delivered, failed, gone.", "subscription", "outcome")
WEBHOOK_CHANGES = _counter("webhooks", "stockstream_webhook_changes_total", "Changes that receivers have taken.", "subscription")
WEBHOOK_SECONDS = _histogram("webhooks", "stockstream_webhook_delivery_seconds", "Time of one attempt, by subscription.", "subscription", buckets=DELIVERY)
WEBHOOK_WAIT_SECONDS = _histogram("webhooks", "stockstream_webhook_latency_seconds", "Time from reading the oldest change of a delivery until its receiver has taken it.", "subscription", buckets=WAY)
WEBHOOK_PENDING = _gauge("webhooks", "stockstream_webhook_pending", "SKUs waiting to be told, by subscription.", "subscription")
WEBHOOK_ENABLED = _gauge("webhooks", "stockstream_webhook_enabled", "1: the subscription is served, 0: it is disabled.", "subscription")

# ---- shop
SHOP_REQUESTS = _counter("shop", "stockstream_shop_requests_total", "Requests to the shop, by outcome.", "outcome")
SHOP_ITEMS = _counter("shop", "stockstream_shop_items_total", "Items the shop answered about, by outcome.", "outcome")
SHOP_PENDING = _gauge("shop", "stockstream_shop_pending", "SKUs waiting to be set in the shop.")
SHOP_UNVERIFIED = _gauge("shop", "stockstream_shop_unverified", "SKUs to be set once more since the start, to be sure.")
SHOP_SECONDS = _histogram("shop", "stockstream_shop_request_seconds", "Time of one request to the shop.", buckets=DELIVERY)
# fmt: on

FOREIGN: Final[dict[str, frozenset[str]]] = {
    "up": frozenset(),
    "process_cpu_seconds_total": frozenset(),
    "process_resident_memory_bytes": frozenset(),
    "process_start_time_seconds": frozenset(),
    "process_open_fds": frozenset(),
}
"""What alerts and dashboards may use beside ours: of Prometheus itself and of its Python client, with labels."""
SITE: Final = "site"
"""The label that tells sites apart under one Prometheus; whoever scrapes gives it, as the chart and compose do."""
PRODUCT: Final = "product"
"""The label, `stockstream`, by which a target is known for ours that has never answered."""
SCRAPED: Final = frozenset({"job", "instance", SITE, PRODUCT})
"""Labels that every scrape adds."""


def series(metric: Metric) -> tuple[str, ...]:
    """The names its samples have in an exposition."""
    if metric.kind == "histogram":
        return f"{metric.name}_bucket", f"{metric.name}_sum", f"{metric.name}_count"
    return (metric.name,)

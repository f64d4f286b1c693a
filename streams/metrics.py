"""Every metric a worker exports, named once."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()

EVENTS = Counter("stockstream_events", "Records folded, by stage.", ["stage"], registry=REGISTRY)
OUTPUTS = Counter("stockstream_outputs", "Records written, by topic.", ["topic"], registry=REGISTRY)
CHUNK_SECONDS = Histogram(
    "stockstream_chunk_seconds",
    "Time to fold one chunk, by stage.",
    ["stage"],
    buckets=(0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5),
    registry=REGISTRY,
)
TRANSACTION_SECONDS = Histogram(
    "stockstream_transaction_seconds",
    "Time from begin to commit of a transaction.",
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0),
    registry=REGISTRY,
)
TRANSACTIONS = Counter("stockstream_transactions", "Transactions committed.", registry=REGISTRY)
TASKS = Gauge("stockstream_tasks", "Tasks (partition numbers) this worker owns.", registry=REGISTRY)
ROWS = Gauge("stockstream_rows", "Rows in memory, by table.", ["table"], registry=REGISTRY)
RECOVERY_ROWS = Gauge("stockstream_recovery_rows", "Changelog records read in the current recovery.", registry=REGISTRY)
RECOVERY_TOTAL = Gauge(
    "stockstream_recovery_records", "Changelog records there are to read in the current recovery.", registry=REGISTRY
)
INTAKE = Counter("stockstream_intake", "Inbound records by topic and outcome.", ["topic", "outcome"], registry=REGISTRY)
REBALANCES = Counter("stockstream_rebalances", "Takeovers completed.", registry=REGISTRY)

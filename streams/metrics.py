"""A worker's metrics; schemas/metrics.py describes them."""

from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector

from schemas import metrics
from schemas.codec import FAULTS
from schemas.instruments import counter, gauge, histogram

REGISTRY: Final = CollectorRegistry()
ProcessCollector(registry=REGISTRY)

BUILD: Final = gauge(metrics.BUILD, REGISTRY)
READY: Final = gauge(metrics.READY, REGISTRY)

EVENTS: Final = counter(metrics.EVENTS, REGISTRY)
INTAKE: Final = counter(metrics.INTAKE, REGISTRY)
OUTPUTS: Final = counter(metrics.OUTPUTS, REGISTRY)
CHUNK_SECONDS: Final = histogram(metrics.CHUNK_SECONDS, REGISTRY)
WAIT_SECONDS: Final = histogram(metrics.WAIT_SECONDS, REGISTRY)
TRANSACTION_SECONDS: Final = histogram(metrics.TRANSACTION_SECONDS, REGISTRY)
COMMIT_SECONDS: Final = histogram(metrics.COMMIT_SECONDS, REGISTRY)
END_TO_END_SECONDS: Final = histogram(metrics.END_TO_END_SECONDS, REGISTRY)
TRANSACTIONS: Final = counter(metrics.TRANSACTIONS, REGISTRY)
LAG: Final = gauge(metrics.LAG, REGISTRY)
COMMIT_AGE_SECONDS: Final = gauge(metrics.COMMIT_AGE_SECONDS, REGISTRY)
TASKS: Final = gauge(metrics.TASKS, REGISTRY)
ROWS: Final = gauge(metrics.ROWS, REGISTRY)
RECOVERY_READ: Final = gauge(metrics.RECOVERY_READ, REGISTRY)
RECOVERY_TARGET: Final = gauge(metrics.RECOVERY_TARGET, REGISTRY)
RECOVERY_SECONDS: Final = gauge(metrics.RECOVERY_SECONDS, REGISTRY)
REBALANCES: Final = counter(metrics.REBALANCES, REGISTRY)
FEED_AGE_SECONDS: Final = gauge(metrics.FEED_AGE_SECONDS, REGISTRY)
FEED_STATUS: Final = gauge(metrics.FEED_STATUS, REGISTRY)

RAISED: Final = counter(metrics.RAISED, REGISTRY)
RESOLVED: Final = counter(metrics.RESOLVED, REGISTRY)
DEAD_LETTERS: Final = counter(metrics.DEAD_LETTERS, REGISTRY)
for _fault in FAULTS:  # from 0 on, so that the first one is a step
    DEAD_LETTERS.labels(_fault)
RESERVATIONS: Final = counter(metrics.RESERVATIONS, REGISTRY)
DIVERGENCE: Final = counter(metrics.DIVERGENCE, REGISTRY)

COUNTED: Final = {
    metric.name: counter(metric, REGISTRY)
    for metric in (
        metrics.ATP_CHANGES, metrics.NOTICES, metrics.ORDERS, metrics.ACKNOWLEDGED, metrics.LINES_RECEIVED
    )
}  # fmt: skip
"""What stages measure and is added up."""
OBSERVED: Final = {metric.name: histogram(metric, REGISTRY) for metric in (metrics.ASN_SECONDS, metrics.ACK_SECONDS)}
"""What stages measure and is sorted by size."""

"""The ERP connector's metrics; schemas/metrics.py describes them."""

from typing import Final

from schemas import metrics
from schemas.codec import FAULTS
from schemas.instruments import counter, gauge, histogram

ATTEMPTS: Final = counter(metrics.ERP_ATTEMPTS)
ATTEMPT_SECONDS: Final = histogram(metrics.ERP_ATTEMPT_SECONDS)
POSTING_SECONDS: Final = histogram(metrics.ERP_POSTING_SECONDS)
INQUIRIES: Final = counter(metrics.ERP_INQUIRIES)
BREAKER: Final = gauge(metrics.ERP_BREAKER)
WAITING: Final = gauge(metrics.ERP_WAITING)
UNDER_WAY: Final = gauge(metrics.ERP_UNDER_WAY)
BACKLOG: Final = gauge(metrics.ERP_BACKLOG)
LEFT: Final = gauge(metrics.ERP_LEFT)
OLDEST_SECONDS: Final = gauge(metrics.ERP_OLDEST_SECONDS)
EXCEPTIONS: Final = counter(metrics.ERP_EXCEPTIONS)
DEAD_LETTERS: Final = counter(metrics.ERP_DEAD_LETTERS)
for _fault in (*FAULTS, "NULL_VALUE"):  # from 0 on, so that the first one is a step
    DEAD_LETTERS.labels(_fault)
FILES: Final = counter(metrics.ERP_FILES)
ACKNOWLEDGED: Final = counter(metrics.ERP_ACKNOWLEDGED)
COMPARED: Final = counter(metrics.ERP_COMPARED)

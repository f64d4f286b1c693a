"""The Redis view's metrics; schemas/metrics.py describes them."""

from typing import Final

from schemas import metrics
from schemas.instruments import counter, gauge, histogram

RECORDS: Final = counter(metrics.VIEW_RECORDS)
BATCH: Final = histogram(metrics.VIEW_BATCH_SECONDS)
WAIT: Final = histogram(metrics.VIEW_WAIT_SECONDS)
LAG: Final = gauge(metrics.VIEW_LAG)
REBUILT: Final = gauge(metrics.VIEW_REBUILT)
PARTITIONS: Final = gauge(metrics.VIEW_PARTITIONS)
OUTAGES: Final = counter(metrics.VIEW_OUTAGES)
AWAY: Final = gauge(metrics.VIEW_AWAY)
for _what in ("redis", "kafka", "registry"):  # from the start on, so that the first outage is a step
    OUTAGES.labels(_what)
    AWAY.labels(_what).set(0)
REPOSITIONED: Final = counter(metrics.VIEW_REPOSITIONED)
OPEN_EXCEPTIONS: Final = gauge(metrics.OPEN_EXCEPTIONS)
OLDEST_EXCEPTION: Final = gauge(metrics.OLDEST_EXCEPTION_SECONDS)

"""The API's metrics; schemas/metrics.py describes them."""

from typing import Final

from schemas import metrics
from schemas.instruments import counter, gauge, histogram

REQUESTS: Final = counter(metrics.API_REQUESTS)
SECONDS: Final = histogram(metrics.API_SECONDS)
STREAMS: Final = gauge(metrics.API_STREAMS)
STREAMS_ENDED: Final = counter(metrics.API_STREAMS_ENDED)
RESERVATIONS: Final = counter(metrics.API_RESERVATIONS)
ITEMS: Final = counter(metrics.API_ITEMS)
IDEMPOTENCY_AWAY: Final = counter(metrics.API_IDEMPOTENCY_AWAY)

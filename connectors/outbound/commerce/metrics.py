"""The webhooks' and the shop adapter's metrics; schemas/metrics.py describes them."""

from typing import Final

from schemas import metrics
from schemas.instruments import counter, gauge, histogram

DELIVERIES: Final = counter(metrics.WEBHOOK_DELIVERIES)
CHANGES: Final = counter(metrics.WEBHOOK_CHANGES)
DELIVERY_SECONDS: Final = histogram(metrics.WEBHOOK_SECONDS)
WAIT_SECONDS: Final = histogram(metrics.WEBHOOK_WAIT_SECONDS)
PENDING: Final = gauge(metrics.WEBHOOK_PENDING)
ENABLED: Final = gauge(metrics.WEBHOOK_ENABLED)
SHOP_REQUESTS: Final = counter(metrics.SHOP_REQUESTS)
SHOP_ITEMS: Final = counter(metrics.SHOP_ITEMS)
SHOP_PENDING: Final = gauge(metrics.SHOP_PENDING)
SHOP_UNVERIFIED: Final = gauge(metrics.SHOP_UNVERIFIED)
SHOP_SECONDS: Final = histogram(metrics.SHOP_SECONDS)

"""Every metric of the webhooks and the shop adapter, named once."""

from prometheus_client import Counter, Gauge, Histogram

DELIVERIES = Counter(
    "stockstream_webhook_deliveries", "Attempts to deliver, by subscription and outcome.", ["subscription", "outcome"]
)
CHANGES = Counter("stockstream_webhook_changes", "Changes that receivers have taken.", ["subscription"])
DELIVERY_SECONDS = Histogram(
    "stockstream_webhook_delivery_seconds",
    "Time of one attempt, by subscription.",
    ["subscription"],
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 20.0),
)
PENDING = Gauge("stockstream_webhook_pending", "SKUs waiting to be told, by subscription.", ["subscription"])
ENABLED = Gauge("stockstream_webhook_enabled", "1: the subscription is served, 0: it is disabled.", ["subscription"])
SHOP_REQUESTS = Counter("stockstream_shop_requests", "Requests to the shop, by outcome.", ["outcome"])
SHOP_ITEMS = Counter("stockstream_shop_items", "Items the shop answered about, by outcome.", ["outcome"])
SHOP_PENDING = Gauge("stockstream_shop_pending", "SKUs waiting to be set in the shop.")
SHOP_UNVERIFIED = Gauge("stockstream_shop_unverified", "SKUs to be set once more since the start, to be sure.")
SHOP_SECONDS = Histogram(
    "stockstream_shop_request_seconds",
    "Time of one request to the shop.",
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 20.0),
)

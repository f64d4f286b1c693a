"""Every metric of the Redis view, once."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

RECORDS: Final = Counter(
    "stockstream_view_records",
    "Records by topic and what became of them: applied, old (a newer one was there), undecodable.",
    ["topic", "outcome"],
)
BATCH: Final = Histogram(
    "stockstream_view_batch_seconds",
    "Time Redis took for one batch, network included.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0),
)
LAG: Final = Gauge(
    "stockstream_view_lag_records", "Records of this instance's partitions not yet in Redis; NaN while unknown."
)
REBUILT: Final = Gauge(
    "stockstream_view_rebuilt_ratio",
    "How much of what was there at the takeover of its partitions is in Redis, 0 to 1.",
)
PARTITIONS: Final = Gauge("stockstream_view_partitions", "Topic partitions this instance keeps.")
OUTAGES: Final = Counter("stockstream_view_outages", "Times something the view needs went away, by what.", ["what"])
AWAY: Final = Gauge("stockstream_view_away", "1 while the view waits for this, else 0.", ["what"])
REPOSITIONED: Final = Counter(
    "stockstream_view_repositioned",
    "Times positions were read again, by why: emptied (Redis lost the view), moved (another instance or a failover).",
    ["why"],
)

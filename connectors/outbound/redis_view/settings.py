"""Settings of the Redis view; STOCKSTREAM_REDIS says where the Redis is."""

from dataclasses import dataclass

from schemas.environment import Shared, setting


@dataclass(frozen=True, slots=True)
class Settings(Shared):
    """What the Redis view takes besides what every process takes."""

    http_host: str = setting("127.0.0.1", "Address of /metrics, /readyz and /livez.", edge="VIEW")
    http_port: int = setting(0, "Port of /metrics, /readyz and /livez; 0 picks a free one.", edge="VIEW", least=0)
    batch_records: int = setting(
        500,
        "Most records in one script call; Redis serves nobody else during a call, about 10 µs a record.",
        edge="VIEW",
    )
    redis_timeout_ms: int = setting(
        2_000, "How long a call to Redis may take before Redis counts as away.", edge="VIEW"
    )
    session_timeout_ms: int = setting(
        10_000, "After this time without a sign of life an instance's partitions go to the others.", edge="VIEW"
    )

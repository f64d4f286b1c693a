"""What the view needs and may be without for a while: Redis, Kafka, the registry. Told from what no waiting mends."""

import random
from collections.abc import Iterator
from typing import Final

from confluent_kafka import KafkaException
from redis.exceptions import (
    BusyLoadingError,
    ClusterDownError,
    ConnectionError,  # noqa: A004 - the client's own name
    MasterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TimeoutError,  # noqa: A004
)

FIRST_S: Final = 0.2
LONGEST_S: Final = 5.0


class Away(Exception):
    """Something outside does not answer, or not yet; what has not been done can be done later."""

    def __init__(self, what: str, why: object) -> None:
        super().__init__(f"{what} is away: {why}")
        self.what, self.why = what, str(why)


_PASSING: Final = (
    BusyLoadingError, ClusterDownError, ConnectionError, MasterDownError, OutOfMemoryError, ReadOnlyError, TimeoutError,
    OSError,
)  # fmt: skip
_PASSING_TEXTS: Final = ("READONLY", "OOM ", "MISCONF", "NOREPLICAS", "LOADING", "MASTERDOWN", "BUSY ")
"""Inside a script these come as the script's error: a failover, a full or a read-only Redis."""


def redis_away(error: RedisError | OSError) -> Exception:
    """Away for what passes; the error itself for what does not, such as a key of another type."""
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, _PASSING):
        return Away("redis", text)
    if isinstance(error, ResponseError) and any(sign in str(error) for sign in _PASSING_TEXTS):
        return Away("redis", text)
    return error


def kafka_away(error: KafkaException) -> Exception:
    """Away for what passes, else the error itself."""
    reason = error.args[0]
    passing = {"_TRANSPORT", "_ALL_BROKERS_DOWN", "_TIMED_OUT", "_RESOLVE", "REQUEST_TIMED_OUT"}
    return Away("kafka", reason.str()) if reason.retriable() or reason.name() in passing else error


def pauses() -> Iterator[float]:
    """How long to wait before each next try, in seconds: doubling up to LONGEST_S, of which a random half is left out."""
    pause = FIRST_S
    while True:
        yield pause * random.uniform(0.5, 1.0)
        pause = min(LONGEST_S, pause * 2)

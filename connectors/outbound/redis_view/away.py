"""What passes by itself of Redis's faults, told from what no waiting mends."""

from typing import Final

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

from connectors.away import Away

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

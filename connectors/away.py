"""What a connector needs and may be without for a while, told from what no waiting mends; and how long to wait."""

import random
from collections.abc import Iterator
from typing import Final

from confluent_kafka import KafkaError, KafkaException

FIRST_S: Final = 0.2
LONGEST_S: Final = 5.0
PASSING: Final = frozenset(
    {
        "_PARTITION_EOF", "_TRANSPORT", "_ALL_BROKERS_DOWN", "_TIMED_OUT", "_RESOLVE", "REQUEST_TIMED_OUT",
        # While leaders change hands; answers of the admin client do not say that they are retriable.
        "_NOENT", "NOT_LEADER_FOR_PARTITION", "LEADER_NOT_AVAILABLE", "FENCED_LEADER_EPOCH", "UNKNOWN_LEADER_EPOCH",
        "BROKER_NOT_AVAILABLE", "REPLICA_NOT_AVAILABLE", "NETWORK_EXCEPTION", "OFFSET_NOT_AVAILABLE",
    }
)  # fmt: skip
"""Events of a Kafka client that librdkafka mends itself, or that are no faults."""


class Away(Exception):
    """Something outside does not answer, or not yet; what has not been done can be done later."""

    def __init__(self, what: str, why: object) -> None:
        super().__init__(f"{what} is away: {why}")
        self.what, self.why = what, str(why)


def passes(error: KafkaError) -> bool:
    """Whether waiting is all there is to do about an error of Kafka's."""
    return not error.fatal() and (error.retriable() or error.name() in PASSING)


def kafka_away(error: KafkaException) -> Exception:
    """Away for what passes, else the error itself."""
    reason = error.args[0]
    return Away("kafka", reason.str()) if passes(reason) else error


def pause(failed: int, first: float = FIRST_S, longest: float = LONGEST_S) -> float:
    """How long to wait after so many failures in a row: doubling up to `longest`, a random half of it left out."""
    return min(longest, first * 2.0 ** min(failed - 1, 40)) * random.uniform(0.5, 1.0)


def pauses() -> Iterator[float]:
    """The waits before each next try, in seconds."""
    failed = 0
    while True:
        failed += 1
        yield pause(failed)

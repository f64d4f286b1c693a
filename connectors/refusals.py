"""What Kafka's clients say of the broker: a complaint a minute in the log, and word when it no longer lets us in."""

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from confluent_kafka import KafkaError

from schemas.admission import refusal
from schemas.environment import Shared

AGAIN_S: Final = 60.0
LOG: Final = logging.getLogger("kafka")
"""Where librdkafka logs, in every client of the connectors."""


class _OnceAMinute(logging.Filter):
    """Lets the first line of each kind pass; a client that cannot connect says so five times a second."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        kind, now = record.getMessage().partition(" ")[0], time.monotonic()
        if now - self._said.get(kind, -AGAIN_S) < AGAIN_S:
            return False
        self._said[kind] = now
        return True


LOG.addFilter(_OnceAMinute())


class ShutOut(asyncio.Event):
    """Set once the broker no longer lets us in; `why` says so in a line."""

    why = ""


_listening: list[tuple[Shared, ShutOut]] = []


@contextmanager
def heard(settings: Shared) -> Iterator[ShutOut]:
    """Hear, within the block, of a refusal to any client of this process that calls `hear`."""
    shut_out = ShutOut()
    _listening.append((settings, shut_out))
    try:
        yield shut_out
    finally:
        _listening.remove((settings, shut_out))


async def hear(error: KafkaError) -> None:
    """A client's error callback; runs on the event loop."""
    for settings, shut_out in _listening:
        if (why := refusal(settings, error)) is not None:
            shut_out.why = why
            shut_out.set()

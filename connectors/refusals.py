"""What Kafka's clients say of the broker: a complaint a minute in the log, and word when it no longer lets us in."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from confluent_kafka import KafkaError

from schemas.admission import refusal
from schemas.environment import Shared
from schemas.logs import OnceAMinute

LOG: Final = logging.getLogger("kafka")
"""Where librdkafka logs, in every client of the connectors."""


LOG.addFilter(OnceAMinute())


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

"""How each subscription stands, kept in a compacted topic, so that every instance and the command see the same.

And the exceptions that the channels' owner hears of.
"""

from typing import Any, Final

from confluent_kafka.aio import AIOProducer

from connectors import refusal_log
from connectors.heartbeat import DELIVERY_S, through
from connectors.outbound.commerce.compacted import Compacted
from connectors.outbound.commerce.settings import Commerce
from connectors.outbound.commerce.subscriptions import Subscription
from schemas.clock import clock, wall_ms
from schemas.codec import Codec
from schemas.records import WebhookSubscription
from tables.exceptions import raised, resolved

TOPIC: Final = "webhooks.subscriptions"


class Book:
    """Reads and writes the states; the newest by offset holds, whoever wrote it."""

    def __init__(self, settings: Commerce, codec: Codec, producer: AIOProducer) -> None:
        self._states: dict[str, tuple[int, WebhookSubscription]] = {}
        self._producer, self._encode = producer, codec.encoder(TOPIC)
        self._topic = Compacted(settings, codec, TOPIC, self._take_in)
        self.open, self.follow, self.close = self._topic.open, self._topic.follow, self._topic.close

    def _take_in(self, key: str, value: Any, offset: int) -> None:
        if value is None:
            self._states.pop(key, None)
        elif offset >= self._states.get(key, (-1,))[0]:
            self._states[key] = offset, value

    def state(self, subscription: Subscription) -> WebhookSubscription:
        """How it stands; one that nobody has written about is well."""
        known = self._states.get(subscription.id)
        return well(subscription) if known is None else known[1]

    def disabled(self, subscription: Subscription) -> bool:
        """Whether it waits for a command or another declaration."""
        state = self.state(subscription)
        return state["state"] == "DISABLED" and state["declaration"] == subscription.declaration

    async def write(self, state: WebhookSubscription) -> None:
        """Keep a state; returns once the broker has it."""
        key = state["subscription"]
        produced = await self._producer.produce(TOPIC, self._encode(state), key.encode())
        message = await through(produced, DELIVERY_S)
        self._take_in(key, state, message.offset())


def well(subscription: Subscription, exception_id: str | None = None) -> WebhookSubscription:
    """The state of a subscription that nothing is wrong with, as far as anybody knows."""
    return {
        "subscription": subscription.id,
        "channel": subscription.channel,
        "state": "ENABLED",
        "declaration": subscription.declaration,
        "reason": None,
        "attempts": 0,
        "first_failed_at": None,
        "next_attempt_at": None,
        "exception_id": exception_id,
        "changed_at": wall_ms(),
    }


class Exceptions:
    """Raises and resolves what people have to look at; returns once the broker has it."""

    def __init__(self, settings: Commerce, codec: Codec, producer: AIOProducer) -> None:
        self._codec, self._producer = codec, producer
        self._clock = clock(settings.clock)

    async def raise_(
        self, category: str, subject: tuple[str, str], message: str, *, coordinate: str, correlation_id: str,
        **evidence: str,
    ) -> str:  # fmt: skip
        """One exception a subject and category, however often it is found; returns its id."""
        record = raised(
            category,
            subject,
            message,
            coordinate=coordinate,
            raised_at=self._clock(),
            correlation_id=correlation_id,
            once_per_subject=True,
            evidence=evidence,
        )
        await self._write("exceptions", record["exception_id"], record)
        return record["exception_id"]

    async def resolve(self, identifier: str, category: str, note: str, *, correlation_id: str) -> None:
        record = resolved(identifier, category, note, resolved_at=self._clock(), correlation_id=correlation_id)
        await self._write("exceptions.resolutions", identifier, record)

    async def _write(self, topic: str, key: str, record: Any) -> None:
        produced = await self._producer.produce(topic, self._codec.encode(topic, record), key.encode())
        await through(produced, DELIVERY_S)
        refusal_log.tell(topic, record)

"""What the owner of the channels asks of webhooks: how they stand, a test delivery, serve again."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import orjson
from confluent_kafka import TopicPartition

from connectors import kafka
from connectors.bounded import bounds
from connectors.outbound.commerce.addresses import Addresses
from connectors.outbound.commerce.book import Book, well
from connectors.outbound.commerce.delivery import Post, moment, trusted_receivers
from connectors.outbound.commerce.main import declared_channels
from connectors.outbound.commerce.settings import Commerce
from connectors.outbound.commerce.signing import signed, signer
from connectors.outbound.commerce.subscriber import group
from connectors.outbound.commerce.subscriptions import Subscription, SubscriptionsError, load
from schemas.clock import wall_ms
from schemas.registry import connected_codec


def declared(settings: Commerce) -> dict[str, Subscription]:
    """All subscriptions; raise SubscriptionsError or ChannelsError."""
    return load(settings, declared_channels(settings))


def named(settings: Commerce, name: str) -> Subscription:
    found = declared(settings).get(name)
    if found is None:
        raise SubscriptionsError(f"{name}: no such subscription; there are {', '.join(declared(settings)) or 'none'}")
    return found


@asynccontextmanager
async def opened(settings: Commerce) -> AsyncIterator[Book]:
    """The book of how subscriptions stand, read whole."""
    codec = await asyncio.to_thread(connected_codec, settings)
    producer = kafka.producer(settings)
    book = Book(settings, codec, producer)
    try:
        await book.open()
        yield book
    finally:
        await book.close()
        await producer.close()


async def standing(settings: Commerce) -> list[dict[str, Any]]:
    """Each subscription with its state, the records before it, and what went wrong last."""
    subscriptions = declared(settings)
    async with opened(settings) as book:
        return [await _standing(settings, book, each) for each in subscriptions.values()]


async def _standing(settings: Commerce, book: Book, subscription: Subscription) -> dict[str, Any]:
    state = book.state(subscription)
    disabled = book.disabled(subscription)
    if not subscription.enabled:
        word = "NOT ENABLED"
    else:
        word = "DISABLED" if disabled else "RETRYING" if state["attempts"] else "SERVED"
    at = state["next_attempt_at"]
    return {
        "subscription": subscription.id,
        "channel": subscription.channel,
        "url": subscription.url,
        "state": word,
        "records_before_it": await _lag(settings, subscription),
        "failed_attempts": state["attempts"],
        "next_attempt": None if at is None else moment(at),
        "reason": state["reason"],
    }


async def _lag(settings: Commerce, subscription: Subscription) -> int:
    """Records of the channel after what was delivered; coalesced, far fewer may be sent."""
    source = kafka.consumer(settings, group(settings, subscription.id))
    try:
        found = await bounds(source, subscription.topic)
        told = await source.committed([TopicPartition(subscription.topic, number) for number in found], timeout=10)
        return sum(found[each.partition][1] - max(found[each.partition][0], each.offset) for each in told)
    finally:
        await source.close()


async def test(settings: Commerce, name: str) -> dict[str, Any]:
    """Send one signed message that changes nothing; the receiver's answer in words."""
    subscription = named(settings, name)
    identifier, now = f"msg_test_{uuid.uuid4().hex}", datetime.now(UTC)
    body = orjson.dumps(
        {"type": "webhook.test", "timestamp": moment(wall_ms()), "data": {"channel": subscription.channel}}
    )
    post = Post(settings, Addresses(settings.allow, allow_http=settings.allow_http), trusted_receivers(settings))
    try:
        signers = [signer(place) for place in subscription.secrets]
        answer = await post(subscription.url, signed(signers, identifier, now, body), body)
    finally:
        await post.close()
    return {"ok": answer.ok, "status": answer.status, "answer": answer.text, "seconds": answer.seconds}


async def enable(settings: Commerce, name: str) -> None:
    """Serve it from now on; the exception about it is resolved by its next delivery."""
    subscription = named(settings, name)
    async with opened(settings) as book:
        await book.write(well(subscription, book.state(subscription)["exception_id"]))

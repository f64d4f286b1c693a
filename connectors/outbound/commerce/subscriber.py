"""Serves one subscription: batches, delivers in order, retries from seconds to a day, disables. Knows no other one."""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from structlog.contextvars import bind_contextvars

from connectors.heartbeat import beat, going_round, through
from connectors.outbound.commerce import metrics
from connectors.outbound.commerce.addresses import Addresses
from connectors.outbound.commerce.book import Book, Exceptions, well
from connectors.outbound.commerce.delivery import GONE, Answer, Parcel, Post
from connectors.outbound.commerce.effective import effective, effective_at
from connectors.outbound.commerce.feeds import Feeds
from connectors.outbound.commerce.outbox import Change, traces
from connectors.outbound.commerce.reader import ChannelReader
from connectors.outbound.commerce.settings import Commerce
from connectors.outbound.commerce.signing import SecretError, signed, signer
from connectors.outbound.commerce.subscriptions import Subscription
from connectors.trust import Trust
from schemas.clock import wall_ms
from schemas.codec import Codec
from schemas.records import WebhookSubscription
from schemas.tracing import tracer
from tables.channels import Channel

CATEGORY: Final = "WEBHOOK_UNDELIVERABLE"
LOOK_S: Final = 0.05
LISTED: Final = 50
"""Changes of a delivery that its line names."""
log: Final = logging.getLogger("webhooks.deliveries")


def group(settings: Commerce, subscription: str) -> str:
    """The consumer group that remembers what a subscription was delivered."""
    return f"{settings.app}.webhooks.{subscription}"


class Subscriber:
    """One subscription while it is served. `run` ends by itself once the subscription is disabled."""

    def __init__(
        self,
        subscription: Subscription,
        channel: Channel,
        feeds: Feeds,
        settings: Commerce,
        codec: Codec,
        addresses: Addresses,
        trusted: Trust,
        book: Book,
        exceptions: Exceptions,
        segment: Callable[[str], str | None],
    ) -> None:
        self.subscription, self._settings, self._book, self._exceptions = subscription, settings, book, exceptions
        self._channel = channel
        self._post = Post(settings, addresses, trusted)
        self._reader = ChannelReader(
            settings,
            codec,
            channel,
            feeds,
            group(settings, subscription.id),
            lambda offer: subscription.wants(offer["sku"], segment(offer["sku"])),
        )
        self._outbox = self._reader.outbox

    async def run(self) -> None:
        """Serve until cancelled or disabled; a fault of the broker's is raised."""
        name = self.subscription.id
        bind_contextvars(channel=self._channel.id, subscription=name)  # a task of its own, and so are those it starts
        reading = asyncio.create_task(self._reader.run(), name=f"read {name}")
        sending = asyncio.create_task(self._send_all(), name=f"send {name}")
        try:
            done, _ = await asyncio.wait({reading, sending}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (sending, reading):
                task.cancel()
            await asyncio.gather(sending, reading, return_exceptions=True)
            await self._post.close()

    async def _send_all(self) -> None:
        with going_round(f"deliveries to {self.subscription.id}"):
            while True:
                parcel = await self._next()
                if not await self._deliver(parcel):
                    return

    # ---- batching -----------------------------------------------------------------------------------------------

    async def _next(self) -> Parcel:
        """Wait for a full batch, or for the oldest change to have waited long enough."""
        size, longest = self.subscription.batch_size, self.subscription.batch_ms / 1000
        while True:
            beat()
            metrics.PENDING.labels(self.subscription.id).set(len(self._outbox))
            oldest = self._outbox.oldest()
            if oldest is None:
                self._reader.arrived.clear()
                await through(self._reader.arrived.wait())
                continue
            rest = oldest + longest - time.monotonic()
            if len(self._outbox) >= size or rest <= 0:
                changes = self._outbox.take(size)
                most = self._settings.body_bytes
                parcel = Parcel.of(self.subscription.id, self._channel.id, changes, most, self._told)
                self._outbox.put_back(changes[len(parcel.changes) :])
                return parcel
            await asyncio.sleep(min(rest, LOOK_S))

    def _told(self, change: Change) -> Mapping[str, Any]:
        """The offer whole, and what to go by while feeds stand as they do."""
        statuses = self._reader.told.statuses(change.partition)
        return {
            **change.offer,
            "effective": effective(change.offer, statuses, self._channel),
            "effective_at": effective_at(change.offer, statuses),
        }

    # ---- delivering ---------------------------------------------------------------------------------------------

    async def _deliver(self, parcel: Parcel) -> bool:
        """Try until the receiver has taken it. False: the subscription is disabled now.

        Also ends when a partition of it went to another instance: what is left is packed anew.
        """
        while all(self._outbox.holds(change) for change in parcel.changes):
            beat()
            if await self._wait():
                continue
            answer = await self._attempt(parcel)
            if answer.ok:
                await self._taken(parcel, answer)
                return True
            if not await self._failed(parcel, answer):
                return False
        self._outbox.put_back(parcel.changes)
        return True

    async def _wait(self) -> bool:
        """Rest a little if it is not time yet."""
        at = self._book.state(self.subscription)["next_attempt_at"]
        rest = 0 if at is None else (at - wall_ms()) / 1000
        if rest > 0:
            await asyncio.sleep(min(rest, LOOK_S))
        return rest > 0

    async def _attempt(self, parcel: Parcel) -> Answer:
        with tracer.sending("POST webhook", traces(parcel.changes)) as span:
            try:  # secrets are read anew: whoever changes a file need not restart anything
                signers = [signer(place) for place in self.subscription.secrets]
                headers = signed(signers, parcel.id, datetime.now(UTC), parcel.body)
                if span.context is not None:
                    headers = {**headers, **span.context.http()}
                answer = await self._post(self.subscription.url, headers, parcel.body)
            except SecretError as error:
                answer = Answer(0, str(error), 0.0)
            if span.recorded:
                span.tell(self._said(parcel, answer))
                if not answer.ok:
                    span.failed(str(answer.status))
        outcome = "delivered" if answer.ok else "gone" if answer.status == GONE else "failed"
        if log.isEnabledFor(logging.INFO):
            log.info("webhook attempted", extra=self._line(parcel, answer, outcome))
        metrics.DELIVERIES.labels(self.subscription.id, outcome).inc()
        metrics.DELIVERY_SECONDS.labels(self.subscription.id).observe(answer.seconds)
        return answer

    def _line(self, parcel: Parcel, answer: Answer, outcome: str) -> dict[str, Any]:
        """What the log says of an attempt: of the first changes in it, where they are from."""
        told = parcel.changes[:LISTED]
        return {
            "delivery_id": parcel.id,
            "outcome": outcome,
            "status": answer.status,
            "reason": None if answer.ok else answer.text,
            "seconds": round(answer.seconds, 3),
            "changes": len(parcel.changes),
            "correlation_ids": list(dict.fromkeys(change.offer["correlation_id"] for change in told)),
            "coordinates": [change.coordinate for change in told],
        }

    def _said(self, parcel: Parcel, answer: Answer) -> dict[str, str | int]:
        """What a span says of an attempt."""
        return {
            "http.request.method": "POST",
            "http.response.status_code": answer.status,
            "stockstream.webhook.subscription": self.subscription.id,
            "stockstream.webhook.id": parcel.id,
            "stockstream.changes": len(parcel.changes),
        }

    async def _taken(self, parcel: Parcel, answer: Answer) -> None:
        oldest = min(change.since for change in parcel.changes)
        metrics.WAIT_SECONDS.labels(self.subscription.id).observe(time.monotonic() - oldest)
        again = _resync(answer.body)
        for change in parcel.changes:
            if change.sku in again and (change.again or change.offer["previous_revision"]):
                self._outbox.tell_again(change)
        self._outbox.done(parcel.changes)
        metrics.CHANGES.labels(self.subscription.id).inc(len(parcel.changes))
        state = self._book.state(self.subscription)
        if state["exception_id"]:
            note = f"{self.subscription.id} takes deliveries again"
            correlation = parcel.changes[0].offer["correlation_id"]
            await self._exceptions.resolve(state["exception_id"], CATEGORY, note, correlation_id=correlation)
        if state["attempts"] or state["exception_id"]:
            await self._book.write(well(self.subscription))

    async def _failed(self, parcel: Parcel, answer: Answer) -> bool:
        """Note the failure and when to try again; False when this was the last."""
        now = wall_ms()
        state = self._book.state(self.subscription)
        attempts, begun = state["attempts"] + 1, failing_since(state, now - round(answer.seconds * 1000))
        if answer.status == GONE:
            await self._disable(parcel, f"{answer.text}: the receiver wants no more", attempts, begun)
            return False
        if now - begun >= self._settings.give_up_ms:
            tried = f"{attempts} attempts in {(now - begun) / 3_600_000:.1f} h, the last: {answer.text}"
            await self._disable(parcel, tried, attempts, begun)
            return False
        wait = max(pause_ms(attempts, self._settings), answer.retry_after_s * 1000)
        next_at = now + int(min(wait, self._settings.give_up_ms))
        await self._book.write(
            {
                **well(self.subscription, state["exception_id"]),
                "reason": answer.text,
                "attempts": attempts,
                "first_failed_at": begun,
                "next_attempt_at": next_at,
            }
        )
        return True

    async def _disable(self, parcel: Parcel, reason: str, attempts: int, begun: int) -> None:
        first = parcel.changes[0]
        identifier = await self._exceptions.raise_(
            CATEGORY,
            ("WEBHOOK", self.subscription.id),
            f"{self.subscription.id} ({self.subscription.channel}) is disabled: {reason}",
            coordinate=first.coordinate,
            correlation_id=first.offer["correlation_id"],
            url=self.subscription.url,
            waiting=str(len(parcel.changes) + len(self._outbox)),
        )
        await self._book.write(
            {
                **well(self.subscription, identifier),
                "state": "DISABLED",
                "reason": reason,
                "attempts": attempts,
                "first_failed_at": begun,
            }
        )


def failing_since(state: WebhookSubscription, tried_at: int) -> int:
    """Since when deliveries have failed, for an attempt begun now that failed too.

    Put off by the time in which the next attempt was due and nobody made it: a connector that was stopped must not give
    up a receiver that it has not tried.
    """
    if state["first_failed_at"] is None:
        return tried_at
    return state["first_failed_at"] + max(0, tried_at - (state["next_attempt_at"] or tried_at))


def pause_ms(attempts: int, settings: Commerce) -> float:
    """Wait after so many failures in a row: doubling, up to the most, spread by a fifth either way."""
    doubled = settings.retry_first_ms * 2.0 ** min(attempts - 1, 40)
    return min(doubled, settings.retry_most_ms) * random.uniform(0.8, 1.2)


def _resync(body: bytes) -> frozenset[str]:
    """SKUs that a receiver found a gap in: `{"resync": ["SKU-1"]}` in its answer."""
    if b'"resync"' not in body:
        return frozenset()
    try:
        answer: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        return frozenset()
    wanted = answer.get("resync") if isinstance(answer, dict) else None
    return frozenset(sku for sku in wanted if isinstance(sku, str)) if isinstance(wanted, list) else frozenset()

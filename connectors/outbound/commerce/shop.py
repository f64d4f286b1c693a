"""Keeps a shop's quantities those of its channel: newest only, in order per SKU, by compare-and-set.

Works on what the shop itself says it has, never on what was sent: after any fault or crash both meet again.
"""

import asyncio
import contextlib
import heapq
import logging
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from aiolimiter import AsyncLimiter
from structlog.contextvars import bind_contextvars

from connectors import away, kafka, trust
from connectors.heartbeat import beat, going_round, through
from connectors.outbound.commerce import metrics
from connectors.outbound.commerce.book import Exceptions
from connectors.outbound.commerce.effective import quantity
from connectors.outbound.commerce.feeds import Feeds
from connectors.outbound.commerce.outbox import Change, traces
from connectors.outbound.commerce.reader import ChannelReader
from connectors.outbound.commerce.settings import CA_FILE, Commerce
from connectors.outbound.commerce.shop_adapter import (
    CommerceAdapter,
    Item,
    Rejected,
    RestShop,
    Result,
    Throttled,
    Unanswered,
)
from connectors.process import Process
from schemas.codec import Codec
from schemas.confidential import keep
from schemas.tracing import tracer
from tables.channels import Channel

LOG: Final = logging.getLogger("shop")
LISTED: Final = 50
"""Changes of a request that its line names."""
RULES: Final = ("ours_wins", "report")
LOOK_S: Final = 0.1
FEEDS_S: Final = 0.2
T = TypeVar("T")


class ShopError(ValueError):
    """A setting of the shop that cannot be used; the message names it."""


def serve_shop(settings: Commerce, channels: Mapping[str, Channel]) -> Callable[[Codec, Process], Awaitable[None]]:
    """Check the settings and return the work to be done with them; raise ShopError or SettingError."""
    if settings.shop_channel not in channels:
        known = ", ".join(sorted(channels))
        raise ShopError(f"STOCKSTREAM_COMMERCE_SHOP_CHANNEL={settings.shop_channel!r}: declared are {known}")
    if not settings.shop_url.startswith(("http://", "https://")):
        raise ShopError(f"STOCKSTREAM_COMMERCE_SHOP_URL={settings.shop_url!r}: give the shop's base URL")
    if settings.shop_rule not in RULES:
        raise ShopError(f"STOCKSTREAM_COMMERCE_SHOP_RULE={settings.shop_rule!r}: use {' or '.join(RULES)}")
    try:
        token = (
            keep(Path(settings.shop_token_file).read_text().strip())
            if settings.shop_token_file
            else settings.shop_token
        )
    except OSError as error:
        raise ShopError(f"STOCKSTREAM_COMMERCE_SHOP_TOKEN_FILE={settings.shop_token_file}: {error.strerror}") from None

    trusted = trust.besides(settings.ca_file, CA_FILE)

    async def work(codec: Codec, process: Process) -> None:
        adapter = RestShop(
            settings.shop_url,
            token,
            connect_ms=settings.connect_ms,
            read_ms=settings.read_ms,
            total_ms=settings.total_ms,
            trusted=trusted,
        )
        await Shop(settings, codec, channels[settings.shop_channel], adapter, process).run()

    return work


def _line(changes: list[Change], results: list[Result]) -> dict[str, Any]:
    """What the log says of a request: of the first changes in it, where they are from."""
    told = changes[:LISTED]
    return {
        "outcomes": dict(Counter(result.outcome.lower() for result in results)),
        "correlation_ids": list(dict.fromkeys(change.offer["correlation_id"] for change in told)),
        "coordinates": [change.coordinate for change in told],
    }


class Shop:
    """One shop fed from one channel."""

    def __init__(
        self, settings: Commerce, codec: Codec, channel: Channel, adapter: CommerceAdapter, process: Process
    ) -> None:
        self._settings, self._codec, self._adapter, self._process = settings, codec, adapter, process
        self._channel, self._feeds = channel, Feeds(settings, codec)
        self._limit = AsyncLimiter(settings.shop_rate, 1.0)
        self._reader = ChannelReader(settings, codec, channel, self._feeds, f"{settings.app}.shop.{channel.id}")
        self._reader.revoked = self._forget
        self._outbox = self._reader.outbox
        self._has: dict[str, int] = {}
        """What the shop has by its own word, since the start and as long as nobody else could have set it."""
        self._verified: set[str] = set()
        self._to_verify: list[tuple[float, int, Change]] = []
        self._diverged: dict[str, dict[str, str]] = {}
        """Open exceptions by SKU: each one's category by its id."""
        self._hold_until = 0.0

    async def run(self) -> None:
        """Work until the process is asked to stop; a broker's fault is raised."""
        producer = kafka.producer(self._settings)
        self._exceptions = Exceptions(self._settings, self._codec, producer)
        bind_contextvars(channel=self._channel.id)
        self._process.waiting("reading how feeds stand")
        await self._feeds.open()
        work: list[Coroutine[Any, Any, None]] = [self._reader.run(), self._verify_all(), self._follow_feeds()]
        work += [self._set_all() for _ in range(self._settings.shop_parallel)]
        tasks = [asyncio.create_task(each) for each in (*work, self._until_stopped())]
        self._process.ready(channel=self._settings.shop_channel)
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._adapter.close()
            await self._feeds.close()
            await producer.close()

    async def _until_stopped(self) -> None:
        await self._process.stopping.wait()

    async def _follow_feeds(self) -> None:
        with going_round("the look at feeds"):
            while True:
                beat()
                await self._feeds.follow(FEEDS_S)

    def _wanted(self, change: Change) -> int:
        """The quantity to set: the channel's, by its rule while feeds stand as they do."""
        return quantity(change.offer, self._reader.told.statuses(change.partition), self._channel)

    def _forget(self) -> None:
        """Some SKUs are another instance's now; when they come back, the shop is asked anew."""
        self._has.clear()
        self._verified.clear()

    # ---- setting ------------------------------------------------------------------------------------------------

    async def _set_all(self) -> None:
        with going_round("setting quantities"):
            while True:
                beat()
                metrics.SHOP_PENDING.set(len(self._outbox))
                changes = self._outbox.take(self._settings.shop_batch)
                if changes:
                    await self._set(changes)
                else:
                    self._reader.arrived.clear()
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(LOOK_S):  # wait_for would lose a cancellation that comes with it
                            await self._reader.arrived.wait()

    async def _set(self, changes: list[Change]) -> None:
        """Set these, all under one key; what the shop compared otherwise goes again, by itself, with what it has."""
        left = {change.sku: change for change in changes}
        while left:
            items = [
                Item(sku, self._wanted(change), self._has.get(sku, change.offer["previous_quantity"]))
                for sku, change in left.items()
            ]
            asked = {item.sku: item.quantity for item in items}
            with tracer.sending("set quantities", traces(left.values())) as span:
                if span.recorded:
                    span.tell({"stockstream.channel": self._settings.shop_channel, "stockstream.changes": len(items)})
                results = await self._results(items)
            if LOG.isEnabledFor(logging.INFO):
                LOG.info("quantities set", extra=_line(list(left.values()), results))
            for result in results:
                metrics.SHOP_ITEMS.labels(result.outcome.lower()).inc()
                if not self._outbox.holds(left[result.sku]) or await self._settled(
                    left[result.sku], asked[result.sku], result
                ):
                    del left[result.sku]

    async def _results(self, items: list[Item]) -> list[Result]:
        """The shop's word on each; where it takes the request as a whole for wrong, each goes by itself."""
        key = uuid.uuid4().hex  # one for each wish: the shop may answer a repeated key from memory
        try:
            return await self._until_answered(partial(self._adapter.set_quantities, key, items))
        except Rejected as error:
            if len(items) == 1:
                return [Result(items[0].sku, "REFUSED", None, str(error))]
        return [result for item in items for result in await self._results([item])]

    async def _settled(self, change: Change, asked: int, result: Result) -> bool:
        """Whether, after it was asked to have so many, nothing more is to be done about a change for now."""
        if result.outcome == "MISMATCH":
            theirs = result.quantity
            if theirs is None:
                theirs = await self._until_answered(partial(self._adapter.quantity, change.sku))
            known = self._has.get(change.sku)
            self._has[change.sku] = theirs or 0
            if known is None:  # nobody had told us yet what the shop has
                return False
            await self._differs(change, known, theirs)
            if self._settings.shop_rule == "ours_wins":
                return False
        elif result.outcome == "OK":
            self._has[change.sku] = asked
            await self._agrees(change, asked)
        else:
            await self._exception("SHOP_REFUSED", change, f"{change.sku} was refused: {result.reason or 'no reason'}")
        self._dealt_with(change)
        return True

    def _dealt_with(self, change: Change) -> None:
        """Done; read back later if a request of a process before this one might still be on its way."""
        if change.sku not in self._verified:
            self._verified.add(change.sku)
            self._outbox.hold(change)
            due = time.monotonic() + self._settings.shop_verify_ms / 1000
            heapq.heappush(self._to_verify, (due, id(change), change))
        self._outbox.done([change])

    # ---- what the shop says -------------------------------------------------------------------------------------

    async def _verify_all(self) -> None:
        """Set again, to what the shop has by our account: it says so itself where that is not so."""
        while True:
            while self._to_verify and self._to_verify[0][0] <= time.monotonic():
                change = heapq.heappop(self._to_verify)[2]
                if self._outbox.look_again(change):
                    self._outbox.put_back([change])
                    self._reader.arrived.set()
            metrics.SHOP_UNVERIFIED.set(len(self._to_verify))
            await asyncio.sleep(LOOK_S)

    async def _differs(self, change: Change, ours: int, theirs: int | None) -> None:
        took = "it is set again" if self._settings.shop_rule == "ours_wins" else "it is left until the next change"
        await self._exception(
            "SHOP_DIVERGENCE", change, f"{change.sku}: the shop has {theirs}, it was given {ours}; {took}"
        )

    async def _exception(self, category: str, change: Change, message: str) -> None:
        subject = "SHOP_ITEM", f"{self._settings.shop_channel}:{change.sku}"
        correlation = change.offer["correlation_id"]
        identifier = await self._exceptions.raise_(
            category, subject, message, coordinate=change.coordinate, correlation_id=correlation
        )
        self._diverged.setdefault(change.sku, {})[identifier] = category

    async def _agrees(self, change: Change, has: int) -> None:
        """Resolve what was open about the SKU."""
        note = f"the shop has {has}, as the channel"
        for identifier, category in self._diverged.pop(change.sku, {}).items():
            await self._exceptions.resolve(identifier, category, note, correlation_id=change.offer["correlation_id"])

    # ---- asking -------------------------------------------------------------------------------------------------

    async def _until_answered(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask, at the allowed pace, the same again until there is an answer."""
        failed = 0
        while True:
            await through(asyncio.sleep(max(0.0, self._hold_until - time.monotonic())))
            async with self._limit:
                begun = time.monotonic()
                try:
                    answer = await ask()
                except Throttled as error:
                    metrics.SHOP_REQUESTS.labels("throttled").inc()
                    failed += 1
                    pause = max(error.wait_s, self._pause(failed))
                    self._hold_until = time.monotonic() + pause  # the others wait too
                except Unanswered as error:
                    metrics.SHOP_REQUESTS.labels("failed").inc()
                    failed += 1
                    pause = self._pause(failed)
                    LOG.info("the shop did not answer (%s); again in %.1f s", error, pause)
                else:
                    metrics.SHOP_REQUESTS.labels("answered").inc()
                    metrics.SHOP_SECONDS.observe(time.monotonic() - begun)
                    return answer
            await through(asyncio.sleep(pause))

    def _pause(self, failed: int) -> float:
        return away.pause(failed, self._settings.shop_retry_first_ms / 1000, self._settings.shop_retry_most_ms / 1000)

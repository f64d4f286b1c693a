"""All subscriptions: starts, stops and restarts a subscriber for each, as declarations and commands say."""

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from connectors import kafka
from connectors.heartbeat import beat, going_round, through
from connectors.outbound.commerce import metrics
from connectors.outbound.commerce.addresses import Addresses
from connectors.outbound.commerce.book import Book, Exceptions, well
from connectors.outbound.commerce.feeds import Feeds
from connectors.outbound.commerce.segments import Segments
from connectors.outbound.commerce.settings import Commerce
from connectors.outbound.commerce.subscriber import Subscriber
from connectors.outbound.commerce.subscriptions import Subscription, SubscriptionsError, load
from connectors.process import Process
from connectors.trust import Trust
from schemas.codec import Codec
from tables.channels import Channel

LOG: Final = logging.getLogger("webhooks")
Served = tuple[Subscription, asyncio.Task[None]]


class Webhooks:
    """The whole process's work; one subscription never waits for another."""

    def __init__(
        self, settings: Commerce, codec: Codec, channels: Mapping[str, Channel], trusted: Trust, process: Process
    ) -> None:
        self._settings, self._codec, self._channels, self._process = settings, codec, channels, process
        self._trusted = trusted
        self._addresses = Addresses(settings.allow, allow_http=settings.allow_http)
        self._declared: dict[str, Subscription] = {}
        self._read_as: bytes | None = None
        self._complaint = ""
        self._served: dict[str, Served] = {}

    async def run(self) -> None:
        """Serve until the process is asked to stop; a broker's fault is raised."""
        producer = kafka.producer(self._settings)
        self._book = Book(self._settings, self._codec, producer)
        self._exceptions = Exceptions(self._settings, self._codec, producer)
        self._segments = Segments(self._settings, self._codec)
        self._feeds = Feeds(self._settings, self._codec)
        try:
            self._process.waiting("reading how subscriptions stand")
            await self._book.open()
            await self._feeds.open()
            with going_round("the look at subscriptions"):
                while not self._process.stopping.is_set():
                    beat()
                    await self._turn()
        finally:
            for name in list(self._served):
                await self._stop(name)
            await self._segments.close()
            await self._feeds.close()
            await self._book.close()
            await producer.close()

    async def _turn(self) -> None:
        await self._book.follow()
        await self._segments.follow()
        await self._feeds.follow()
        self._look_at_declarations()
        await self._serve()
        self._measure()
        self._process.ready(**self._standing())
        await through(self._rest())

    async def _rest(self) -> None:
        """Until the next look; at once when a subscriber ends or the process shall."""
        stopping = asyncio.create_task(self._process.stopping.wait())
        tasks = {task for _, task in self._served.values()}
        await asyncio.wait(
            {stopping, *tasks}, timeout=self._settings.look_ms / 1000, return_when=asyncio.FIRST_COMPLETED
        )
        stopping.cancel()

    def _look_at_declarations(self) -> None:
        """Read them again if the file has changed; one that cannot be used changes nothing, and says so once.

        It is tried again at each look: what it lacks, a secret's file say, may come without a change of the file.
        """
        try:
            text = Path(self._settings.subscriptions).read_bytes()
            if text == self._read_as:
                return
            self._declared = load(self._settings, self._channels)
        except (SubscriptionsError, OSError) as error:
            if str(error) != self._complaint:
                LOG.error("%s; the subscriptions stay as they were", error)  # noqa: TRY400 - no trace
            self._complaint = str(error)
        else:
            self._read_as, self._complaint = text, ""

    async def _serve(self) -> None:
        for name, (subscription, task) in list(self._served.items()):
            if task.done():
                del self._served[name]
                task.result()  # a fault ends the process
            elif self._declared.get(name) != subscription or self._book.disabled(subscription):
                await self._stop(name)
        for name, subscription in self._declared.items():
            if name not in self._served and subscription.enabled and not self._book.disabled(subscription):
                await self._start(subscription)

    def _measure(self) -> None:
        """Of what is declared to be served: whether it is."""
        metrics.ENABLED.clear()
        for name, subscription in self._declared.items():
            if subscription.enabled:
                metrics.ENABLED.labels(name).set(name in self._served)

    async def _start(self, subscription: Subscription) -> None:
        if subscription.segments:
            await self._segments.open()
        state = self._book.state(subscription)
        if state["declaration"] != subscription.declaration:  # a new declaration is a new beginning
            await self._book.write(well(subscription, state["exception_id"]))
        subscriber = Subscriber(
            subscription,
            self._channels[subscription.channel],
            self._feeds,
            self._settings,
            self._codec,
            self._addresses,
            self._trusted,
            self._book,
            self._exceptions,
            self._segments.of if subscription.segments else lambda _: None,
        )
        task = asyncio.create_task(subscriber.run(), name=subscription.id)
        self._served[subscription.id] = subscription, task

    async def _stop(self, name: str) -> None:
        _, task = self._served.pop(name)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    def _standing(self) -> dict[str, object]:
        """For /readyz: each subscription in a word, or why not."""
        return {
            "subscriptions": {
                name: "served" if name in self._served else self._book.state(each)["reason"] or "not enabled"
                for name, each in self._declared.items()
            }
        }

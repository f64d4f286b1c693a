"""The ERP connector's own classes between a topic and ERPs in memory: for orders of events that no real broker repeats."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from confluent_kafka import TopicPartition

from connectors.outbound.erp.adapter import Answer, Unanswered
from connectors.outbound.erp.attempts import OnlineSystem, Pace
from connectors.outbound.erp.breaker import Breaker
from connectors.outbound.erp.connector import Connector
from connectors.outbound.erp.results import POSTINGS
from connectors.outbound.erp.routing import Routing
from connectors.outbound.erp.settings import Settings
from connectors.outbound.erp.throttle import Throttle
from schemas.codec import Codec
from schemas.records import ErpPosting

WAIT_S = 20.0


async def until(condition: Callable[[], Any], what: str, within_s: float = WAIT_S) -> None:
    """Wait for a condition; TimeoutError says what was waited for."""
    end = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {within_s:.0f} s for {what}")
        await asyncio.sleep(0.01)


class Told:
    """What the connector wrote, in its order, instead of topics."""

    def __init__(self) -> None:
        self.attempts: list[tuple[str, str, str]] = []
        self.exceptions: list[tuple[str, str]] = []
        self.reasons: list[str | None] = []

    def now(self) -> int:
        return time.time_ns() // 1_000_000

    async def attempt(self, posting: ErpPosting, outcome: str, *, system: str, **more: Any) -> None:
        assert -(1 << 63) <= posting["revision"] < 1 << 63  # what a record can hold
        self.attempts.append((posting["idempotency_key"], outcome, system))
        self.reasons.append(more.get("reason"))

    async def exception(self, category: str, posting: ErpPosting, message: str, **_: Any) -> None:
        self.exceptions.append((category, message))

    async def finding(self, category: str, subject: tuple[str, str], message: str, **_: Any) -> None:
        self.exceptions.append((category, message))


class Erp:
    """An ERP without duplicate detection; `taken` are the keys it booked. It answers while `up`, a gate, is open."""

    def __init__(self, *taken: str) -> None:
        self.taken = list(taken)
        self.up = asyncio.Event()
        self.up.set()
        self.asked = 0
        """Questions that have reached it."""

    async def post(self, posting: ErpPosting) -> Answer:
        await self.up.wait()
        self.taken.append(posting["idempotency_key"])
        return Answer("POSTED", f"D{len(self.taken)}")

    goods_receipt = shipment_confirm = purchase_order_update = inventory_adjustment = post
    invoice_release = credit = backorder = post

    async def inquiry(self, keys: Sequence[str]) -> Mapping[str, Answer]:
        self.asked += 1
        await self.up.wait()
        return {key: Answer("DUPLICATE", "D0") for key in keys if key in self.taken}

    async def holds(self, document: str) -> bool:
        self.asked += 1
        await self.up.wait()
        return any(key.startswith(f"{document}/") for key in self.taken)

    async def availability_query(self, sku: str, location: str) -> Any:
        raise Unanswered(f"no stock of {sku} at {location} is kept here", taken=False)

    async def invoice_status(self, document: str) -> Any:
        raise Unanswered(f"no invoices of {document} are kept here", taken=False)

    async def close(self) -> None:
        """Nothing is held open."""


class Message:
    """A record as the consumer hands it out."""

    def __init__(self, partition: int, offset: int, value: bytes) -> None:
        self._partition, self._offset, self._value = partition, offset, value

    def error(self) -> None:
        return None

    def topic(self) -> str:
        return POSTINGS

    def partition(self) -> int:
        return self._partition

    def offset(self) -> int:
        return self._offset

    def key(self) -> bytes:
        return b""

    def value(self) -> bytes:
        return self._value

    def timestamp(self) -> tuple[int, int]:
        return 1, 0

    def headers(self) -> None:
        return None


class Partition:
    """The topic's only partition, and the consumer that reads it: what is assigned, fetched, sought and committed."""

    def __init__(self, *values: bytes, committed: int = 0, note: str = "") -> None:
        self.values = list(values)
        self.kept = committed, note
        self.commits: list[int] = []
        self.position: int | None = None
        self.paused = False
        self._orders: list[str] = ["assign"]
        self._callbacks: dict[str, Any] = {}

    def order(self, *what: str) -> None:
        """Let the group `revoke`, `lose` or `assign` the partition at the next reads."""
        self._orders += what

    async def subscribe(self, topics: list[str], *, on_assign: Any, on_revoke: Any, on_lost: Any) -> None:
        assert topics == [POSTINGS]
        self._callbacks = {"assign": on_assign, "revoke": on_revoke, "lose": on_lost}

    async def consume(self, most: int, wait_s: float) -> list[Message]:
        if self._orders:
            await self._callbacks[self._orders.pop(0)](self, [TopicPartition(POSTINGS, 0)])
        start = self.position
        if start is None or self.paused or start >= len(self.values):
            await asyncio.sleep(0.005)
            return []
        found = [Message(0, start + n, value) for n, value in enumerate(self.values[start : start + most])]
        self.position = start + len(found)
        return found

    async def committed(self, places: list[TopicPartition], timeout: float) -> list[TopicPartition]:  # noqa: ASYNC109
        return [TopicPartition(POSTINGS, place.partition, *self.kept) for place in places]

    async def get_watermark_offsets(self, _: TopicPartition, **__: Any) -> tuple[int, int]:
        return 0, len(self.values)

    async def incremental_assign(self, places: list[TopicPartition]) -> None:
        self.position = places[0].offset  # paused as before: librdkafka keeps that beyond an assignment

    async def incremental_unassign(self, _: list[TopicPartition]) -> None:
        self.position = None

    async def seek(self, place: TopicPartition) -> None:
        self.position = place.offset

    async def pause(self, _: list[TopicPartition]) -> None:
        self.paused = True

    async def resume(self, _: list[TopicPartition]) -> None:
        self.paused = False

    async def commit(self, offsets: list[TopicPartition], *, asynchronous: bool) -> None:
        assert not asynchronous
        self.kept = offsets[0].offset, offsets[0].metadata or ""
        self.commits.append(offsets[0].offset)

    async def close(self) -> None:
        """Nothing is held open."""


def codec(schema_id: int = 1) -> Codec:
    """One that writes and reads postings under this id."""
    it = Codec()
    it.register(POSTINGS, schema_id)
    return it


def connector(
    routing: Routing, told: Told, erps: Mapping[str, Erp], *, shadow: str = "", concurrency: int = 4, **settings: Any
) -> Connector:
    """A connector with an online system for each ERP; files' drivers are added by who needs them."""
    given: Any = told
    wanted = {"commit_interval_ms": 20, "session_timeout_ms": 1_000, **settings}
    it = Connector(Settings(**wanted), routing, codec(), given, shadow)
    for name, erp in erps.items():
        it.drivers[name] = online(name, erp, told, it, concurrency=concurrency, shadow=bool(shadow))
    return it


def online(name: str, erp: Any, told: Any, it: Connector | None = None, *, concurrency: int = 4, **more: Any) -> Any:
    """A system that is posted to, at a pace that holds nothing up."""
    nothing: Any = lambda *_: None  # noqa: E731
    return OnlineSystem(
        name,
        erp,
        told,
        breaker=Breaker(failures=1_000, open_s=0.01, most_s=0.01, probes=1),
        throttle=Throttle(100_000, 1_000),
        pace=Pace(concurrency, 10.0, 0.005, 0.01),
        **{
            "settled": nothing if it is None else it.settled,
            "move": nothing if it is None else it.move,
            "keep": nothing if it is None else it.keep,
            **more,
        },
    )


@asynccontextmanager
async def at_work(it: Any) -> AsyncIterator[None]:
    """Something that runs until cancelled; on the way out it is killed."""
    task = asyncio.create_task(it.run())
    try:
        yield
    finally:
        if task.done():  # not what the test waited for in vain, but why
            task.result()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def running(it: Connector, partition: Partition, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """A connector on a partition in memory; what it committed stays."""
    monkeypatch.setattr("connectors.outbound.erp.connector.consumer", lambda *_, **__: partition)
    async with at_work(it):
        yield

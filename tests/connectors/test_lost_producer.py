"""A producer with a fatal error answers what is under way and takes nothing more; nobody waits for ever.

librdkafka tells such an error to no callback: it raises from the next poll or flush. Here a stand-in does.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from fastapi import FastAPI

from connectors import kafka
from connectors.api.writing import lost
from connectors.kafka import AnsweringProducer, Lost
from connectors.outbound.erp import results
from connectors.outbound.erp.results import LETTERS, Results
from connectors.writer import NotWritten, Writer
from schemas.codec import Undecodable
from schemas.environment import Shared

NOWHERE = Shared(bootstrap="127.0.0.1:1")
WAIT_S = 10.0


class Librdkafka:
    """In place of a client: takes records and answers none; once `fatal`, the next call says so, and only that one."""

    def __init__(self, *, fatal: bool = False) -> None:
        self.fatal = fatal
        self.taken = 0

    def produce(self, *_: Any, **__: Any) -> None:
        self.taken += 1

    def produce_batch(self, _: str, messages: list[Any], **__: Any) -> None:
        self.taken += len(messages)

    def poll(self, timeout: float = 0) -> int:
        if self.fatal:
            self.fatal = False
            raise KafkaException(KafkaError(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, "out of order", fatal=True))
        time.sleep(min(timeout, 0.01))
        return 0

    def flush(self, timeout: float = 0) -> int:
        return self.poll(max(timeout, 0))


async def answered(waiting: Awaitable[Any], what: str) -> BaseException:
    """The exception it ends with; an AssertionError says what was not answered in time."""
    done, _ = await asyncio.wait({asyncio.ensure_future(waiting)}, timeout=WAIT_S)
    assert done, f"waited {WAIT_S:.0f} s for {what}"
    error = done.pop().exception()
    assert error is not None
    return error


async def until(condition: Callable[[], Any], what: str) -> None:
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end, f"waited {WAIT_S:.0f} s for {what}"
        await asyncio.sleep(0.01)


def fatal_lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno == logging.CRITICAL]


# ---- the API's writer ---------------------------------------------------------------------------------------------


def test_a_writer_answers_what_is_under_way_and_says_that_it_is_lost(caplog: pytest.LogCaptureFixture) -> None:
    """Once, in one line; whoever waits for `lost` learns why."""

    async def run() -> None:
        writer, stand_in = Writer(NOWHERE), Librdkafka()
        writer._producer = stand_in
        under_way = [writer.begin("t", f"k{number}", b"v") for number in range(3)]
        stand_in.fatal = True
        for each in under_way:
            assert isinstance(await answered(each, "a record under way"), NotWritten)
        assert isinstance(await asyncio.wait_for(writer.lost, WAIT_S), KafkaException)
        assert isinstance(await answered(writer.begin("t", "k", b"v"), "a later record"), NotWritten)
        assert stand_in.taken == 3
        async with asyncio.timeout(WAIT_S):
            await writer.close()

    asyncio.run(run())
    (line,) = fatal_lines(caplog)
    assert "OUT_OF_ORDER_SEQUENCE_NUMBER: out of order" in line


def test_a_writer_that_is_lost_while_it_closes_answers_too() -> None:
    """The flush may hear of the error instead of the thread."""

    async def run() -> None:
        writer = Writer(NOWHERE)
        writer._stopping.set()
        await asyncio.to_thread(writer._thread.join, WAIT_S)
        stand_in = Librdkafka()
        writer._producer = stand_in
        under_way = writer.begin("t", "k", b"v")
        stand_in.fatal = True
        async with asyncio.timeout(WAIT_S):
            await writer.close()
        assert isinstance(await answered(under_way, "a record under way"), NotWritten)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("code", "leaves"),
    [(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, True), (KafkaError.CLUSTER_AUTHORIZATION_FAILED, False)],
)
def test_an_api_stays_to_be_read_where_no_new_start_helps(code: int, leaves: bool) -> None:
    """One that may not write has its other work; one whose producer is lost leaves, and writes again."""

    async def run() -> bool:
        app, future = FastAPI(), asyncio.get_running_loop().create_future()
        app.state.edge = SimpleNamespace(settings=NOWHERE)
        app.state.writing = SimpleNamespace(writer=SimpleNamespace(lost=future))
        future.set_result(KafkaException(KafkaError(code, "why", fatal=True)))
        waiting = asyncio.create_task(lost(app))
        await asyncio.wait({waiting}, timeout=0.3)
        waiting.cancel()
        return waiting.done()

    assert asyncio.run(run()) is leaves


# ---- the connectors' producer -------------------------------------------------------------------------------------


def producer() -> tuple[AnsweringProducer, Librdkafka]:
    made, stand_in = kafka.producer(NOWHERE), Librdkafka()
    made._producer = made._kafka_executor._producer = stand_in
    return made, stand_in


def test_a_producer_answers_what_is_under_way_and_takes_nothing_more(caplog: pytest.LogCaptureFixture) -> None:
    """Those handed over, and those that come after; its end says so once and does not wait."""

    async def run() -> None:
        made, stand_in = producer()
        under_way = [await made.produce("t", b"v", b"k") for _ in range(3)]
        await until(lambda: stand_in.taken == 3, "the timer to hand them over")
        stand_in.fatal = True
        for each in under_way:
            error = await answered(each, "a record under way")
            assert isinstance(error, Lost)
            assert isinstance(error.__cause__, KafkaException)
        assert isinstance(await answered(made.produce("t", b"v", b"k"), "a later record"), Lost)
        async with asyncio.timeout(WAIT_S):
            await made.close()

    asyncio.run(run())
    (line,) = fatal_lines(caplog)
    assert "OUT_OF_ORDER_SEQUENCE_NUMBER: out of order" in line


def test_a_producer_that_is_lost_by_a_full_batch_answers_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thousandth record hands over all that has gathered, and hears of the error instead of the timer."""

    async def run() -> None:
        made, stand_in = producer()
        under_way = await made.produce("t", b"v", b"k")
        await until(lambda: stand_in.taken == 1, "the timer to hand it over")
        monkeypatch.setattr(made._buffer_timeout_manager, "_running", False)
        await asyncio.wait({made._buffer_timeout_manager._timeout_task}, timeout=WAIT_S)
        monkeypatch.setattr(made, "_batch_size", 1)
        stand_in.fatal = True
        assert isinstance(await answered(made.produce("t", b"v", b"k"), "the record that fills it"), Lost)
        assert isinstance(await answered(under_way, "a record under way"), Lost)

    asyncio.run(run())


def test_a_producer_that_is_lost_while_it_closes_raises() -> None:
    """A connector that stops must not say that all went well."""

    async def run() -> None:
        made, stand_in = producer()
        under_way = await made.produce("t", b"v", b"k")
        await until(lambda: stand_in.taken == 1, "the timer to hand it over")
        made._buffer_timeout_manager.stop_timeout_monitoring()
        stand_in.fatal = True
        assert isinstance(await answered(made.close(), "the producer to close"), Lost)
        assert isinstance(await answered(under_way, "a record under way"), Lost)

    asyncio.run(run())


# ---- results of postings ------------------------------------------------------------------------------------------


def test_a_result_that_is_never_answered_is_no_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """An attempt is in no loop that anybody misses: it ends the connector itself."""
    monkeypatch.setattr(results, "DELIVERY_S", 0.3)

    class Codec:
        def encode(self, _: str, __: Any) -> bytes:
            return b"v"

    async def run() -> None:
        made, _ = producer()
        telling = Results(made, Codec(), lambda: 0, lambda: Writer(NOWHERE))  # type: ignore[arg-type]
        record = kafka.Record("erp.postings", 0, 7, b"k", b"?", 0, {})
        error = await answered(telling.dead_letter(record, Undecodable("NULL_VALUE", "nothing")), "the dead letter")
        assert isinstance(error, Lost)
        assert LETTERS in str(error)
        made._producer = made._kafka_executor._producer = Librdkafka()
        await made.close()

    asyncio.run(run())

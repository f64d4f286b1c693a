"""A batch that the broker refuses: nothing of its transaction is committed, and whoever reads the log knows what to do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from schemas import topics_admin
from schemas.clock import wall_ms
from streams import delivery, task
from streams.delivery import BatchRefused, Delivery
from streams.pace import Pace
from streams.stages import KeyedStage
from streams.task import Task, TaskPlan
from streams.traces import Traces
from tables.outcome import Outcome, pack_row

pytestmark = pytest.mark.stack
APP, CHANGELOG, OUTPUT, INPUT = "refusing", "refusing-orders-changelog", "refusing-ledger", "refusing-input"
AS_MADE = "refusing-wide-changelog"
TIGHT, HOUR_MS = 20_000, 3_600_000
SMALL, LARGE = pack_row(b"x" * 100, 1, 0), pack_row(b"x" * 2 * TIGHT, 1, 0)


@pytest.fixture(scope="module")
def topics(bootstrap: str) -> str:
    """A changelog that takes little and one as `topics apply` makes them, an output and an input."""
    configs = {CHANGELOG: {"max.message.bytes": str(TIGHT), "cleanup.policy": "compact"}, OUTPUT: {}, INPUT: {}}
    configs[AS_MADE] = topics_admin.CHANGELOG
    new = [NewTopic(name, 1, 1, config=config) for name, config in configs.items()]
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for made in admin.create_topics(new).values():
        made.result(30)
    return bootstrap


@asynccontextmanager
async def owner(bootstrap: str, changelog: str = CHANGELOG) -> AsyncIterator[tuple[Task, list[BaseException]]]:
    """A task that owns the partition, and what it would leave its process with."""
    left: list[BaseException] = []
    plan = TaskPlan(
        app=APP,
        client={"bootstrap_servers": bootstrap},
        encode=lambda _, record: record["bytes"],
        partition=lambda *_: 0,
        compacted=frozenset(),
        clock=wall_ms,
        changelogs={"orders": changelog},
        interval=0.01,
        timeout_ms=10_000,
        pace=Pace(2.5),
        learn=_nothing_to_learn,
        traces=Traces(lambda *_: {}),
        leave=lambda error, _: left.append(error),
    )
    owned = Task(plan, 0, {"orders": KeyedStage("orders", bytes, lambda *_: Outcome(), lambda *_: ("", "", {}))})
    await owned.own(lambda *_: None)
    try:
        yield owned, left
    finally:
        await owned.release()


async def _nothing_to_learn(_: Any) -> None:
    pass


async def commit(owned: Task, offset: int, rows: dict[bytes, bytes | None]) -> None:
    """One transaction: these rows, an output for each, and the input's offset; wait until it ends, however it does."""
    outputs = [(OUTPUT, key.decode(), {"bytes": b"entry"}) for key in rows]
    owned.collect("orders", Outcome(rows=dict(rows), outputs=outputs))
    owned._pending.offsets[TopicPartition(INPUT, 0)] = offset
    whole = asyncio.ensure_future(owned.quiesce())
    assert owned._loop is not None
    done, _ = await asyncio.wait([whole, owned._loop], timeout=30, return_when=asyncio.FIRST_COMPLETED)
    whole.cancel()
    assert done, "the transaction did not end within 30 s"
    owned.resume()


async def committed(bootstrap: str) -> tuple[int, dict[str, list[bytes]]]:
    """The input's offset, and the keys that readers of committed records see, by topic."""
    reader = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, group_id=APP, enable_auto_commit=False, isolation_level="read_committed"
    )
    await reader.start()
    try:
        places = [TopicPartition(CHANGELOG, 0), TopicPartition(OUTPUT, 0)]
        reader.assign(places)
        await reader.seek_to_beginning(*places)
        ends = await reader.end_offsets(places)
        keys: dict[str, list[bytes]] = {place.topic: [] for place in places}
        while any([await reader.position(place) < ends[place] for place in places]):
            for place, run in (await reader.getmany(timeout_ms=200)).items():
                keys[place.topic] += [record.key for record in run]
        return await reader.committed(TopicPartition(INPUT, 0)) or 0, keys
    finally:
        await reader.stop()


async def test_a_refused_row_takes_its_whole_transaction_with_it(topics: str) -> None:
    """Neither output nor offset of it is committed; the error names topic, partition, key, size and the way out."""
    async with owner(topics) as (owned, left):
        await commit(owned, 42, {b"S0": SMALL})
        assert left == []
        await commit(owned, 43, {b"S1": SMALL, b"S2|of a name": LARGE})

    assert isinstance(left[0], BatchRefused)
    said = str(left[0])
    told = (f"{CHANGELOG}[0]", "'S2|of a name'", f"{len(LARGE)} bytes", "MessageSizeTooLarge", "max.message.bytes")
    assert [words for words in told if words not in said] == []
    assert await committed(topics) == (42, {CHANGELOG: [b"S0"], OUTPUT: [b"S0"]})
    async with owner(topics) as (owned, left):
        await commit(owned, 43, {b"S1": SMALL})

    assert left == []
    assert await committed(topics) == (43, {CHANGELOG: [b"S0", b"S1"], OUTPUT: [b"S0", b"S1"]})


async def test_a_clock_ahead_of_the_brokers_is_told_as_one(topics: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Brokers refuse stamps more than an hour ahead: nothing is committed past it, and the error says to set the clock."""
    before = await committed(topics)
    monkeypatch.setattr(task, "wall_ms", lambda: wall_ms() + 2 * HOUR_MS)
    async with owner(topics) as (owned, left):
        await commit(owned, 50, {b"S5": SMALL})

    assert isinstance(left[0], BatchRefused)
    assert "InvalidTimestamp" in str(left[0])
    assert "NTP" in str(left[0])
    assert await committed(topics) == before


async def test_rows_of_several_megabytes_are_written_and_read_back(topics: str) -> None:
    """The largest rows, one after the other, pass through producer, topic and recovery."""
    large = {b"L%d" % n: pack_row(bytes([n]) * (7 << 20), 1, 0) for n in range(3)}
    async with owner(topics, AS_MADE) as (owned, left):
        await commit(owned, 70, large)

    assert left == []
    async with owner(topics, AS_MADE) as (owned, _):
        assert owned.stages["orders"].rows == large


async def test_without_the_guard_the_row_is_lost_in_silence(topics: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the client library does by itself: it commits offset and outputs past the row that was refused."""

    async def trusting(_: Delivery) -> None:
        pass

    monkeypatch.setattr(delivery.Delivery, "complete", trusting)
    async with owner(topics) as (owned, left):
        await commit(owned, 60, {b"S6": LARGE})
    offset, keys = await committed(topics)

    assert left == []
    assert (offset, b"S6" in keys[OUTPUT], b"S6" in keys[CHANGELOG]) == (60, True, False)

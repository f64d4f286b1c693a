"""A takeover stands at the committed offsets, whatever was fetched before it: also where nothing was ever committed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    KafkaError,
    NotCoordinatorForGroupError,
)
from confluent_kafka import Producer
from confluent_kafka import TopicPartition as Offset
from confluent_kafka.admin import AdminClient, NewTopic

from streams.offsets import committed, stand_where_committed

pytestmark = pytest.mark.stack
TOPIC, COUNT = "where-a-takeover-stands", 5
PARTITIONS = NEVER, FURTHER, FIRST, SHORTENED, PAUSED = [TopicPartition(TOPIC, partition) for partition in range(5)]


@pytest.fixture(scope="module")
def topic(bootstrap: str) -> str:
    """Five records in each partition; the first two of one are gone, as after its retention."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(TOPIC, len(PARTITIONS), 1)])[TOPIC].result(30)
    producer = Producer({"bootstrap.servers": bootstrap})
    for _, partition in PARTITIONS:
        for number in range(COUNT):
            producer.produce(TOPIC, str(number), partition=partition)
    assert producer.flush(30) == 0
    for gone in admin.delete_records([Offset(*SHORTENED, 2)]).values():
        gone.result(30)
    return TOPIC


@asynccontextmanager
async def member(bootstrap: str, topic: str, group: str) -> AsyncIterator[AIOKafkaConsumer]:
    """The only member of a group."""
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


async def test_what_was_fetched_and_dropped_comes_again(bootstrap: str, topic: str) -> None:
    """From the committed offset; from the beginning where that is none or 0. What is paused stays where it is."""
    async with member(bootstrap, topic, "dropping") as consumer:
        await _dropped(consumer, 5 * COUNT - 2)
        await consumer.commit({FURTHER: 3, FIRST: 0})
        consumer.pause(PAUSED)

        assert await stand_where_committed(consumer) == {NEVER: 0, FURTHER: 3, FIRST: 0, SHORTENED: 0}
        assert await _dropped(consumer, 3 * COUNT) == {NEVER: 0, FURTHER: 3, FIRST: 0, SHORTENED: 2}


@pytest.mark.parametrize(
    "error", [GroupLoadInProgressError, NotCoordinatorForGroupError, GroupCoordinatorNotAvailableError]
)
async def test_a_coordinator_that_does_not_know_yet_is_asked_again(
    bootstrap: str, topic: str, monkeypatch: pytest.MonkeyPatch, error: type[KafkaError]
) -> None:
    """While it loads its groups, or is another broker by now, its answer has an error and no partition."""
    async with member(bootstrap, topic, f"loading-{error.errno}") as consumer:
        await _dropped(consumer, 5 * COUNT - 2)
        await consumer.commit({FURTHER: 3})
        coordinator, asked = consumer._coordinator, []

        async def send(request: object) -> object:
            asked.append(request)
            return SimpleNamespace(error_code=error.errno, topics=[]) if len(asked) < 3 else await really(request)

        really = coordinator._send_req
        monkeypatch.setattr(coordinator, "_send_req", send)

        assert await committed(consumer, {NEVER, FURTHER}) == {NEVER: -1, FURTHER: 3}
        assert len(asked) == 3


async def test_an_error_that_stays_is_raised(bootstrap: str, topic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No rights to the group, say: asking again is no use."""
    async with member(bootstrap, topic, "refused") as consumer:
        await _dropped(consumer, 5 * COUNT - 2)

        async def send(_: object) -> object:
            return SimpleNamespace(error_code=GroupAuthorizationFailedError.errno, topics=[])

        monkeypatch.setattr(consumer._coordinator, "_send_req", send)
        with pytest.raises(GroupAuthorizationFailedError):
            await committed(consumer, {NEVER})


async def _dropped(consumer: AIOKafkaConsumer, count: int) -> dict[TopicPartition, int]:
    """Fetch so many records and forget them; the first offset of each partition."""
    first: dict[TopicPartition, int] = {}
    seen = 0
    async with asyncio.timeout(30):
        while seen < count:
            for partition, records in (await consumer.getmany(timeout_ms=500)).items():
                first.setdefault(partition, records[0].offset)
                seen += len(records)
    assert seen == count
    return first

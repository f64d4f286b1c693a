"""A takeover stands at the committed offsets, whatever was fetched before it: also where nothing was ever committed."""

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from confluent_kafka import Producer
from confluent_kafka import TopicPartition as Offset
from confluent_kafka.admin import AdminClient, NewTopic

from streams.chunks import stand_where_committed

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


async def test_what_was_fetched_and_dropped_comes_again(bootstrap: str, topic: str) -> None:
    """From the committed offset; from the beginning where that is none or 0. What is paused stays where it is."""
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id="where-a-takeover-stands",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        await _dropped(consumer, 5 * COUNT - 2)
        await consumer.commit({FURTHER: 3, FIRST: 0})
        consumer.pause(PAUSED)

        assert await stand_where_committed(consumer) == {NEVER: 0, FURTHER: 3, FIRST: 0, SHORTENED: 0}
        assert await _dropped(consumer, 3 * COUNT) == {NEVER: 0, FURTHER: 3, FIRST: 0, SHORTENED: 2}
    finally:
        await consumer.stop()


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

"""Reading a topic from and up to known offsets, without a group: what is there now, and no more."""

import time
from collections.abc import AsyncIterator, Mapping
from typing import Final

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.aio import AIOConsumer

from connectors.heartbeat import beat
from connectors.kafka import Record, read

ANSWER_S: Final = 10.0
MOST: Final = 5_000


async def bounds(consumer: AIOConsumer, topic: str, answer_s: float = ANSWER_S) -> dict[int, tuple[int, int]]:
    """First and next offset of each partition, as readers of committed records see them; raise KafkaException."""
    listed = await consumer.list_topics(topic, timeout=answer_s)
    found = listed.topics[topic]
    if found.error is not None:
        raise KafkaException(found.error)
    return {
        partition: await consumer.get_watermark_offsets(TopicPartition(topic, partition), answer_s)
        for partition in sorted(found.partitions)
    }


async def up_to(
    consumer: AIOConsumer, topic: str, ends: Mapping[int, int], within_s: float
) -> AsyncIterator[list[Record]]:
    """Records of partitions it was assigned, until each is at its end or beyond; raise TimeoutError.

    Partitions are those of `ends`; there may come records from beyond.
    """
    left, deadline = dict(ends), time.monotonic() + within_s
    while left:
        beat()
        ended: set[int] = set()
        yield await read(consumer, MOST, 0.05, ended)
        for number in ended:  # of a consumer that tells: markers of transactions may be last
            left.pop(number, None)
        for each in await consumer.position([TopicPartition(topic, number) for number in left]):
            if each.offset >= left[each.partition]:
                del left[each.partition]
        if left and time.monotonic() > deadline:
            raise TimeoutError(f"{topic} was not read to its end within {within_s:.0f} s")

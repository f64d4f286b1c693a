"""Where the group stands, told by its coordinator and by nobody else.

Both were aiokafka's. It reads no error that concerns a whole answer, so a coordinator that is still loading its groups
passes for a group without offsets; and its seek leaves a partition without an offset where it is.
"""

import asyncio
from collections import defaultdict
from typing import Final

import aiokafka
from aiokafka import TopicPartition, errors
from aiokafka.protocol.commit import OffsetFetchRequest

AGAIN_S: Final = 0.1


async def stand_where_committed(consumer: aiokafka.AIOKafkaConsumer) -> dict[TopicPartition, int]:
    """Stand at the group's offset of each partition that is fetched, or at its beginning where the group has none.

    What was fetched before a takeover and dropped for it comes again so. Returns where each stands; 0 is a beginning
    whatever it is now, for the broker says where the log begins when it is asked for less.
    """
    fetched = consumer.assignment() - consumer.paused()
    told = await committed(consumer, fetched)
    held = fetched & consumer.assignment()  # a rebalance may have come meanwhile, and brings a takeover of its own
    offsets = {tp: max(told[tp], 0) for tp in held}
    for tp, offset in offsets.items():
        consumer.seek(tp, offset)
    return offsets


async def committed(consumer: aiokafka.AIOKafkaConsumer, asked: set[TopicPartition]) -> dict[TopicPartition, int]:
    """The group's offset of each partition, -1 where the coordinator says there is none; asks until it says.

    Raises KafkaError where asking again is no use.
    """
    coordinator = consumer._coordinator
    by_topic: dict[str, list[int]] = defaultdict(list)
    for tp in asked:
        by_topic[tp.topic].append(tp.partition)
    request = OffsetFetchRequest(coordinator.group_id, list(by_topic.items()))
    while asked:
        try:
            await coordinator.ensure_coordinator_known()
            answer = await coordinator._send_req(request)
            codes = {getattr(answer, "error_code", 0)}
            offsets: dict[TopicPartition, int] = {}
            for topic, partitions in answer.topics:
                for partition, offset, _, code in partitions:
                    offsets[TopicPartition(topic, partition)] = offset
                    codes.add(code)
            for code in codes - {0}:
                raise errors.for_code(code)(f"offsets of group {coordinator.group_id}")
            if missing := asked - offsets.keys():
                raise errors.UnknownTopicOrPartitionError(f"no word of {sorted(missing)}")
        except errors.KafkaError as error:
            if not error.retriable:
                raise
            if isinstance(error, errors.NotCoordinatorForGroupError | errors.GroupCoordinatorNotAvailableError):
                coordinator.coordinator_dead()
            await asyncio.sleep(AGAIN_S)
        else:
            return offsets
    return {}

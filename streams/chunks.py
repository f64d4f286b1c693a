"""What Faust hands an agent: each fetched run of records of one partition as one event, a chunk.

Everything Faust does per event (headers, acks, sensors, queues) then costs once per chunk. Offsets and acknowledgement
are the tasks' business: they travel in the tasks' transactions.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiokafka
from faust.transport.drivers import aiokafka as driver
from faust.types.tuples import TP, ConsumerMessage

from streams.offsets import stand_where_committed


class ChunkConsumer(driver.Consumer):
    """Yields chunks; parks between fetches so that a takeover can seek while nothing is in flight."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.parked = asyncio.Event()

    def _new_consumer_thread(self) -> "ReadCommittedThread":
        return ReadCommittedThread(self, loop=self.loop, beacon=self.beacon)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:
        while not self.flow_active:  # it may have stopped again before we woke
            self.parked.set()
            await self.wait(self.can_resume_flow)
            if self.should_stop:
                return
        self.parked.clear()
        records, active = await self._wait_next_records(timeout)
        generation = self.app.consumer_generation_id
        if not records or self.should_stop:
            return
        for partition, run in records.items():
            if not self.flow_active or self.app.consumer_generation_id != generation:
                return  # the takeover seeks before the flow resumes: it is fetched again
            tp = TP(partition.topic, partition.partition)
            if active is not None and tp not in active and tp not in self._buffered_partitions:
                continue
            last = run[-1]
            self.app.pipeline.coming(last.topic, last.partition, last.offset + 1)
            yield (
                tp,
                ConsumerMessage(
                    last.topic,
                    last.partition,
                    last.offset,
                    last.timestamp / 1000.0,
                    last.timestamp_type,
                    last.headers,
                    None,
                    run,
                    None,
                    0,
                    0,
                    tp,
                    generation_id=generation,
                ),
            )

    def ack(self, message: ConsumerMessage) -> bool:
        message.acked = True
        self._unacked_messages.discard(message)
        return True

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Faust books the offsets between events to commit past them; between chunks that book only grows."""

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:  # noqa: ARG002
        return True

    async def pause_at_broker(self, partitions: set[TP]) -> None:
        """Stop fetching these; Faust's own pause only holds back what was fetched."""
        consumer = self._thread._ensure_consumer()

        async def pause() -> None:
            consumer.pause(*(aiokafka.TopicPartition(*tp) for tp in partitions))

        await self._thread.call_thread(pause)


class ReadCommittedThread(driver.AIOKafkaConsumerThread):
    """Faust reads uncommitted unless its own transactions are on; a stage must never fold an aborted record."""

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"
        # A fetch in flight holds back every other partition of its broker: keep an empty one short.
        consumer._fetch_max_wait_ms = self.app.fetch_wait_ms
        return consumer

    async def seek_to_committed(self) -> Mapping[TP, int]:
        offsets: dict[TP, int] = await self.call_thread(stand_where_committed, self._ensure_consumer())
        return offsets


class ChunkTransport(driver.Transport):
    Consumer = ChunkConsumer

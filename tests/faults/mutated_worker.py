"""A real worker with one guard taken out, to show that the proofs would see it gone: `mutated_worker.py NAME worker`.

fenceless     a transactional id of the process's own: no owner ever fences another; told by SIGRTMIN it stops, as by
              SIGSTOP, with rows in hand and no transaction open (one that is, the broker ends by its time-out)
uncommitted   its consumers read what aborted transactions left in the topics
two-steps     offsets in a transaction after that of rows and outputs; dies between the two at its tenth
trusting      commits without asking whether the broker took every batch
"""

import asyncio
import os
import signal
import sys
import uuid
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from cli.main import main
from streams.chunks import ReadCommittedThread
from streams.delivery import Delivery
from streams.task import Task

STEPS = 10


def fenceless() -> None:
    mine = uuid.uuid4().hex
    Task.transactional_id = property(lambda self: f"{self.plan.app}-{self.partition}-{mine}")
    begin, commit = AIOKafkaProducer.begin_transaction, AIOKafkaProducer.commit_transaction
    told: list[int] = []
    under_way: set[AIOKafkaProducer] = set()

    async def stop_first(self: AIOKafkaProducer) -> None:
        while told:
            if under_way:
                await asyncio.sleep(0.002)
            else:
                told.clear()
                os.kill(os.getpid(), signal.SIGSTOP)
        under_way.add(self)
        await begin(self)

    async def noted(self: AIOKafkaProducer) -> None:
        await commit(self)
        under_way.discard(self)

    signal.signal(signal.SIGRTMIN, lambda number, _: told.append(number))
    AIOKafkaProducer.begin_transaction, AIOKafkaProducer.commit_transaction = stop_first, noted


def uncommitted() -> None:
    create = ReadCommittedThread._create_worker_consumer

    def reading_all(self: ReadCommittedThread, transport: Any) -> AIOKafkaConsumer:
        consumer = create(self, transport)
        consumer._isolation_level = "read_uncommitted"
        return consumer

    ReadCommittedThread._create_worker_consumer = reading_all


def two_steps() -> None:
    begin, commit = AIOKafkaProducer.begin_transaction, AIOKafkaProducer.commit_transaction
    send_offsets = AIOKafkaProducer.send_offsets_to_transaction
    kept: dict[AIOKafkaProducer, tuple[Any, str]] = {}
    left = STEPS

    async def later(self: AIOKafkaProducer, offsets: Any, group_id: str) -> None:
        kept[self] = offsets, group_id

    async def one_after_the_other(self: AIOKafkaProducer) -> None:
        nonlocal left
        await commit(self)
        if self in kept:
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
            await begin(self)
            await send_offsets(self, *kept.pop(self))
            await commit(self)

    AIOKafkaProducer.send_offsets_to_transaction = later
    AIOKafkaProducer.commit_transaction = one_after_the_other


def trusting() -> None:
    async def ask_nothing(_: Delivery) -> None:
        pass

    Delivery.complete = ask_nothing


MUTATIONS = {
    "fenceless": fenceless,
    "uncommitted": uncommitted,
    "two-steps": two_steps,
    "trusting": trusting,
}
MUTATIONS[sys.argv.pop(1)]()
main()

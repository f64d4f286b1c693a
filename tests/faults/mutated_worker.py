"""A real worker with one guard taken out, to show that the proofs would see it gone: `mutated_worker.py NAME worker`.

fenceless     a transactional id of the process's own: no owner ever fences another
uncommitted   its consumers read what aborted transactions left in the topics
two-steps     offsets in a transaction after that of rows and outputs; dies between the two at its tenth
trusting      commits without asking whether the broker took every batch
forgetful     a takeover keeps what memory has, whoever owned the partition in between
"""

import os
import signal
import sys
import uuid
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from cli.main import main
from streams.chunks import ReadCommittedThread
from streams.delivery import Delivery
from streams.pipeline import Pipeline
from streams.task import Task

STEPS = 10


def fenceless() -> None:
    mine = uuid.uuid4().hex
    Task.transactional_id = property(lambda self: f"{self.plan.app}-{self.partition}-{mine}")


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


def forgetful() -> None:
    take_over = Pipeline.take_over

    async def keeping(self: Pipeline, partitions: set[int], *, keep: bool) -> None:
        await take_over(self, partitions, keep=True)

    Pipeline.take_over = keeping


MUTATIONS = {
    "fenceless": fenceless,
    "uncommitted": uncommitted,
    "two-steps": two_steps,
    "trusting": trusting,
    "forgetful": forgetful,
}
MUTATIONS[sys.argv.pop(1)]()
main()

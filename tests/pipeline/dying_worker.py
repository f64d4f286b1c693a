"""A real worker that kills itself with SIGKILL inside a transaction: everything sent, nothing committed.

Takes the number of transactions to let through from STOCKSTREAM_TEST_TRANSACTIONS.
"""

import os
import signal

from aiokafka import AIOKafkaProducer

from cli.main import main

left = int(os.environ["STOCKSTREAM_TEST_TRANSACTIONS"])
commit = AIOKafkaProducer.commit_transaction


async def die_instead(self: AIOKafkaProducer) -> None:
    global left  # noqa: PLW0603
    left -= 1
    if left < 0:
        await self.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    await commit(self)


AIOKafkaProducer.commit_transaction = die_instead
main()

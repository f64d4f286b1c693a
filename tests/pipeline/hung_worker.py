"""A real worker that, from SIGRTMIN on, is alive and commits nothing more: `hung_worker.py NAME worker`.

endless   a commit never returns, as one whose answer got lost in the client
blocked   the event loop does not turn any more
"""

import asyncio
import signal
import sys
import time

from aiokafka import AIOKafkaProducer

from cli.main import main

BLOCKED = sys.argv.pop(1) == "blocked"
told: list[int] = []
commit = AIOKafkaProducer.commit_transaction


async def hang_once_told(self: AIOKafkaProducer) -> None:
    if told and BLOCKED:
        time.sleep(3_600)  # noqa: ASYNC251 - that is the fault
    if told:
        await asyncio.Event().wait()
    await commit(self)


signal.signal(signal.SIGRTMIN, lambda number, _: told.append(number))
AIOKafkaProducer.commit_transaction = hang_once_told
main()

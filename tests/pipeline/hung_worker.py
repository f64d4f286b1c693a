"""A real worker that, from SIGRTMIN on, is alive and commits nothing more: `hung_worker.py NAME worker`.

endless   a commit never returns, as one whose answer got lost in the client
blocked   the event loop does not turn any more
unsynced  the group's coordinator says, when it should give out partitions, that it is loading
"""

import asyncio
import signal
import sys
import time
from types import SimpleNamespace
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import GroupLoadInProgressError
from aiokafka.protocol.group import SyncGroupRequest

from cli.main import main

HOW = sys.argv.pop(1)
told: list[int] = []
commit = AIOKafkaProducer.commit_transaction
send = GroupCoordinator._send_req


async def hang_once_told(self: AIOKafkaProducer) -> None:
    if told and HOW == "blocked":
        time.sleep(3_600)  # noqa: ASYNC251 - that is the fault
    if told and HOW == "endless":
        await asyncio.Event().wait()
    await commit(self)


async def refuse_once_told(self: GroupCoordinator, request: Any) -> Any:
    answer = await send(self, request)
    if told and HOW == "unsynced" and isinstance(request, SyncGroupRequest):
        await asyncio.sleep(3)  # by then no fetch is under way that would be told
        return SimpleNamespace(error_code=GroupLoadInProgressError.errno, API_VERSION=answer.API_VERSION)
    return answer


signal.signal(signal.SIGRTMIN, lambda number, _: told.append(number))
AIOKafkaProducer.commit_transaction = hang_once_told
GroupCoordinator._send_req = refuse_once_told
main()

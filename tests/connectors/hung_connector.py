"""A real connector that, from SIGRTMIN on, is alive and goes on with nothing: `hung_connector.py NAME connect …`.

endless   reading from the broker never returns; what else the process does goes on
blocked   the event loop does not turn any more
"""

import asyncio
import signal
import sys
import time
from typing import Any

from confluent_kafka.aio import AIOConsumer

from cli.main import main

BLOCKED = sys.argv.pop(1) == "blocked"
told: list[int] = []
consume = AIOConsumer.consume


async def hang_once_told(self: AIOConsumer, *args: Any, **kwargs: Any) -> Any:
    if told and BLOCKED:
        time.sleep(3_600)  # noqa: ASYNC251 - that is the fault
    if told:
        await asyncio.Event().wait()
    return await consume(self, *args, **kwargs)


signal.signal(signal.SIGRTMIN, lambda number, _: told.append(number))
AIOConsumer.consume = hang_once_told
main()

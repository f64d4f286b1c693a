"""The state of the API's writing side, beside the application's: writer, replies and remembered answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from confluent_kafka import KafkaException
from fastapi import FastAPI, Request

from connectors.api.edge import Edge
from connectors.api.idempotency import Idempotency
from connectors.api.reply_waiter import ReplyWaiter
from connectors.writer import Writer
from schemas.admission import refusal


class Writing:
    """Started and stopped with the application."""

    def __init__(self, edge: Edge) -> None:
        settings = edge.settings
        self.writer = Writer(settings, settings.acknowledge_ms)
        self.replies = ReplyWaiter(settings, edge.codec, settings.replies_kept)
        self.answers = Idempotency(edge.redis, settings.app, settings.idempotency_s)

    async def stop(self) -> None:
        await asyncio.gather(self.writer.close(), self.replies.stop())


@asynccontextmanager
async def writing(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    """The lifespan of the routers that write: within that of the application, once for all of them."""
    if getattr(app.state, "writing", None) is not None:
        yield {}
        return
    app.state.writing = Writing(app.state.edge)
    try:
        yield {}
    finally:
        await app.state.writing.stop()
        app.state.writing = None


async def lost(app: FastAPI) -> KafkaException:
    """Wait until nothing more can be written, which a new start mends; return why.

    Where the broker does not let us in it mends nothing: that is waited for no more, and what reads goes on.
    """
    state: Writing | None = getattr(app.state, "writing", None)
    if state is not None:
        error = await asyncio.shield(state.writer.lost)
        if refusal(app.state.edge.settings, error.args[0]) is None:
            return error
    never: asyncio.Future[KafkaException] = asyncio.get_running_loop().create_future()
    return await never


async def writing_of(request: Request) -> Writing:
    """The state of the application that serves a request; FastAPI would send a plain function to a thread."""
    state: Writing = request.app.state.writing
    return state

"""`stockstream api`: the API as a process, uvicorn within the frame that all connectors share."""

import asyncio
import gc
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
import uvloop
from fastapi import FastAPI

from connectors import process
from connectors.api.app import build_app
from connectors.api.protocol import bounded
from connectors.api.settings import ApiSettings
from connectors.api.writing import lost
from connectors.kafka import NO_MORE, Lost
from schemas.environment import SettingError
from schemas.logs import log_to_stderr

NAME = "api"
LOOK_S = 1.0
"""How often /readyz is told what has changed."""
GRACE_S = 5
"""How long requests under way may take once the process is told to stop."""


class Server(uvicorn.Server):
    """uvicorn that leaves signals to its owner and ends open streams before it waits for requests to end."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: Any = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit:
            if (fault := self.config.app.state.edge.fault) is not None:  # type: ignore[union-attr]
                raise fault from None
            raise RuntimeError("the API cannot start; the log above says why") from None
        self.up.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: Any = None) -> None:
        self.config.app.state.edge.closing.set()  # type: ignore[union-attr]
        await super().shutdown(sockets)

    @property
    def port(self) -> int:
        """The port listened on, once started."""
        return int(self.servers[0].sockets[0].getsockname()[1])


def server(app: FastAPI, settings: ApiSettings) -> Server:
    """The server as production runs it."""
    return Server(
        uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            http=bounded(settings),
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=65,
            timeout_graceful_shutdown=GRACE_S,
        )
    )


def run(settings: ApiSettings) -> int:
    """Serve until told to stop; return the exit code: 2 where the settings do not allow an API, 75 for a fault."""
    try:
        app = build_app(settings)
    except SettingError as error:
        log_to_stderr(settings.log_level, NAME)
        logging.getLogger(NAME).error("%s", error)  # noqa: TRY400 - what to do stands in the line
        return 2

    async def serve(frame: process.Process) -> None:
        said = logging.getLogger("uvicorn.error")
        said.setLevel(logging.ERROR)
        said.addFilter(lambda _: app.state.edge.fault is None)  # what that is, the process says itself
        api = server(app, settings)
        stopping = asyncio.create_task(frame.stopping.wait())
        serving = asyncio.create_task(api.serve())
        started = asyncio.create_task(api.up.wait())
        error: Exception | None = None
        await asyncio.wait({started, serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if started.done():
            url = f"http://{settings.host}:{api.port}"
            gc.collect()
            gc.freeze()  # what stays for good is not looked through again: a full collection stops every request
            process.write_url(settings, f"{NAME}-http", url)
            losing = asyncio.create_task(lost(app))
            ends = {stopping, serving, losing}
            while not any(end.done() for end in ends):
                frame.ready(url=url, **app.state.edge.details())
                await asyncio.wait(ends, timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED)
            if losing.done():
                frame.waiting("leaving: nothing more can be written")
                error = losing.result()
            losing.cancel()
        else:
            await asyncio.wait({stopping, serving}, return_when=asyncio.FIRST_COMPLETED)
        api.should_exit = True
        stopping.cancel()
        started.cancel()
        await serving
        if error is not None:
            raise Lost(NO_MORE) from error

    return process.run(
        NAME,
        settings,
        serve,
        host=settings.health_host,
        port=settings.health_port,
        loop=uvloop.new_event_loop,
        alone=True,
    )

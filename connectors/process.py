"""A connector as a process: logs, signals, exit codes, and /metrics, /livez, /readyz on loopback unless told otherwise."""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import orjson
from aiohttp import web
from prometheus_client import REGISTRY, generate_latest

from schemas import metrics
from schemas.environment import Shared
from schemas.instruments import gauge, running
from schemas.logs import log_to_stderr

BUILD: Final = gauge(metrics.BUILD)
READY: Final = gauge(metrics.READY)

FAULT: Final = 75
"""Exit code of a fault that a restart may mend."""


class Process:
    """What a connector's main coroutine gets: whether it shall stop, and where it says how it is."""

    def __init__(self, name: str, settings: Shared) -> None:
        self.name, self.settings = name, settings
        self.stopping = asyncio.Event()
        self.state: dict[str, Any] = {"state": "starting"}
        """What /readyz shows; `ready` once "state" says so."""
        self.url = ""
        self._runner: web.AppRunner | None = None

    def ready(self, **details: Any) -> None:
        """Say that the process does its work; details go to /readyz."""
        self.state = {"state": "ready", **details}

    def waiting(self, state: str, **details: Any) -> None:
        """Say why it does not, for example `rebuilding, 62 %`."""
        self.state = {"state": state, **details}

    async def serve(self, host: str, port: int) -> None:
        """Start the health server; port 0 takes a free one. The address is then in `url` and data_dir/NAME.url."""
        running(BUILD, self.name)
        app = web.Application()
        app.add_routes(
            [web.get("/metrics", self._metrics), web.get("/livez", self._live), web.get("/readyz", self._ready)]
        )
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        server: Any = site._server  # noqa: SLF001 - the only way to learn a free port that was picked
        self.url = f"http://{host}:{server.sockets[0].getsockname()[1]}"
        write_url(self.settings, self.name, self.url)

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _metrics(self, _: web.Request) -> web.Response:
        READY.labels(self.name).set(self.state["state"] == "ready")
        return web.Response(body=generate_latest(REGISTRY), headers={"Content-Type": "text/plain; version=0.0.4"})

    async def _live(self, _: web.Request) -> web.Response:
        return web.Response(text="alive\n")

    async def _ready(self, _: web.Request) -> web.Response:
        status = 200 if self.state["state"] == "ready" else 503
        return web.Response(status=status, body=orjson.dumps(self.state), content_type="application/json")


def write_url(settings: Shared, name: str, url: str) -> None:
    """Leave the address of a process where others on this machine find it."""
    directory = Path(settings.data_dir)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"{name}.url").write_text(url)


def run(
    name: str,
    settings: Shared,
    main: Callable[[Process], Awaitable[None]],
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    loop: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> int:
    """Run `main` until it ends or SIGTERM or SIGINT asks it to (`stopping` is then set); return the exit code.

    A fault is logged and ends the process with 75: a supervisor starts it again, and it goes on where it had committed.
    """
    log_to_stderr(settings.log_level)
    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(_run(name, settings, main, host, port))


async def _run(name: str, settings: Shared, main: Callable[[Process], Awaitable[None]], host: str, port: int) -> int:
    process = Process(name, settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, process.stopping.set)
    try:
        await process.serve(host, port)
        await main(process)
    except Exception:
        logging.getLogger(name).exception("%s ends on a fault", name)
        return FAULT
    finally:
        await process.close()
    return 0

"""A connector as a process: logs, signals, exit codes, and /metrics, /livez, /readyz on loopback unless told otherwise."""

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import orjson
import yaml
from aiohttp import web
from prometheus_client import REGISTRY, generate_latest

from connectors import heartbeat, refusals
from schemas import metrics
from schemas.acls import PROCESSES, Acl, needs
from schemas.admission import Refused, admitted, explained
from schemas.environment import Shared
from schemas.exit_codes import FAULT, REFUSED
from schemas.instruments import gauge, running
from schemas.logs import log_to_stderr
from schemas.tracing import tracer
from tables.channels import ChannelsError, parse

BUILD: Final = gauge(metrics.BUILD)
READY: Final = gauge(metrics.READY)


LEAVE_S: Final = 5.0
"""How long a process that is shut out may take to leave."""


class Process:
    """What a connector's main coroutine gets: whether it shall stop, and where it says how it is."""

    def __init__(self, name: str, settings: Shared) -> None:
        self.name, self.settings = name, settings
        self.stopping = asyncio.Event()
        self.state: dict[str, Any] = {"state": "starting"}
        """What /readyz shows; `ready` once "state" says so."""
        self.url = ""
        self.measure: Callable[[], None] = lambda: None
        """Brings gauges up to date; called when somebody asks for /metrics."""
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
        self.measure()
        return web.Response(body=generate_latest(REGISTRY), headers={"Content-Type": "text/plain; version=0.0.4"})

    async def _live(self, _: web.Request) -> web.Response:
        why = heartbeat.stuck(self.settings.stuck_after_ms / 1000)
        return web.Response(text="alive\n") if why is None else web.Response(status=503, text=f"stuck: {why}\n")

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
    alone: bool = False,
) -> int:
    """Run `main` until it ends or SIGTERM or SIGINT asks it to (`stopping` is then set); return the exit code.

    A fault is logged and ends the process with 75: a supervisor starts it again, and it goes on where it had committed.
    So it does after 74, with which a process ends that stands still (see heartbeat).
    Not let in, at the start or later, it ends with 77 and one line. With `alone` it has work without the broker, and
    stays when it is shut out later.
    """
    log_to_stderr(settings.log_level, name)
    tracer.start(settings, name)
    try:
        with asyncio.Runner(loop_factory=loop) as runner:
            return runner.run(_run(name, settings, main, host, port, alone=alone))
    finally:
        tracer.close()


async def _run(
    name: str,
    settings: Shared,
    main: Callable[[Process], Awaitable[None]],
    host: str,
    port: int,
    *,
    alone: bool,
) -> int:
    process = Process(name, settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, process.stopping.set)
    heartbeat.watch(name, settings.stuck_after_ms / 1000)
    turning = asyncio.ensure_future(heartbeat.turn())
    try:
        await process.serve(host, port)
        await asyncio.to_thread(admitted, settings, needed(name, settings))
        await _work(process, main, alone=alone)
    except Exception as error:
        log = logging.getLogger(name)
        told = explained(settings, error)
        if told is None:
            log.exception("%s ends on a fault", name)
            return FAULT
        code, why = told
        log.error("%s ends: %s", name, why)  # noqa: TRY400 - what to do stands in the line
        return code
    finally:
        turning.cancel()
        await process.close()
    return 0


def needed(name: str, settings: Shared) -> list[Acl]:
    """What the broker has to allow a connector of this name."""
    component = {"erp": "erp-connector"}.get(name, name)
    if component not in PROCESSES:
        return []
    try:
        declared = parse(yaml.safe_load(Path(settings.channels).read_text())).channels
    except (OSError, ChannelsError, yaml.YAMLError):  # those that need it say so themselves
        declared = ()
    return needs(component, settings.app, [c.id for c in declared], shop_channel=getattr(settings, "shop_channel", ""))


async def _work(process: Process, main: Callable[[Process], Awaitable[None]], *, alone: bool) -> None:
    """Run `main`; raise Refused when the broker shuts us out meanwhile, unless there is work without it."""
    with refusals.heard(process.settings) as shut_out:
        work = asyncio.ensure_future(main(process))
        hearing = asyncio.ensure_future(shut_out.wait())
        await asyncio.wait({work} if alone else {work, hearing}, return_when=asyncio.FIRST_COMPLETED)
        hearing.cancel()
        if work.done():
            work.result()
            return
        work.cancel()
        await asyncio.wait({work}, timeout=LEAVE_S)
        if not work.done():  # clients that wait for a broker which does not want them
            logging.getLogger(process.name).error("%s ends: %s", process.name, shut_out.why)
            os._exit(REFUSED)
        raise Refused(shut_out.why)

"""/metrics, /livez and /readyz of a worker, on loopback unless told otherwise."""

from collections.abc import Callable
from typing import Any

import orjson
from aiohttp import web
from prometheus_client import generate_latest

from streams.gauges import Gauges
from streams.metrics import REGISTRY
from streams.pipeline import Pipeline


class Health:
    """Readiness tells how far a recovery is, never just `no`."""

    def __init__(self, pipeline: Pipeline, gauges: Gauges, alive: Callable[[], bool], host: str, port: int) -> None:
        self._pipeline, self._gauges, self._alive, self._host, self._port = pipeline, gauges, alive, host, port
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def start(self) -> None:
        app = web.Application()
        app.add_routes(
            [web.get("/metrics", self._metrics), web.get("/livez", self._live), web.get("/readyz", self._ready)]
        )
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        await site.start()
        server: Any = site._server  # noqa: SLF001 - the only way to learn a free port that was picked
        self.url = f"http://{self._host}:{server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _metrics(self, _: web.Request) -> web.Response:
        self._gauges.refresh()
        return web.Response(body=generate_latest(REGISTRY), headers={"Content-Type": "text/plain; version=0.0.4"})

    async def _live(self, _: web.Request) -> web.Response:
        return web.Response(text="alive\n") if self._alive() else web.Response(status=503, text="stuck\n")

    async def _ready(self, _: web.Request) -> web.Response:
        pipeline = self._pipeline
        state = "ready" if pipeline.ready else pipeline.recovery.describe()
        done, total = pipeline.recovery.progress
        body = {"state": state, "partitions": sorted(pipeline.tasks), "recovered": done, "to_recover": total}
        return web.Response(
            status=200 if pipeline.ready else 503, body=orjson.dumps(body), content_type="application/json"
        )

"""The API application: which routes there are and what every request passes through; reads as a list."""

import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec

from fastapi import FastAPI

from connectors.api import problems
from connectors.api.edge import Edge
from connectors.api.settings import ApiSettings, checked

ROUTERS = ("reservations", "ingest")
"""Modules of connectors.api whose `router` is served."""


def build_app(settings: ApiSettings, edge: Edge | None = None) -> FastAPI:
    """The application on these settings; raise SettingError where they do not allow one."""
    edge = edge or Edge(checked(settings))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await edge.start()
        try:
            yield
        finally:
            await edge.stop()

    app = FastAPI(title="Stockstream", version="1", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.edge = edge
    problems.install(app)
    for name in ROUTERS:
        if find_spec(f"connectors.api.{name}"):
            app.include_router(importlib.import_module(f"connectors.api.{name}").router)
    return app

"""The API application: which routes there are and what every request passes through; reads as a list."""

import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib.util import find_spec
from typing import Any, Final

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from connectors.api import availability, channels, docs_pages, exceptions, feeds, problems, stream
from connectors.api.edge import Edge
from connectors.api.guard import Guard
from connectors.api.settings import ApiSettings, checked
from connectors.api.shortcut import Shortcut

OWN = (availability.router, channels.router, stream.router, feeds.router, exceptions.router, docs_pages.router)
ROUTERS = ("reservations", "ingest")
"""Modules of connectors.api whose `router` is served."""

ALLOWED = ("Authorization", "X-API-Key", "Content-Type", "Idempotency-Key", "If-None-Match", "Last-Event-ID")
"""Request headers that pages of the allowed origins may send."""

NO_TELEMETRY: Final[Any] = {"tracing": False, "metrics": False, "logs": False}
"""FastAPI's own looks for exporters at each request; ours is /metrics."""


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

    app = FastAPI(
        title="Stockstream", version="1", lifespan=lifespan, docs_url=None, redoc_url=None, telemetry=NO_TELEMETRY
    )
    app.state.edge = edge
    problems.install(app)
    app.add_middleware(Shortcut, edge=edge)
    if settings.cors_origins:
        origins = [origin.strip() for origin in settings.cors_origins.split(",")]
        app.add_middleware(CORSMiddleware, allow_origins=origins, allow_methods=["GET", "POST"], allow_headers=ALLOWED)
    app.add_middleware(Guard, edge=edge)
    for router in OWN:
        app.include_router(router)
    for name in ROUTERS:
        if find_spec(f"connectors.api.{name}"):
            app.include_router(importlib.import_module(f"connectors.api.{name}").router)
    app.openapi = partial(docs_pages.describe, app)  # type: ignore[method-assign]
    return app

"""The worker process. `stockstream worker` runs it; `faust -A streams.worker worker` works too."""

import logging
from typing import Any

import structlog

from streams import settings
from streams.app import StreamApp, build_app


def __getattr__(name: str) -> Any:
    """Build the app when Faust's command line asks for it, not at import."""
    if name == "app":
        return build_app(settings.load())
    raise AttributeError(name)


def run(chosen: settings.Settings) -> None:
    """Run a worker until it is told to stop; exits with the watchdog's codes on a fault."""
    log_to_stderr(chosen.log_level)
    app: StreamApp = build_app(chosen)
    worker = app.Worker(loglevel=chosen.log_level, redirect_stdouts=False, override_logging=False)
    worker.execute_from_commandline()


def log_to_stderr(level: str) -> None:
    """JSON lines, one an event; normal operation logs nothing at the default level."""
    renderer = structlog.stdlib.ProcessorFormatter(
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        foreign_pre_chain=[structlog.stdlib.add_log_level, structlog.stdlib.add_logger_name],
    )
    handler = logging.StreamHandler()
    handler.setFormatter(renderer)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())

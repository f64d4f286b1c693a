"""The worker process. `stockstream worker` runs it; `faust -A streams.worker worker` works too."""

from typing import Any

from schemas.logs import log_to_stderr
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

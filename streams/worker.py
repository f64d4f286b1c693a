"""The worker process. `stockstream worker` runs it; `faust -A streams.worker worker` works too."""

import logging
import sys
from pathlib import Path
from typing import Any

import yaml

from schemas.acls import Acl, needs
from schemas.admission import admitted, explained
from schemas.exit_codes import FAULT
from schemas.logs import Lines, log_to_stderr
from schemas.tracing import tracer
from streams import settings, topics
from streams.app import StreamApp, build_app
from streams.refusals import watch_for_refusals
from tables import channels

FAUST_FAILED = 1
"""What Faust's worker ends with on any error of its own."""


def __getattr__(name: str) -> Any:
    """Build the app when Faust's command line asks for it, not at import."""
    if name == "app":
        return build_app(settings.load())
    raise AttributeError(name)


def _needed(chosen: settings.Settings) -> list[Acl]:
    """What the broker has to allow a worker."""
    declared = channels.parse(yaml.safe_load(Path(chosen.channels).read_text())).channels
    changelogs = [topics.changelog(chosen.app, stage) for stage in topics.STAGES]
    return needs("worker", chosen.app, [channel.id for channel in declared], changelogs)


def run(chosen: settings.Settings) -> None:
    """Run a worker until it is told to stop; exits with the watchdog's codes on a fault, 77 where it is not let in."""
    log_to_stderr(chosen.log_level, "worker")
    try:
        app: StreamApp = build_app(chosen)
        admitted(chosen, _needed(chosen))
    except Exception as error:
        told = explained(chosen, error)
        if told is None:
            raise
        code, why = told
        logging.getLogger("worker").error("worker ends: %s", why)  # noqa: TRY400 - what to do stands in the line
        sys.exit(code)
    watch_for_refusals(chosen)
    said = Lines(logging.getLogger("mode"))
    worker = app.Worker(
        loglevel=chosen.log_level, redirect_stdouts=False, override_logging=False, stdout=said, stderr=said
    )
    try:
        worker.execute_from_commandline()
    except SystemExit as end:
        if end.code == FAUST_FAILED:  # told by then; a broker that is away, mostly
            raise SystemExit(FAULT) from end
        raise
    finally:
        tracer.close()

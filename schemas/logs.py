"""Logs of every process: JSON lines on stderr, redacted (schemas/redaction.py), whoever writes them.

Ours, libraries', warnings and faults nobody catches all come out as one line each with the same first fields.
"""

import io
import json
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Mapping, MutableMapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from schemas import redaction
from schemas.environment import SettingError

LEVELS: Final = ("debug", "info", "warning", "error", "critical")
FIRST: Final = ("at", "level", "logger", "process", "instance", "event")
"""Fields that every line has, in this order."""
OURS: Final = FIRST[:-1]
"""Those of them that are ours to say, and as they are."""
LINE: Final = 16_384
"""Bytes of a line at most."""
FIELDS: Final = 24
"""Fields that a line too long keeps, each shortened."""
REQUEST: Final[ContextVar[str]] = ContextVar("request_id", default="")
"""The id of the request being served: a variable of its own, because setting it costs next to nothing."""
INSTANCE: Final = socket.gethostname()
"""The host; in a cluster the pod."""
_process = ""
Event = MutableMapping[str, Any]


def log_to_stderr(level: str, process: str = "") -> None:
    """JSON lines, one an event, from now on; normal operation logs nothing at the default level.

    `process` names the component in each line. Raise SettingError for a level there is not.
    """
    global _process  # noqa: PLW0603 - a process is one
    if level.lower() not in LEVELS:
        raise SettingError(f"STOCKSTREAM_LOG_LEVEL={level!r}: use {', '.join(LEVELS[:-1])}")
    _process = process or _process
    handler = _ToStderr()
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    logging.captureWarnings(capture=True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread
    sys.unraisablehook = _unraisable


def speaks_json() -> bool:
    """Whether this process's stderr is JSON lines."""
    return bool(_process)


class JsonLines(structlog.stdlib.ProcessorFormatter):
    """Makes a record a line; whatever is in it, a line comes out."""

    def __init__(self) -> None:
        super().__init__(
            processors=[structlog.processors.format_exc_info, _line],
            foreign_pre_chain=[structlog.stdlib.ExtraAdder()],
        )

    def format(self, record: logging.LogRecord) -> str:
        try:
            return super().format(_prepared(record))
        except Exception as error:  # noqa: BLE001 - a line that cannot be told must not stop what it tells of
            return _rendered(
                {"level": "error", "logger": record.name, "event": "a log line cannot be told", "fault": repr(error)}
            )


class _ToStderr(logging.StreamHandler[Any]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's own name
        """Not even by a trace of its own, which would show what was to be logged."""


def last_words(level: str, event: str, error: BaseException | None = None, **fields: Any) -> None:
    """One line past everything that may be stuck, for a process that is about to leave at once."""
    given: Event = {"level": level, "logger": _process, "event": event, **fields}
    if error is not None:
        given["exc_info"] = (type(error), error, error.__traceback__)
    line = _line(None, "", structlog.processors.format_exc_info(None, "", given))
    sys.stderr.flush()
    os.write(2, f"{line}\n".encode())


# ---- a line ---------------------------------------------------------------------------------------------------------


def _prepared(record: logging.LogRecord) -> logging.LogRecord:
    """The record with arguments that may be told: bytes must not become text by %s."""
    if record.args and not isinstance(record.msg, dict):
        record = logging.makeLogRecord(record.__dict__)
        given: Any = record.args
        if isinstance(given, Mapping):
            record.args = {name: redaction.argument(each) for name, each in given.items()}
        else:
            record.args = tuple(map(redaction.argument, given))
    return record


def _line(_: Any, __: str, event: Event) -> str:
    """Complete, redact and render: what structlog calls a renderer."""
    return _rendered({**structlog.contextvars.get_contextvars(), **_request(), **_trace(), **_names(event)})


def _names(event: Event) -> Event:
    """Level and logger of a record of the standard library's, in place of the record."""
    record = event.pop("_record", None)
    event.pop("_from_structlog", None)
    if isinstance(record, logging.LogRecord):
        event = {**event, "level": record.levelname.lower(), "logger": record.name}
    return event


def _request() -> dict[str, str]:
    request_id = REQUEST.get()
    return {"request_id": request_id} if request_id else {}


def _trace() -> dict[str, str]:
    """The trace we are in, where anybody traces."""
    tracing = sys.modules.get("schemas.tracing")
    here = tracing.HERE.get() if tracing is not None else None
    return {"trace_id": here.trace_id} if here is not None else {}


def _rendered(event: Event) -> str:
    own = {
        "at": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "process": _process,
        "instance": INSTANCE,
    }
    told = {name: own.get(name, event.get(name, "")) for name in FIRST}
    told |= {name: each for name, each in event.items() if name not in told}
    clean = {name: told[name] for name in OURS}
    clean["event"] = redaction.value(told.pop("event"))
    clean |= {redaction.text(name, 100): redaction.field(name, each) for name, each in told.items() if name not in OURS}
    if not isinstance(clean["event"], str):
        clean["event"] = json.dumps(clean["event"])
    line = json.dumps(clean)
    if len(line) > LINE:
        shown = [name for name in clean if name not in FIRST][: FIELDS - len(FIRST)]
        clean = {name: _brief(name, clean[name]) for name in (*FIRST, *shown)} | {"shortened": True}
        line = json.dumps(clean)
    return line


def _brief(name: str, value: Any) -> Any:
    """As much of a value as a line has room for; of a trace the end, which tells what it was."""
    if not isinstance(value, str):
        return value if isinstance(value, int | float | None) else "…"
    room = 2_000 if name in ("exception", "event") else 300
    room = room if value.isascii() else room // 12
    return f"…{value[-room:]}" if name == "exception" else value[:room]


# ---- what nobody catches --------------------------------------------------------------------------------------------


def _uncaught(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger(_process or "python").critical("a fault that nobody caught", exc_info=(kind, error, trace))


def _uncaught_in_thread(given: threading.ExceptHookArgs) -> None:
    if given.exc_type is SystemExit:
        return
    error = given.exc_value or given.exc_type()
    told = (given.exc_type, error, given.exc_traceback)
    name = given.thread.name if given.thread else ""
    logging.getLogger(_process or "python").error(
        "a fault that nobody caught in a thread", exc_info=told, extra={"in_thread": name}
    )


def _unraisable(given: Any) -> None:
    told = (given.exc_type, given.exc_value, given.exc_traceback) if given.exc_value is not None else None
    logging.getLogger("python").error(given.err_msg or "a fault where none can be raised", exc_info=told)


class Lines(io.TextIOBase):
    """A file for those who print: each line of it is logged."""

    def __init__(self, logger: logging.Logger, level: int = logging.INFO) -> None:
        self._logger, self._level, self._begun = logger, level, ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            if line.strip():
                self._logger.log(self._level, "%s", line.rstrip())
        return len(text)


# ---- not too often --------------------------------------------------------------------------------------------------


class OnceAMinute(logging.Filter):
    """Lets the first line of each kind pass: a client that cannot connect says so many times a second.

    A kind is known by the first words of the line, `words` of them, and the last one.
    """

    AGAIN_S: Final = 60.0

    def __init__(self, words: int = 1) -> None:
        super().__init__()
        self._words = words
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        line, now = record.getMessage().split(" "), time.monotonic()
        kind = " ".join([*line[: self._words], line[-1]])
        if now - self._said.get(kind, -self.AGAIN_S) < self.AGAIN_S:
            return False
        self._said[kind] = now
        return True


MORE: Final = "more lines were left out"


class AtMost(logging.Filter):
    """Lets so many lines a second pass; a second later one line tells how many were left out.

    A line that itself tells of some left out (`left_out`) counts for as many.
    """

    def __init__(self, a_second: int = 20) -> None:
        super().__init__()
        self._most, self._lock = a_second, threading.Lock()
        self._since, self._passed, self._left_out = 0.0, 0, 0

    def filter(self, record: logging.LogRecord) -> bool:
        if record.msg == MORE:
            return True
        with self._lock:
            if (now := time.monotonic()) - self._since >= 1.0 and not self._left_out:
                self._since, self._passed = now, 0
            self._passed += 1
            if self._passed <= self._most:
                return True
            first, self._left_out = not self._left_out, self._left_out + getattr(record, "left_out", 1)
            if first:
                later = threading.Timer(1.0, self.tell, (logging.getLogger(record.name), record.levelno))
                later.daemon = True
                later.start()
        return False

    def tell(self, logger: logging.Logger, level: int) -> None:
        """Say how many lines were left out, if any, and let others pass again."""
        with self._lock:
            count, self._left_out = self._left_out, 0
            self._since, self._passed = time.monotonic(), 0
        if count:
            logger.log(level, MORE, extra={"left_out": count})

"""Logs of every process: JSON lines on stderr."""

import logging
import time
from typing import Final

import structlog


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

"""Everything a process says on stderr is a line of JSON, whoever says it; floods are counted instead of told."""

import json
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from schemas.environment import SettingError
from schemas.logs import FIRST, AtMost, Lines, log_to_stderr

ROOT = Path(__file__).resolve().parents[2]


def said(program: str) -> tuple[int, list[dict[str, Any]]]:
    """Exit code and lines of a program that logs."""
    done = subprocess.run(
        [sys.executable, "-c", f"from schemas.logs import *; log_to_stderr('info', 'demo')\n{program}"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stdout == ""
    return done.returncode, [json.loads(line) for line in done.stderr.splitlines()]


SPEAKERS = {
    "logging": ("logging.getLogger('a.b').warning('%d of %s', 2, 'x', extra={'coordinate': 't[0]@1'})", "2 of x"),
    "structlog": ("structlog.get_logger('a').info('kept', coordinate='t[0]@1')", "kept"),
    "a message with wrong arguments": ("logging.error('%d', 'x')", "a log line cannot be told"),
    "warnings": ("import warnings; warnings.warn('odd')", "odd"),
    "an uncaught error": ("raise ValueError('the fault')", "a fault that nobody caught"),
    "a thread": (
        "t = threading.Thread(target=lambda: 1 / 0, name='t1'); t.start(); t.join()",
        "a fault that nobody caught in a thread",
    ),
    "asyncio": (
        (
            "import asyncio\nasync def main():\n asyncio.get_running_loop().call_soon(lambda: 1 / 0)\n"
            " await asyncio.sleep(0.01)\nasyncio.run(main())"
        ),
        "Exception in callback",
    ),
    "a finalizer": ("class A:\n def __del__(self): 1 / 0\nA()", "a fault where none can be raised"),
    "print": ("print('hello', file=Lines(logging.getLogger('mode')))", "hello"),
    "last words": ("last_words('critical', 'going', ValueError('why'), exit_code=75)", "going"),
}


@pytest.mark.parametrize("who", SPEAKERS)
def test_whoever_speaks_speaks_json(who: str):
    """One line with the fields that every line has; what was raised is in it."""
    program, event = SPEAKERS[who]
    _, lines = said(program)
    [line] = [line for line in lines if event in line["event"]]

    assert len(lines) == 1
    assert [*line][: len(FIRST)] == list(FIRST)
    assert line["process"] == "demo"
    assert line["instance"]
    assert ("coordinate" in line) == (who in ("logging", "structlog"))


def test_what_is_bound_is_in_every_line():
    """Also in those of libraries, as long as it is bound."""
    _, lines = said(
        "with structlog.contextvars.bound_contextvars(correlation_id='c-1', document='PURCHASE_ORDER:1'):\n"
        " logging.getLogger('lib').info('one')\n"
        "logging.info('two')"
    )

    assert lines[0]["correlation_id"] == "c-1"
    assert lines[0]["document"] == "PURCHASE_ORDER:1"
    assert "correlation_id" not in lines[1]


def test_a_level_there_is_not_is_refused():
    """With the levels that there are."""
    with pytest.raises(SettingError, match=r"STOCKSTREAM_LOG_LEVEL='loud': use debug, info, warning, error"):
        log_to_stderr("loud")


def test_a_flood_is_counted():
    """The first lines pass, one more tells how many did not, and then lines pass again."""
    flood, told, all_told = logging.getLogger("test.flood"), list[logging.LogRecord](), threading.Event()

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(record)
            if hasattr(record, "left_out"):
                all_told.set()

    flood.setLevel(logging.INFO)
    flood.propagate = False
    flood.addHandler(Ear())
    flood.addFilter(AtMost(3))
    for number in range(100):
        flood.info("bad record %d", number)
    assert all_told.wait(30)
    flood.info("the next")

    assert [record.getMessage() for record in told] == [
        "bad record 0", "bad record 1", "bad record 2", "more lines were left out", "the next",
    ]  # fmt: skip
    assert told[3].__dict__["left_out"] == 97


def test_lines_are_told_when_they_end(caplog: pytest.LogCaptureFixture):
    """Whoever prints in pieces is logged by the line."""
    with caplog.at_level(logging.INFO):
        file = Lines(logging.getLogger("test.lines"))
        print("one", "two", file=file)
        file.write("three")

    assert caplog.messages == ["one two"]

"""How a download shows itself: a bar on a terminal, a plain line now and then elsewhere."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

LINE_EVERY_S = 3.0

Advance = Callable[[int], None]
Say = Callable[[str], None]


@runtime_checkable
class Report(Protocol):
    """Where the stack tells what it does; pass your own to show it elsewhere. Calls come from several threads."""

    def say(self, line: str) -> None: ...

    @contextmanager
    def download(self, what: str, total: int) -> Iterator[Advance]:
        """A download of `total` bytes (0: unknown); call what it yields with each number of bytes got."""
        ...


class Lines:
    """Plain lines through `say`: at the start, every few seconds, and at the end of a download."""

    def __init__(self, say: Say | None = None) -> None:
        self._say = say if say is not None else lambda line: print(line, file=sys.stderr, flush=True)

    def say(self, line: str) -> None:
        self._say(line)

    @contextmanager
    def download(self, what: str, total: int) -> Iterator[Advance]:
        got, told, lock = 0, time.monotonic(), threading.Lock()

        def advance(size: int) -> None:
            nonlocal got, told
            with lock:
                got += size
                if time.monotonic() - told < LINE_EVERY_S:
                    return
                told = time.monotonic()
                share = f" ({got * 100 // total} %)" if total else ""
            self._say(f"{what}: {got / 1e6:.0f} MB{share}")

        self._say(f"{what}: downloading" + (f" {total / 1e6:.0f} MB" if total else ""))
        yield advance
        self._say(f"{what}: done")


class Bars:
    """Rich progress bars on a terminal; downloads at the same time share one display."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._lock = threading.Lock()
        self._open = 0
        self._progress: Progress | None = None

    def say(self, line: str) -> None:
        self._console.print(line, highlight=False, style="dim")

    @contextmanager
    def download(self, what: str, total: int) -> Iterator[Advance]:
        with self._lock:
            if self._progress is None:
                columns = (TextColumn("{task.description:<22}"), BarColumn(), DownloadColumn())
                rest = (TransferSpeedColumn(), TimeRemainingColumn())
                self._progress = Progress(*columns, *rest, console=self._console)
                self._progress.start()
            self._open += 1
            progress = self._progress
        task = progress.add_task(what, total=total or None)
        try:
            yield lambda size: progress.advance(task, size)
        finally:
            with self._lock:
                self._open -= 1
                if not self._open:
                    progress.stop()
                    self._progress = None


def report_for(wanted: Report | Console | Say | None) -> Report:
    """The report for what a caller passed: its own, a console, a function taking a line, or None (stderr)."""
    if wanted is None:
        wanted = Console(stderr=True)
    if isinstance(wanted, Console):
        console = wanted
        return Bars(console) if console.is_terminal else Lines(lambda line: print(line, file=console.file, flush=True))
    return wanted if isinstance(wanted, Report) else Lines(wanted)

"""How far a rebuild is, on one line for somebody at a terminal; nothing where stderr is none."""

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn

SCALE = 1_000


class Line:
    """Shown while there is something to catch up, gone when there is not."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._progress: Progress | None = None
        self._task = TaskID(0)

    def show(self, what: str, ratio: float) -> None:
        """Say what goes on and how much of it is done, 0 to 1."""
        if not self._console.is_terminal:
            return
        if self._progress is None:
            columns = TextColumn("redis view"), BarColumn(), TaskProgressColumn(), TextColumn("{task.description}")
            self._progress = Progress(*columns, console=self._console, transient=True)
            self._task = self._progress.add_task(what, total=SCALE)
            self._progress.start()
        self._progress.update(self._task, description=what, completed=int(ratio * SCALE))

    def hide(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

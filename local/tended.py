"""A supervisor as a cluster's: whoever ends is started again a little later, for as long as it takes."""

import threading

from local.supervised import Supervised
from schemas.exit_codes import HALT, REFUSED

PAUSE_S = 1.0
FINAL = (0, HALT, REFUSED)
"""Exit statuses after which nobody is started again: told to leave, damaged state, not let in."""


class Tended:
    """Looks after processes from a thread of its own until closed. To kill one of them, signal its pid."""

    def __init__(self) -> None:
        self.left: list[tuple[str, int]] = []
        """Name and exit status of whoever ended without `release`; a signal's number is negative."""
        self._processes: dict[str, Supervised] = {}
        self._gone: set[str] = set()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._tend, daemon=True, name="supervisor")
        self._thread.start()

    def keep(self, process: Supervised, *, restart: bool = True) -> None:
        """Start a process and, unless told otherwise, keep it running."""
        with self._lock:
            process.start()
            self._processes[process.name] = process
            (self._gone.discard if restart else self._gone.add)(process.name)

    def release(self, name: str) -> None:
        """Ask a process to leave, and do not start it again."""
        with self._lock:
            self._processes.pop(name).stop()

    def close(self) -> None:
        """End all of them, and the supervisor."""
        self._closed.set()
        self._thread.join(10)
        for name in list(self._processes):
            self.release(name)

    def codes(self) -> set[int]:
        """Exit statuses so far, ends by a signal left out."""
        return {code for _, code in self.left if code >= 0}

    def _tend(self) -> None:
        while not self._closed.wait(PAUSE_S):
            with self._lock:
                for name, process in self._processes.items():
                    code = process.ended()
                    if code is None or name in self._gone:
                        continue
                    self.left.append((name, code))
                    if code in FINAL:
                        self._gone.add(name)
                    else:
                        process.start()

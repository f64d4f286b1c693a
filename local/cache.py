"""The user's cache folder: where it is, one process at a time in it, and whether the disk has room."""

import fcntl
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.errors import StackError


def cache_directory() -> Path:
    """STOCKSTREAM_CACHE, else `stockstream` under XDG_CACHE_HOME, else under ~/.cache."""
    own = os.environ.get("STOCKSTREAM_CACHE")
    if own:
        return Path(own).expanduser()
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "stockstream"


@contextmanager
def only_one(lock: Path, cancelled: threading.Event) -> Iterator[None]:
    """Hold the file lock `lock`, waiting for whoever has it; the system frees it when a holder dies."""
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        held = lock.open("ab")
    except OSError as error:
        raise StackError(
            f"The folder {lock.parent} cannot be written: {error.strerror}.", "Set STOCKSTREAM_CACHE to one that can."
        ) from error
    with held:
        while True:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if cancelled.is_set():
                    raise StackError("The start was broken off.", "Start the stack again.") from None
                time.sleep(0.2)
        yield


def need_room(directory: Path, size: int, what: str, remedy: str) -> None:
    """StackError when the disk of `directory` has less than `size` bytes free."""
    while not directory.exists():
        directory = directory.parent
    free = shutil.disk_usage(directory).free
    if free < size:
        raise StackError(
            f"No room on disk: {what} needs {size / 1e6:.0f} MB at {directory}, {free / 1e6:.0f} MB are free.", remedy
        )

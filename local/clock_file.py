"""Business time in a file of 8 bytes: the demo writes it, workers read it (STOCKSTREAM_CLOCK=file:PATH).

In compressed time "late by hours", overdue supply and a stale feed are true only if every process shares one clock.
"""

import os
import struct
from pathlib import Path
from types import TracebackType
from typing import Self

_TIME = struct.Struct(">q")


class ClockFile:
    """Milliseconds UTC, big-endian, written in one 8-byte write, so a reader never sees half of one."""

    def __init__(self, path: Path, start: int) -> None:
        self.path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        self.now = 0
        self.set(start)

    def set(self, now: int) -> None:
        """Move business time on; it never goes back."""
        if now > self.now:
            self.now = now
            os.pwrite(self._file, _TIME.pack(now), 0)

    def close(self) -> None:
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()


def read_clock(path: Path) -> int:
    """Return the business time in the file, ms UTC."""
    (now,) = _TIME.unpack(path.read_bytes())
    return int(now)

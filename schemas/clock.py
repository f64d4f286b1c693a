"""Business time, asked for once per chunk at intake and by the sweep; folds get it as an argument."""

import os
import struct
import time
from collections.abc import Callable

Clock = Callable[[], int]
"""Milliseconds since the epoch, UTC."""


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


def clock(setting: str) -> Clock:
    """`system`, or `file:PATH`: a simulation keeps business time there as 8 big-endian bytes."""
    if setting == "system":
        return wall_ms
    kind, _, path = setting.partition(":")
    if kind != "file" or not path:
        raise ValueError(f"clock {setting!r}: expected `system` or `file:PATH`")
    descriptor = os.open(path, os.O_RDONLY)

    def read() -> int:
        return int(struct.unpack(">q", os.pread(descriptor, 8, 0))[0])

    return read

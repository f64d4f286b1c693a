"""What the producers of a run got acknowledged by the broker, kept in a file: the material of the proof.

The file is a sequence of length-prefixed, marshalled lists of acknowledgements; marshal because it is written by the
process that must keep up with production, and read by the same Python.
"""

import marshal
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

_LENGTH = struct.Struct(">I")


class Acknowledged(NamedTuple):
    """One record the broker has acknowledged. `value` is what was encoded, or the raw bytes where that was the point."""

    topic: str
    partition: int
    offset: int
    key: str | None
    value: Mapping[str, Any] | bytes
    sent_ms: int  # wall clock at produce
    label: str
    mark: str

    @property
    def coordinate(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.offset}"


class JournalWriter:
    """Appends acknowledgements, a thousand at a time."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._pending: list[tuple[Any, ...]] = []
        self.count = 0

    def add(self, acknowledged: tuple[Any, ...]) -> None:
        """Take one acknowledgement: the fields of Acknowledged, in order, as a plain tuple."""
        self.count += 1
        self._pending.append(acknowledged)
        if len(self._pending) >= 1_000:
            self.flush()

    def flush(self) -> None:
        if self._pending:
            block = marshal.dumps(self._pending)
            self._file.write(_LENGTH.pack(len(block)) + block)
            self._pending = []
        self._file.flush()

    def close(self) -> None:
        self.flush()
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()


def read_journal(*paths: Path) -> Iterator[Acknowledged]:
    """Yield every acknowledgement of the files, in the order they were written."""
    for path in paths:
        with path.open("rb") as file:
            while header := file.read(_LENGTH.size):
                block = marshal.loads(file.read(*_LENGTH.unpack(header)))  # noqa: S302 - our own file of this run
                for fields in block:
                    yield Acknowledged(*fields)

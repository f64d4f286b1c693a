"""The stages as the task runner sees them: an input, a table, a step, and what is due.

A stage's step is a pure function in a module of its own; this one decodes its input and keeps its timetable.
"""

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from schemas.codec import Undecodable
from tables.clocks import SKEW_MS
from tables.outcome import CorruptRow, Entry, Outcome, Output, checked_due

Rows = dict[bytes, bytes]
Decoder = Callable[[bytes], Any]
Step = Callable[[Mapping[bytes, bytes], Sequence[Entry]], Outcome]


class Halt(Exception):
    """State and log disagree, or a record of our own cannot be read: stop and name it, never guess."""


class StageRun(Protocol):
    """One stage of one task. Memory may run ahead of the log: any failure leaves the process."""

    rows: Rows

    def recover(self, rows: Rows) -> None:
        """Take over the rows read back from the changelog."""

    def step(self, topic: str, run: Sequence[Any], now: int) -> Outcome:
        """Fold one chunk (records of one partition in offset order)."""

    def sweep(self, now: int) -> Outcome:
        """Say what has fallen due."""

    def settle(self, keys: set[str], now: int) -> Outcome:
        """Take input again that waited for these reference keys."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage's declaration: Faust gets its topics and its table from here, a task its run."""

    name: str
    topics: tuple[str, ...]
    start: Callable[[int], StageRun]
    """Called once per task with the partition number."""


class Timetable:
    """Which rows want a clock entry, soonest first; a row's header is the authority, the heap only an index."""

    SLACK = 1_000  # times no longer wanted that stay in the heap besides as many as are wanted

    def __init__(self, due: Mapping[bytes, int] | None = None) -> None:
        self._at: dict[bytes, int] = dict(due or {})
        self._rebuild()

    def __len__(self) -> int:
        """Times kept, wanted or not."""
        return len(self._heap)

    def _rebuild(self) -> None:
        self._heap = [(at, key) for key, at in self._at.items()]
        heapq.heapify(self._heap)

    def note(self, key: bytes, due: int) -> None:
        if not due:
            self._at.pop(key, None)
        elif self._at.get(key) != due:
            self._at[key] = due
            heapq.heappush(self._heap, (due, key))
            if len(self._heap) > 2 * len(self._at) + self.SLACK:
                self._rebuild()

    def pop(self, now: int, most: int) -> list[bytes]:
        """Keys due by now, each once until its row asks again."""
        keys: list[bytes] = []
        while self._heap and self._heap[0][0] <= now and len(keys) < most:
            at, key = heapq.heappop(self._heap)
            if self._at.get(key) == at:
                del self._at[key]
                keys.append(key)
        return keys


FAR_AHEAD = 1 << 62  # ms: the first sweep looks for rows that a clock left ahead


class KeyedStage:
    """A stage over one internal topic: decode, step, keep the timetable of its rows.

    With `newest_time` (ms, of a key and its row) rows written by a clock that was ahead get a clock entry as soon as the
    clock is right: else they would wait, and promise, by a time that has not come.
    """

    SWEEP_LIMIT = 5_000  # clock entries a sweep may write: what is left falls due again a second later

    def __init__(
        self,
        name: str,
        decode: Decoder,
        step: Step,
        clock: Callable[[str, int], Output],
        newest_time: Callable[[bytes, bytes], int] | None = None,
    ) -> None:
        self.name, self._decode, self._step, self._clock, self._newest_time = name, decode, step, clock, newest_time
        self.rows: Rows = {}
        self._timetable = Timetable()
        self._swept = FAR_AHEAD

    def recover(self, rows: Rows) -> None:
        due: dict[bytes, int] = {}
        for key, row in rows.items():
            try:
                if at := checked_due(row):
                    due[key] = at
            except CorruptRow as error:
                raise Halt(f"table {self.name}, row {key!r}: {error}") from error
        self.rows, self._timetable, self._swept = rows, Timetable(due), FAR_AHEAD

    def step(self, topic: str, run: Sequence[Any], now: int) -> Outcome:  # noqa: ARG002 - folds take time from entries
        decode = self._decode
        try:
            entries = [Entry(record.offset, record.key.decode(), decode(record.value)) for record in run]
        except Undecodable as error:
            raise Halt(f"{topic}[{run[0].partition}] in {run[0].offset}..{run[-1].offset}: {error}") from error
        outcome = self._step(self.rows, entries)
        self._keep(outcome.rows)
        return outcome

    def _keep(self, changed: Mapping[bytes, bytes | None]) -> None:
        note, rows = self._timetable.note, self.rows
        for key, row in changed.items():
            if row is None:
                rows.pop(key, None)
                note(key, 0)
            else:
                rows[key] = row
                note(key, int.from_bytes(row[13:21], "big", signed=True))

    def sweep(self, now: int) -> Outcome:
        if now < self._swept - SKEW_MS and self._newest_time is not None:
            for key, row in self.rows.items():
                if self._newest_time(key, row) > now + SKEW_MS:
                    self._timetable.note(key, now)
        self._swept = now
        keys: Iterable[bytes] = self._timetable.pop(now, self.SWEEP_LIMIT)
        return Outcome(outputs=[self._clock(key.decode(), now) for key in keys])

    def settle(self, keys: set[str], now: int) -> Outcome:  # noqa: ARG002 - only intake waits for reference data
        return Outcome()

"""A task that stays where it is through a rebalance: what it has folded may come once more, and counts once."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from schemas.clock import wall_ms
from streams.pace import Pace
from streams.task import Task, TaskPlan
from streams.traces import Traces
from tables.outcome import Outcome


class Counted:
    """A stage that notes the offsets it is given."""

    def __init__(self) -> None:
        self.offsets: list[int] = []

    def step(self, topic: str, run: Sequence[Any], now: int) -> Outcome:
        self.offsets += [record.offset for record in run]
        return Outcome()


async def _nothing_to_learn(_: Any) -> None:
    pass


def run(begin: int, end: int) -> list[Any]:
    return [SimpleNamespace(offset=offset, headers=(), timestamp=0) for offset in range(begin, end)]


async def test_offsets_told_from_before_the_last_commit_repeat_nothing() -> None:
    """A commit is told before its markers are written: right after it the group's offsets may be the old ones."""
    stage = Counted()
    plan = TaskPlan(
        app="again",
        client={},
        encode=lambda *_: b"",
        partition=lambda *_: 0,
        compacted=frozenset(),
        clock=wall_ms,
        changelogs={},
        interval=0.01,
        timeout_ms=10_000,
        pace=Pace(2.5),
        learn=_nothing_to_learn,
        traces=Traces(lambda *_: {}),
        leave=lambda *_: None,
    )
    task = Task(plan, 0, {"intake": stage})  # type: ignore[dict-item]
    task.resume()
    await task.feed("intake", "warehouse.scans", run(0, 62))
    task.closed = True  # as before a rebalance
    await task.feed("intake", "warehouse.scans", run(62, 70))
    task.resume()

    await task.feed("intake", "warehouse.scans", run(18, 66))
    await task.feed("intake", "warehouse.scans", run(66, 80))

    assert stage.offsets == list(range(80))

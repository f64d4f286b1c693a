"""Partitions are given out only when the broker tells of every topic of the group."""

from types import SimpleNamespace
from typing import Any

import pytest

from streams.assignor import MissingTopics, WholeAssignor


class Left(BaseException):
    """In place of the process's end."""


def test_nothing_is_assigned_while_the_broker_tells_of_a_part_of_the_topics() -> None:
    """A broker just back tells of none: the group's leader leaves, so that nobody rests on an empty assignment."""
    said: list[BaseException] = []

    def leave(error: BaseException, _: str) -> None:
        said.append(error)
        raise Left

    assignor = WholeAssignor.__new__(WholeAssignor)
    assignor.app = SimpleNamespace(pipeline=SimpleNamespace(plan=SimpleNamespace(leave=leave)))
    cluster = SimpleNamespace(partitions_for_topic={"known": {0, 1}}.get)
    members: dict[str, Any] = {"one": SimpleNamespace(subscription=["known", "unknown"])}

    with pytest.raises(Left):
        assignor.assign(cluster, members)
    assert isinstance(said[0], MissingTopics)
    assert "1 of 2 topics: unknown" in str(said[0])

"""A lack of replicas is told once it lasts: for milliseconds it is only the broker that verifies a transaction."""

import logging
import time

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import NotEnoughReplicasError, NotLeaderForPartitionError

from streams.refusals import SENDER, LastingLack

LEDGER, EVENTS = TopicPartition("inventory.ledger", 0), TopicPartition("order.events", 1)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch):
    """Whether a complaint about a partition is told at this second."""
    lack = LastingLack()

    def at(second: float, partition: TopicPartition, error: type[Exception] = NotEnoughReplicasError) -> bool:
        monkeypatch.setattr(time, "monotonic", lambda: second)
        args = (partition, error)
        return bool(lack.filter(logging.LogRecord(SENDER, logging.WARNING, "x.py", 1, "%s, retrying: %s", args, None)))

    return at


def test_what_lasts_is_told_and_goes_on_being_told(told) -> None:
    """From the first second on, each partition by itself."""
    assert not any(told(100 + part / 10, LEDGER) for part in range(10))
    assert told(101, LEDGER)
    assert told(101.1, LEDGER)
    assert not told(101.1, EVENTS)


def test_what_passes_is_not_told_however_often_it_comes(told) -> None:
    """Every transaction may have its verification."""
    assert not any(told(100 + transaction / 2 + part / 1000, LEDGER) for transaction in range(20) for part in (0, 3))


def test_other_complaints_are_told_at_once(told) -> None:
    """They are not the broker's verification."""
    assert told(100, LEDGER, NotLeaderForPartitionError)

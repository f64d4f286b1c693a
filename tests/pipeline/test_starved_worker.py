"""A worker that gets little of a processor falls behind; it does not fall over."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from site_under_test import Site

pytestmark = pytest.mark.stack
ROUND_S = 0.1
SHARE = 0.1


def test_a_starved_worker_with_a_backlog_keeps_its_transactions(crew: Site) -> None:
    """A tenth of a processor and more to fold than it can: each transaction ends in its time, nobody starts anew."""
    skus = crew.new_items("STARVED", 400)
    crew.scans(skus, 30_000)
    crew.start("starved")
    worker = crew.workers["starved"]
    with a_share_of_a_processor(worker.pid):
        crew.scans(skus, 30_000)
        time.sleep(60)

        assert worker.ended() is None
    crew.settle(120)

    assert worker.ended() is None
    crew.assert_exact(skus)


@contextmanager
def a_share_of_a_processor(pid: int) -> Iterator[None]:
    """Let it run SHARE of the time, as the scheduler does to a process among many."""
    done = threading.Event()

    def hold_and_let_go() -> None:
        while not done.wait(ROUND_S * SHARE):
            os.kill(pid, signal.SIGSTOP)
            done.wait(ROUND_S * (1 - SHARE))
            os.kill(pid, signal.SIGCONT)

    thread = threading.Thread(target=hold_and_let_go)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        os.kill(pid, signal.SIGCONT)

"""A worker that is alive and does not work leaves with 74; one whose broker is away waits for it."""

import os
import signal
import time
import urllib.request
from pathlib import Path

import pytest
from site_under_test import Site, wait_for

from schemas.exit_codes import FAULT, STUCK

pytestmark = [pytest.mark.stack, pytest.mark.long]
HUNG = str(Path(__file__).with_name("hung_worker.py"))
LIMIT_MS = 6_000


def test_a_commit_that_never_ends_makes_the_worker_leave(crew: Site) -> None:
    """On a quiet site, where everything was fetched and nothing more comes: the age of the commit tells, then 74."""
    skus = crew.new_items("ENDLESS", 4)
    crew.start("hung", command=(HUNG, "endless", "worker"), stuck_after_ms=LIMIT_MS)
    hung = crew.workers.pop("hung")
    crew.scans(skus, 40)
    crew.settle()
    time.sleep(LIMIT_MS / 1000 + 2)  # idle for longer than that is no fault
    assert age(hung.url) == 0
    os.kill(hung.pid, signal.SIGRTMIN)
    crew.scans(skus, 40, pause=0.2)
    wait_for(lambda: age(hung.url) > 2, 20, "the age of the commit to be told")
    wait_for(lambda: hung.ended() is not None, 40, f"the worker to leave; see {hung.log}")

    assert hung.ended() == STUCK
    assert "has committed nothing for" in hung.log.read_text()
    crew.start("sound")
    crew.settle()
    crew.assert_exact(skus)


def test_an_event_loop_that_does_not_turn_makes_the_worker_leave(crew: Site) -> None:
    """Nothing in the process answers then, /livez neither: the watchdog's thread sees it."""
    skus = crew.new_items("BLOCKED", 4)
    crew.start("hung", command=(HUNG, "blocked", "worker"), stuck_after_ms=LIMIT_MS)
    hung = crew.workers.pop("hung")
    assert answers(hung.url)
    os.kill(hung.pid, signal.SIGRTMIN)
    crew.scans(skus, 40, pause=0.2)
    wait_for(lambda: not answers(hung.url), 20, "/livez to answer no more")
    wait_for(lambda: hung.ended() is not None, 40, f"the worker to leave; see {hung.log}")

    assert hung.ended() == STUCK
    assert "the event loop has not turned" in hung.log.read_text()
    crew.start("sound")
    crew.settle()
    crew.assert_exact(skus)


def test_a_worker_that_cannot_join_leaves(crew: Site) -> None:
    """The client keeps such an error for whoever asks, and nobody does: the worker would stay, without partitions."""
    skus = crew.new_items("UNSYNCED", 4)
    crew.start("unsynced", command=(HUNG, "unsynced", "worker"), stuck_after_ms=LIMIT_MS)
    unsynced = crew.workers["unsynced"]
    os.kill(unsynced.pid, signal.SIGRTMIN)
    crew.start("sound", wait=False)
    wait_for(lambda: unsynced.ended() is not None, 40, f"the worker to leave; see {unsynced.log}")
    del crew.workers["unsynced"]

    assert unsynced.ended() == FAULT
    assert "joining the group" in unsynced.log.read_text()
    crew.await_ready()
    crew.scans(skus, 40)
    crew.settle()
    crew.assert_exact(skus)


def age(url: str) -> float:
    """What /metrics says of the oldest commit that input waits for."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("stockstream_commit_age_seconds "))


def answers(url: str) -> bool:
    """Whether /livez says that the process lives."""
    try:
        with urllib.request.urlopen(f"{url}/livez", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False

"""Each guard taken out by itself: the same account that holds for the product does not hold then.

A worker without a guard either publishes something wrong or finds its rows and the log at odds (exit code 76); both
count as seen. The same faults with the guard in place are what the other proofs are about.
"""

import os
import signal
import threading
from pathlib import Path

import pytest

from schemas.topics_admin import CHANGELOG
from tests.faults.conftest import MakeSite
from tests.faults.hurt_site import HurtSite
from tests.pipeline.site_under_test import SESSION_MS, wait_for

pytestmark = pytest.mark.stack
HERE = Path(__file__).parent
MUTATED = str(HERE / "mutated_worker.py")
DYING = (str(HERE.parent / "pipeline" / "dying_worker.py"), "worker")
DAMAGED = 76


def test_without_fencing_a_zombie_counts_twice(make_site: MakeSite) -> None:
    """Stopped past the session, others go on, SIGCONT."""
    site = make_site()
    skus = site.new_items("ZOMBIE", 10)
    fenceless = (MUTATED, "fenceless", "worker")
    site.start("sleeper", "other", command=fenceless)
    with site.load(skus, per_s=400):
        for _ in range(3):
            site.await_progress()
            frozen = site.workers["sleeper"].pid
            os.kill(frozen, signal.SIGRTMIN)
            wait_for(lambda pid=frozen: stopped(pid), 30, "the worker to stop between two transactions")
            threading.Event().wait(SESSION_MS / 1000 + 2)
            wait_for(lambda: site.workers["other"].state()[2] == [0, 1, 2, 3], 60, "the other to own every partition")
            site.await_progress()
            os.kill(frozen, signal.SIGCONT)
            threading.Event().wait(5)

    assert seen(site, skus)


def test_reading_uncommitted_counts_what_was_taken_back(make_site: MakeSite) -> None:
    """Workers die inside transactions: what they had sent is in the topics and must not be read."""
    site = make_site()
    skus = site.new_items("ABORTED", 10)
    with site.load(skus, per_s=200):
        for transactions in ("4", "8", "12"):
            os.environ["STOCKSTREAM_TEST_TRANSACTIONS"] = transactions
            site.start("dying", command=DYING, wait=False, restart=False)
            dying = site.workers["dying"]
            wait_for(lambda dying=dying: dying.ended() is not None, 60, "the worker to die in its transaction")
            site.stop_workers()
    site.start("mutated", command=(MUTATED, "uncommitted", "worker"), wait=False)

    assert seen(site, skus)


def test_offsets_beside_the_transaction_count_twice(make_site: MakeSite) -> None:
    """Killed between the rows and the offsets, as stock stream processors may be."""
    site = make_site()
    skus = site.new_items("BESIDE", 10)
    site.start("mutated", command=(MUTATED, "two-steps", "worker"), wait=False)
    with site.load(skus, per_s=200):
        wait_for(
            lambda: ("mutated", -signal.SIGKILL) in site.tended.left, 60, "the worker to die between its two steps"
        )
        threading.Event().wait(5)

    assert seen(site, skus)


def test_commits_past_a_refused_batch_lose_rows(make_site: MakeSite) -> None:
    """For a while the changelog takes only small rows: what is refused then is not in it when the worker starts again."""
    site = make_site()
    skus = site.new_items("PAST", 10)
    site.start("mutated", command=(MUTATED, "trusting", "worker"))
    changelog = f"{site.app}-inventory-changelog"
    with site.load(skus, per_s=200):
        site.await_progress()
        site.brokers.alter(changelog, "max.message.bytes", "200")
        site.await_progress()
        site.await_progress()
        site.brokers.alter(changelog, "max.message.bytes", CHANGELOG["max.message.bytes"])
    site.settle()
    site.stop_workers()

    assert seen(site, skus)


def stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def seen(site: HurtSite, skus: list[str]) -> list[str]:
    """What the account, or a worker's own check, says is wrong; a sound worker carries on where one was stopped."""
    if DAMAGED not in site.tended.codes():
        try:
            site.settle(60)
        except TimeoutError:
            wait_for(lambda: DAMAGED in site.tended.codes(), 5, "a worker to halt, if the log cannot be read on")
    if DAMAGED in site.tended.codes():
        return [f"a worker halted: {site.tended.left}"]
    return site.differences(skus)

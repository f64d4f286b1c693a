"""Whatever is killed, woken or moved, every scan counts once: in the snapshots, in the table and in the deltas."""

import os
import signal
import time
from pathlib import Path

import pytest
from site_under_test import SESSION_MS, Site, wait_for

from tests.reference_records import item

pytestmark = pytest.mark.stack
DYING = (str(Path(__file__).with_name("dying_worker.py")), "worker")


def test_a_worker_killed_inside_a_transaction_leaves_no_trace_of_it(crew: Site) -> None:
    """SIGKILL after rows, outputs and offsets are sent and before the commit, several times over."""
    skus = crew.new_items("TXN", 20)
    for transactions in (3, 1, 7):
        os.environ["STOCKSTREAM_TEST_TRANSACTIONS"] = str(transactions)
        crew.start("dying", command=DYING, wait=False)
        crew.scans(skus, 400, pause=0.02)
        dying = crew.workers.pop("dying")
        wait_for(lambda worker=dying: worker.ended() is not None, 40, "the worker to die in its transaction")
        assert dying.ended() == -signal.SIGKILL
    crew.start("sound")
    crew.settle()

    crew.assert_exact(skus)


@pytest.mark.long
def test_a_zombie_woken_after_its_partitions_moved_changes_nothing(crew: Site) -> None:
    """SIGSTOP past the session, work goes on elsewhere, SIGCONT: the broker fences the sleeper and it leaves."""
    skus = crew.new_items("ZOMBIE", 20)
    crew.start("sleeper", "other")
    crew.scans(skus, 600)
    sleeper = crew.workers["sleeper"]
    os.kill(sleeper.pid, signal.SIGSTOP)
    time.sleep(SESSION_MS / 1000 + 2)
    crew.scans(skus, 600)
    other = crew.workers["other"]
    wait_for(lambda: other.state()[2] == [0, 1, 2, 3], 60, "the other worker to own every partition")
    os.kill(sleeper.pid, signal.SIGCONT)
    crew.scans(skus, 600, pause=0.05)
    crew.settle()
    crew.stop_workers()
    crew.start("restarted")
    crew.settle()

    crew.assert_exact(skus)


@pytest.mark.long
def test_workers_join_and_leave_in_order_under_load(crew: Site) -> None:
    """A graceful join and leave moves partitions without a loss, a repeat or a fault."""
    skus = crew.new_items("JOIN", 20)
    crew.start("first")
    crew.scans(skus, 300)
    crew.start("second", wait=False)
    crew.scans(skus, 1_500, pause=0.05)
    crew.await_ready()
    crew.workers.pop("first").stop()
    crew.scans(skus, 800, pause=0.05)
    crew.settle()

    assert all(worker.ended() is None for worker in crew.workers.values())
    crew.assert_exact(skus)


@pytest.mark.long
def test_a_random_worker_killed_again_and_again_costs_nothing(crew: Site) -> None:
    """kill -9 of either worker, in recovery as well, under steady load."""
    skus = crew.new_items("KILL", 30)
    crew.start("one", "two")
    for name in ("one", "two", "one"):
        crew.scans(skus, 700, pause=0.04)
        crew.workers[name].kill()
        crew.scans(skus, 100, pause=0.04)
        crew.workers[name].start()
    crew.scans(skus, 300)
    crew.settle(90)

    crew.assert_exact(skus)


@pytest.mark.long
def test_a_running_worker_does_without_the_registry(crew: Site) -> None:
    """Ids are cached; a schema nobody can be asked about waits and enters when the registry is back."""
    skus = crew.new_items("REGISTRY", 10)
    crew.start("worker")
    crew.scans(skus, 100)
    crew.settle()
    crew.stack.stop_registry()
    try:
        crew.scans(skus, 500)
        unknown = b"\0\0\0\xff\xf0" + b"later"
        crew.send("warehouse.scans", skus[0], unknown)
        crew.producer.flush(10)
        crew.settle()
        parked = [e for e in crew.read("exceptions") if e["category"] == "SCHEMA_UNAVAILABLE"]

        assert [unknown] == [e["original"] for e in parked]
        crew.assert_exact(skus)
    finally:
        crew.stack.start_registry()
    wait_for(lambda: any(d["original"] == unknown for d in crew.read("dead-letters")), 30, "the record to be judged")


def test_poison_holds_up_nobody(crew: Site) -> None:
    """Undecodable, foreign, keyless and impossible records are each accounted for; their neighbours are exact."""
    skus = crew.new_items("POISON", 10)
    crew.start("worker")
    before = len(crew.read("dead-letters")), len(crew.read("exceptions"))
    for number in range(40):
        crew.scans(skus, 10)
        crew.send("warehouse.scans", skus[number % 10], b"\x07garbage")
        crew.send("warehouse.scans", skus[number % 10], b"\0\0\0\0\0")
        crew.send("warehouse.scans", None, crew.codec.encode("erp.items", item(f"P{number}")))
    crew.settle()

    assert len(crew.read("dead-letters")) - before[0] + len(crew.read("exceptions")) - before[1] == 120
    crew.assert_exact(skus)


@pytest.mark.long
def test_an_item_that_comes_late_lets_its_scans_in(crew: Site) -> None:
    """Scans of an unknown item wait, survive a restart, and count once when master data comes."""
    crew.start("worker")
    for _ in range(5):
        crew.scan("LATE-0000", "DC01", 3)
    crew.producer.flush(10)
    crew.settle()

    assert crew.on_hand(["LATE-0000"]) == {}
    crew.stop_workers()
    crew.start("worker")
    crew.new_items("LATE", 1)
    wait_for(lambda: crew.on_hand(["LATE-0000"]) == {"LATE-0000|DC01": 15}, 30, "the parked scans to enter")
    crew.settle()

    crew.assert_exact(["LATE-0000"])
    resolved = {r["exception_id"] for r in crew.read("exceptions.resolutions")}
    raised = {e["exception_id"] for e in crew.read("exceptions") if e["subject"]["id"].endswith("LATE-0000")}
    assert raised <= resolved


def test_the_same_event_sent_twice_counts_once_even_after_a_restart(crew: Site) -> None:
    """The window of event ids is part of the table."""
    skus = crew.new_items("TWICE", 3)
    crew.start("worker")
    record = crew.scan(skus[0], "DC01", 5)
    crew.settle()
    crew.send("warehouse.scans", skus[0], record)
    crew.stop_workers()
    crew.start("worker")
    crew.send("warehouse.scans", skus[0], record)
    crew.producer.flush(10)
    crew.settle()

    crew.assert_exact(skus)

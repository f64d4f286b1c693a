"""Three brokers, every topic on all of them, two copies needed: what one of them, or two, going away costs."""

import threading

import pytest

from tests.faults.conftest import MakeSite
from tests.pipeline.site_under_test import wait_for

pytestmark = pytest.mark.stack


def test_leaders_and_coordinators_killed_one_after_the_other(make_site: MakeSite) -> None:
    """SIGKILL of whoever leads the ledger, coordinates a partition's transactions, or the group, under load."""
    site = make_site(count=3)
    brokers = site.brokers
    skus = site.new_items("LEAD", 20)
    site.start("one", "two")
    with site.load(skus, per_s=100):
        for victim in (
            lambda: brokers.leader("inventory.ledger"),
            lambda: brokers.coordinator(f"{site.app}-1", "__transaction_state"),
            lambda: brokers.coordinator(site.app, "__consumer_offsets"),
        ):
            site.await_progress()
            node = victim()
            brokers.down(node, kill=True)
            site.await_progress()
            brokers.up(node)
            brokers.await_in_sync()

    site.assert_whole(skus)


def test_a_rolling_restart_of_all_brokers(make_site: MakeSite) -> None:
    """Each in turn stopped in order and started, as an upgrade does it, under load."""
    site = make_site(count=3)
    skus = site.new_items("ROLL", 20)
    site.start("one", "two")
    with site.load(skus, per_s=100):
        for node in (1, 2, 3):
            site.await_progress()
            site.brokers.down(node, kill=False)
            site.await_progress()
            site.brokers.up(node)
            site.brokers.await_in_sync()

    site.assert_whole(skus)


def test_two_of_three_brokers_lost_and_back(make_site: MakeSite) -> None:
    """Without two copies nothing is written; when they are back workers and view go on where they were."""
    site = make_site("three", count=3)
    skus = site.new_items("TWO", 20)
    site.start("one", "two")
    site.edge("redis-view", ("connect", "redis"), "STOCKSTREAM_VIEW_HTTP_PORT")
    with site.load(skus, per_s=100):
        site.await_progress()
        for node in (1, 2):
            site.brokers.down(node, kill=True)
        threading.Event().wait(15)
        site.brokers.up(1, 2)
        site.brokers.await_in_sync()
        site.await_progress()

    site.assert_whole(skus)
    wait_for(lambda: site.in_view(skus) == site.account(skus), 60, "the view to show the account")

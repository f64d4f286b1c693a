"""A worker that cannot reach the broker any more, and then can again, long after others took over its work."""

import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from local.processes import pick_port
from tests.faults.conftest import MakeSite
from tests.faults.link import OURS, Link
from tests.pipeline.site_under_test import wait_for

pytestmark = pytest.mark.stack
INSIDE = str(Path(__file__).with_name("in_namespace.py"))


@pytest.fixture
def link() -> Iterator[Link]:
    if not Link.possible():
        pytest.skip("needs root and iproute2, to make network namespaces")
    link = Link()
    yield link
    link.close()


@pytest.mark.parametrize("cut_s", [4, 15, 45])
def test_a_worker_cut_off_from_the_broker_changes_nothing_when_it_is_back(
    make_site: MakeSite, link: Link, cut_s: int
) -> None:
    """Shorter than the session, longer, and longer than the watchdog waits: what the sleeper still sends is fenced."""
    port = pick_port(set())
    site = make_site(also=(OURS, port))
    registry = urlsplit(site.brokers.registry_url)
    link.forward(registry.port or 80)
    skus = site.new_items("CUT", 20)
    site.start(
        "cut",
        command=(INSIDE, link.namespace, "worker"),
        wait=False,
        bootstrap=f"{OURS}:{port}",
        registry=site.brokers.registry_url.replace(registry.hostname or "", OURS),
    )
    with site.load(skus, per_s=100):
        site.await_progress()
        site.start("other", wait=False)
        other = site.workers["other"]
        wait_for(lambda: len(other.state()[2]) == 2, 60, "both workers to have partitions")
        site.await_progress()
        link.cut()
        threading.Event().wait(cut_s)
        if cut_s > 10:
            wait_for(lambda: other.state()[2] == [0, 1, 2, 3], 60, "the other worker to own every partition")
        link.heal()
        wait_for(lambda: len(other.state()[2]) == 2, 120, "the worker that was cut off to work again")
        site.await_progress()

    site.assert_whole(skus)
    if cut_s > 10:
        assert "cut" in dict(site.tended.left), "a worker that was cut off for longer than its session has to leave"

"""A broker that is killed under load, and comes back: nothing is lost, nothing counts twice."""

import os
import signal
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from local.stack import LocalStack
from local.supervised import Supervised, await_all
from local.worker_process import COMMAND
from schemas.exit_codes import FAULT, STUCK
from tests.connectors.erp_site import Erp
from tests.faults.conftest import MakeSite
from tests.pipeline.site_under_test import ROOT, wait_for

pytestmark = pytest.mark.stack
LIMIT_MS = 6_000


def test_one_broker_killed_again_and_again(make_site: MakeSite) -> None:
    """SIGKILL of the only broker, back at once, after 3 s and after 20 s: two workers go on or start again, exactly."""
    site = make_site()
    skus = site.new_items("BROKER", 20)
    site.start("one", "two")
    with site.load(skus):
        for away_s in (0, 3, 20):
            site.await_progress()
            site.brokers.down(kill=True)
            threading.Event().wait(away_s)
            site.brokers.up()
        site.await_progress()

    site.assert_whole(skus)


@pytest.mark.parametrize("frozen", [True, False], ids=["frozen", "killed"])
def test_a_broker_away_for_longer_than_the_watchdog_waits_is_waited_for(make_site: MakeSite, *, frozen: bool) -> None:
    """With transactions under way all the time: a new start would find no broker, so the worker stays until it is back."""
    site = make_site()
    skus = site.new_items("AWAY", 20)
    site.start("one", stuck_after_ms=LIMIT_MS)
    with site.load(skus):
        site.await_progress()
        if frozen:
            os.kill(site.brokers.pids[1], signal.SIGSTOP)
        else:
            site.brokers.down(kill=True)
        threading.Event().wait(20)
        left, said = list(site.tended.left), site.workers["one"].log.read_text()
        if frozen:
            os.kill(site.brokers.pids[1], signal.SIGCONT)
        else:
            site.brokers.up()
        site.await_progress()

    assert left == []
    assert "the broker takes no transactions, it is waited for" in said
    assert site.tended.codes() <= {FAULT}, f"left with {site.tended.left}"
    site.assert_whole(skus)


def test_a_broker_away_while_a_worker_recovers_is_no_damage(make_site: MakeSite) -> None:
    """Killed as a worker starts, away for 45 s: whatever the worker leaves with asks for a new start, never for a look."""
    site = make_site()
    skus = site.new_items("START", 10)
    site.start("one")
    with site.load(skus, per_s=100):
        site.await_progress()
        worker = site.workers["one"]
        site.hit("one")
        wait_for(lambda: worker.state()[1].startswith("recovering"), 60, "the worker to recover")
        site.brokers.down(kill=True)
        threading.Event().wait(45)
        site.brokers.up()
        site.await_progress()

    site.assert_whole(skus)


def test_a_worker_that_finds_no_broker_asks_for_a_new_start(around: LocalStack, tmp_path: Path) -> None:
    """Started while the broker is away it leaves with 75, as for any fault that another start may find gone."""
    settings = {"STOCKSTREAM_BOOTSTRAP": "127.0.0.1:1", "STOCKSTREAM_REGISTRY": around.registry_url}
    settings["STOCKSTREAM_CHANNELS"] = str(ROOT / "channels.yaml")
    worker = Supervised("worker", COMMAND, settings, tmp_path)
    worker.start()
    wait_for(lambda: worker.ended() is not None, 60, f"the worker to leave; see {worker.log}")

    assert worker.ended() == FAULT


@pytest.mark.parametrize("frozen", [True, False], ids=["frozen", "killed"])
def test_a_connector_whose_broker_is_away_is_alive(make_site: MakeSite, *, frozen: bool) -> None:
    """Away for longer than a process may stand still: no /livez tells of a standstill, and nobody leaves with 74."""
    site = make_site("waiting")
    (site.directory / "subscriptions.yaml").write_text("subscriptions: {}\n")
    edges = [
        site.edge(name, command, f"STOCKSTREAM_{edge}_HTTP_PORT", stuck_after_ms=LIMIT_MS, **settings)
        for name, command, edge, settings in (
            ("redis-view", ("connect", "redis"), "VIEW", {}),
            ("erp-connector", ("connect", "erp"), "ERP", {"erp_url": "http://127.0.0.1:1/erp"}),
            (
                "webhooks",
                ("connect", "webhooks"),
                "COMMERCE",
                {"commerce_subscriptions": site.directory / "subscriptions.yaml"},
            ),
            ("shop", ("connect", "shop"), "COMMERCE", {"commerce_shop_url": "http://127.0.0.1:1"}),
        )
    ]
    if frozen:
        os.kill(site.brokers.pids[1], signal.SIGSTOP)
    else:
        site.brokers.down(kill=True)
    said, end = set[str](), time.monotonic() + 10 * LIMIT_MS / 1000
    while time.monotonic() < end:
        said |= {f"{edge.name}: {words}" for edge in edges if (words := livez(edge)).startswith("stuck")}
        time.sleep(0.3)
    if frozen:
        os.kill(site.brokers.pids[1], signal.SIGCONT)
    else:
        site.brokers.up()
    await_all(edges, 120)

    assert said == set()
    assert STUCK not in site.tended.codes(), f"left with {site.tended.left}"


def livez(process: Supervised) -> str:
    """What it says of its life; empty where nothing answers."""
    try:
        with urllib.request.urlopen(f"{process.url}/livez", timeout=5) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        return error.read().decode()
    except OSError:
        return ""


def test_connectors_go_on_where_the_broker_left_them(make_site: MakeSite) -> None:
    """Redis view and ERP connector over a killed broker: each posting is in the ERP once and in order, the view is whole."""
    site = make_site("edges")
    erp = Erp("erp", site.directory).up()
    try:
        skus = site.new_items("EDGE", 10)
        site.start("one")
        site.edge("redis-view", ("connect", "redis"), "STOCKSTREAM_VIEW_HTTP_PORT")
        site.edge(
            "erp-connector", ("connect", "erp"), "STOCKSTREAM_ERP_HTTP_PORT", erp_url=erp.service, erp_rate=5_000,
            erp_session_timeout_ms=6_000,
        )  # fmt: skip
        with site.load(skus, per_s=100):
            for away_s in (0, 10):
                site.await_progress()
                site.brokers.down(kill=True)
                threading.Event().wait(away_s)
                site.brokers.up()
            site.await_progress()
        site.assert_whole(skus)
        expected = site.postings()
        wait_for(lambda: sum(map(len, erp.state()["documents"].values())) >= sum(map(len, expected.values())), 120, "the ERP to have every posting")  # fmt: skip
        account = site.account(skus)
        wait_for(lambda: site.in_view(skus) == account, 60, "the view to show the account")

        assert erp.state()["documents"] == expected
    finally:
        erp.stop()

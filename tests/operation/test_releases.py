"""A new release comes in: rolling under load with the API answering throughout, or by a stop where it reads more topics."""

import threading
import time
import urllib.error
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from business import DAY, Business, doubled
from next_release import ADDED
from run_site import RunSite, until

from local.proof import check_chain, check_documents, check_erp_stock, check_posted, compare
from local.stack import LocalStack
from tests.connectors.erp_site import Erp

pytestmark = pytest.mark.stack
HERE = Path(__file__).parent
NEXT, WIDER = (str(HERE / "next_release.py"),), (str(HERE / "wider_release.py"),)


class Running(NamedTuple):
    site: RunSite
    business: Business
    erp: Erp

    @property
    def where(self) -> tuple[str, str]:
        return self.site.stack.bootstrap, self.site.stack.registry_url

    def send(self, count: int | None = None) -> None:
        self.business.send(*self.where, count)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A site of today's release at work, its business half told."""
    at = tmp_path_factory.mktemp("releases")
    with ExitStack() as open_things:
        business = Business(at, events=20_000, days=5)
        open_things.callback(business.clock.close)
        stack = open_things.enter_context(LocalStack(at / "stack"))
        site = RunSite(stack, at / "site", "rolling", partitions=4, clock=business.clock_setting)
        open_things.callback(site.close)
        site.set_up()
        erp = Erp("erp", at)
        open_things.callback(erp.stop)
        erp.up()
        business.introduce(stack.bootstrap, stack.registry_url)
        site.start_workers("old-1", "old-2")
        site.start_erp_connector(erp.service, "old-erp")
        site.start_view("old-view")
        site.start_api("old-api")
        yield Running(site, business, erp)


class Caller:
    """Somebody who asks the API for promises without end, one SKU after the other, and keeps what it was told."""

    def __init__(self, site: RunSite, skus: list[str]) -> None:
        self._site, self._skus, self._stop = site, skus, threading.Event()
        self.answers = 0
        self.failed: list[str] = []
        self.as_of: dict[str, int] = {}
        """By position, as last told."""

    def _run(self) -> None:
        while not self._stop.is_set():
            sku = self._skus[self.answers % len(self._skus)]
            try:
                for position in self._site.asked(sku)["positions"]:
                    self.as_of[f"{sku}|{position['location']}"] = position["as_of"]
            except urllib.error.HTTPError as error:
                self.failed.append(f"{time.strftime('%X')} {self._site.api_url}: {error.code} {error.read().decode()}")
            except Exception as error:  # noqa: BLE001 - any failure is what the test looks for
                self.failed.append(f"{time.strftime('%X')} {self._site.api_url}: {error!r}")
            self.answers += 1
            time.sleep(0.02)

    @contextmanager
    def asking(self) -> Iterator[None]:
        thread = threading.Thread(target=self._run, name="caller")
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join(30)


def assert_exact(running: Running) -> None:
    """Positions, the chain of deltas, the ERP's documents and stock: all as the judge says, each posting once."""
    site, held, answer = running.site, running.erp.state(), running.business.judged()
    reports = [
        compare(answer, site.snapshots(), running.business.clock.now // DAY),
        check_chain("deltas", site.read("availability.deltas"), "atp"),
        check_posted(site.read("erp.postings"), held),
        check_documents(answer, held),
        check_erp_stock(answer, held),
    ]
    assert [report for report in reports if not report.exact] == []
    assert doubled(held) == []


def test_a_release_rolls_in_under_load_and_no_request_fails(running: Running) -> None:
    """The page's order: schemas, topics, workers (all new ones first), view and API, connectors."""
    site, business = running.site, running.business
    running.send(800)
    site.settle()
    caller = Caller(site, sorted({key.partition("|")[0] for key in site.snapshots()}))
    with caller.asking():
        with business.under_load(*running.where):
            site.command("schemas", "check", release=NEXT)
            site.command("schemas", "register", release=NEXT)
            site.command("topics", "apply", release=NEXT)
            site.start_workers("new-1", "new-2", release=NEXT)
            old = [site.workers[name] for name in ("old-1", "old-2")]
            site.stop_workers("old-1", "old-2")
            assert [worker.restarts for worker in (*old, *site.workers.values())] == [0] * 4
            until("the new workers to have all", lambda: sum(len(w.state()[2]) for w in site.workers.values()) == 4)
            told = dict(caller.as_of)
            site.start_view("new-view", release=NEXT)
            site.stop_edge("old-view")
            site.start_api("new-api", release=NEXT)
            site.stop_edge("old-api")
            site.start_erp_connector(running.erp.service, "new-erp", release=NEXT)
            site.stop_edge("old-erp")
            until("promises to move on", lambda: any(at > told[key] for key, at in caller.as_of.items() if key in told))
        site.settle(erp=True)

    assert caller.failed == []
    assert caller.answers > 100
    assert {each.get(ADDED) for _, each in site.read("availability.deltas")} == {None, "next"}
    site.command("view", "status")
    site.command("schemas", "check")


def test_the_way_back_is_the_same_way(running: Running) -> None:
    """Rolled back under load: the older release reads what the newer one wrote, rows and records."""
    site = running.site
    with running.business.under_load(*running.where):
        site.start_workers("back-1", "back-2")
        site.stop_workers("new-1", "new-2")
        site.start_view("back-view")
        site.stop_edge("new-view")
        site.start_api("back-api")
        site.stop_edge("new-api")
        site.start_erp_connector(running.erp.service, "back-erp")
        site.stop_edge("new-erp")
    site.settle(erp=True)

    assert all(process.restarts == 0 for process in (*site.workers.values(), *site.edges.values()))


def test_a_release_that_reads_one_topic_more_comes_by_a_stop(running: Running) -> None:
    """Beside the old ones it is given half of a partition and leaves with 75, naming it; stop all, start all is exact."""
    site = running.site
    running.send(300)
    site.start_workers("wider", wait=False, release=WIDER)
    everybody = dict(site.workers)
    who = until("a worker to leave", lambda: [w for w in everybody.values() if w.ended() is not None])
    assert {worker.ended() for worker in who} == {75}
    assert any("was assigned without" in worker.log.read_text() for worker in everybody.values())
    site.stop_workers()

    site.start_workers("wider-1", "wider-2", release=WIDER)
    running.send(500)
    running.business.close_the_books()
    site.settle(erp=True)

    assert_exact(running)
    _fewer(running)


def _fewer(running: Running) -> None:
    """Stopped again, the old release goes on where the wider one ended."""
    site = running.site
    site.stop_workers()
    site.start_workers("narrow")
    site.settle(erp=True)

    assert_exact(running)

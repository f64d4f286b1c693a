"""Redis emptied and replaced, the registry lost and brought back with its ids: what the disasters page promises."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

import pytest
import redis
from business import DAY, Business
from run_site import RunSite, until

from local.proof import check_chain, compare
from local.stack import LocalStack
from schemas import registry

pytestmark = pytest.mark.stack


class Running(NamedTuple):
    site: RunSite
    business: Business
    stack: LocalStack

    def send(self, count: int) -> None:
        self.business.send(self.stack.bootstrap, self.stack.registry_url, count)

    def told(self) -> dict[str, Any]:
        """On hand by position, as the API says of every SKU that has one."""
        skus = {key.partition("|")[0] for key in self.site.snapshots()}
        found = {}
        for sku in skus:
            for position in self.site.asked(sku)["positions"]:
                found[f"{sku}|{position['location']}"] = position["on_hand"]
        return found

    def known(self) -> dict[str, Any]:
        return {key: each["on_hand"] for key, each in self.site.snapshots().items()}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A site at work with a few hundred events told."""
    at = tmp_path_factory.mktemp("lost-parts")
    with ExitStack() as open_things:
        business = Business(at, seed=23, events=6_000)
        open_things.callback(business.clock.close)
        stack = open_things.enter_context(LocalStack(at / "stack"))
        site = RunSite(stack, at / "site", "parts", clock=business.clock_setting)
        open_things.callback(site.close)
        site.set_up()
        business.introduce(stack.bootstrap, stack.registry_url)
        site.start_workers("worker")
        site.start_view()
        site.start_api()
        it = Running(site, business, stack)
        it.send(600)
        site.settle()
        yield it


def as_told(running: Running) -> None:
    """Wait until the API says of every position what the snapshots say."""
    running.site.settle()

    def agree() -> bool:
        code, _, _ = running.site.command("view", "status", ok=(0, 1))
        return code == 0 and running.told() == running.known()

    until("the API to say what the snapshots say", agree)


def test_an_emptied_redis_is_built_again_by_itself(running: Running) -> None:
    """FLUSHALL while facts come in: nothing to do, and nothing is lost."""
    as_told(running)
    redis.Redis.from_url(running.stack.redis_url).flushall()
    running.send(200)

    as_told(running)


def test_a_redis_that_is_replaced_is_built_again_by_itself(running: Running) -> None:
    """Killed, its files gone, started empty at its address."""
    running.stack.stop_redis(kill=True)
    running.send(200)
    for path in running.stack.directory.rglob("*"):
        if path.suffix in (".rdb", ".aof"):
            path.unlink()
    running.stack.start_redis()

    as_told(running)


def test_a_registry_that_is_lost_comes_back_with_its_ids_or_not_at_all(running: Running) -> None:
    """Processes at work do without. An empty one is not registered into; from its storage it knows every id again."""
    site, stack = running.site, running.stack
    topics = ["warehouse.scans", "inventory.ledger", "availability.snapshots"]
    before = registry.ids(stack.registry_url, topics)
    storage, copy = stack.directory / "data", running.site.directory / "copy"
    stack.stop_registry()
    copy.mkdir()
    kept = [path for path in storage.iterdir() if path.name.startswith("registry")]
    for path in kept:
        shutil.move(path, copy / path.name)
    as_told(running)

    stack.start_registry()
    _, _, said = site.command("schemas", "register", ok=(1,))
    assert "the registry knows none of our subjects, but" in said
    stack.stop_registry()
    for path in kept:
        path.unlink(missing_ok=True)
        shutil.move(copy / path.name, path)
    stack.start_registry()

    assert before == registry.ids(stack.registry_url, topics)
    site.command("schemas", "check")
    site.command("schemas", "register")
    site.stop_workers()
    site.start_workers("again")
    site.stop_edge("redis-view")
    site.start_view("view-again")
    running.send(200)
    as_told(running)


def test_after_all_of_it_every_position_is_exact(running: Running) -> None:
    """As the judge says, and no delta was lost or repeated."""
    running.business.close_the_books()
    as_told(running)
    site = running.site
    reports = [
        compare(running.business.judged(), site.snapshots(), running.business.clock.now // DAY),
        check_chain("deltas", site.read("availability.deltas"), "atp"),
    ]
    assert [report for report in reports if not report.exact] == []

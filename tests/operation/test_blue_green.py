"""A second site beside the first: fed by `mirror`, compared, and given the ERP by `handover`, everything posted once."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import orjson
import pytest
from business import Business, doubled
from run_site import RunSite, until

from local.proof import check_chain, check_documents, check_erp_stock, compare
from local.stack import LocalStack
from local.supervised import Supervised
from tests.connectors.erp_site import Erp

pytestmark = pytest.mark.stack
DAY = 86_400_000


class Pair(NamedTuple):
    blue: RunSite
    green: RunSite
    business: Business
    erp: Erp
    at: Path


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Blue at work with the ERP, green prepared with nothing running; the registry is blue's, as the page has it."""
    at = tmp_path_factory.mktemp("two-sites")
    with ExitStack() as running:
        business = Business(at)
        running.callback(business.clock.close)
        first = running.enter_context(LocalStack(at / "first"))
        second = running.enter_context(LocalStack(at / "second", registry=first.registry_url, redis=first.redis_url))
        blue = RunSite(first, at / "blue", "blue", clock=business.clock_setting)
        green = RunSite(second, at / "green", "green", clock=business.clock_setting, erp_epoch="green")
        for site in (blue, green):
            running.callback(site.close)
            site.set_up()
        erp = Erp("erp", at)
        running.callback(erp.stop)
        erp.up().faults(invoice_needs_delivery=True)
        yield Pair(blue, green, business, erp, at)


def test_green_takes_over_and_everything_is_posted_once(pair: Pair) -> None:
    """Half a business's days at blue, the rest at green: positions, documents and stock in the ERP as the judge says."""
    blue, green, business, erp, at = pair
    blue.start_workers("blue-1")
    blue.start_erp_connector(erp.service)
    blue.start_view()
    blue.start_api()
    where = blue.stack.bootstrap, blue.stack.registry_url
    business.introduce(*where)
    business.send(*where, 1_000)

    green.start_workers("green-1")
    mirror = Supervised("mirror", ("-m", "cli.main", "mirror", str(green.env_file())), blue.environment, at)
    mirror.start()
    business.send(*where, 800)
    blue.settle(erp=True)

    _, _, said = blue.command("handover", green.env_file(), "--finish", ok=(1,))
    assert "the ERP connector of blue runs" in said
    assert mirror.ended() is None
    mirror.stop()
    blue.command("mirror", green.env_file(), "--once")
    green.settle()
    blue.command("compare", green.env_file())
    before = erp.state()["postings"]
    blue.stop_edge("erp-connector")
    _, said, _ = blue.command("handover", green.env_file(), "--finish", "--json")

    told = orjson.loads(said)
    assert told["finished"]
    assert told["answered"] > 50
    blue.stop_workers()
    green.start_erp_connector(erp.service)
    green.start_view()
    green.start_api()
    green.settle(erp=True)
    assert erp.state()["postings"] == before

    business.send(green.stack.bootstrap, green.stack.registry_url)
    business.close_the_books()
    green.settle(erp=True)
    answer, held = business.judged(), erp.state()
    today = business.clock.now // DAY
    found = green.snapshots()
    reports = [compare(answer, found, today), check_documents(answer, held), check_erp_stock(answer, held)]
    reports.append(check_chain("deltas", green.read("availability.deltas"), "atp"))
    assert [report for report in reports if not report.exact] == []
    assert held["duplicates_attempted"] == {}
    assert doubled(held) == []
    assert any(key.endswith("@green") for keys in held["documents"].values() for key in keys)
    sku = next(iter(found)).partition("|")[0]
    positions = {key: each["on_hand"] for key, each in found.items() if key.startswith(f"{sku}|")}
    until("green's API to say it", lambda: {
        f"{sku}|{p['location']}": p["on_hand"] for p in green.asked(sku)["positions"]} == positions)  # fmt: skip

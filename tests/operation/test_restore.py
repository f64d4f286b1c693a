"""A cluster that is lost, restored from a copy of its volumes: nothing counts twice, nothing is posted twice."""

import shutil
from contextlib import ExitStack
from pathlib import Path

import pytest
from business import DAY, Business, doubled
from run_site import RunSite, until

from local.proof import check_chain, check_documents, check_erp_stock, check_posted, compare
from local.stack import LocalStack
from tests.connectors.erp_site import Erp

pytestmark = pytest.mark.stack


def test_a_site_goes_on_from_a_copy_of_its_brokers_volumes(tmp_path: Path) -> None:
    """Power fails in the middle of the work; the copy starts elsewhere with an empty Redis, and the ERP is the old one."""
    with ExitStack() as running:
        business = Business(tmp_path, seed=17, events=2_500)
        running.callback(business.clock.close)
        erp = Erp("erp", tmp_path)
        running.callback(erp.stop)
        erp.up().faults(invoice_needs_delivery=True)

        lost = LocalStack(tmp_path / "lost", need_redis=False)
        running.callback(lost.stop)
        lost.start()
        before = RunSite(lost, tmp_path / "before", "kept", clock=business.clock_setting)
        running.callback(before.close)
        before.set_up()
        before.start_workers("before-1", "before-2")
        before.start_erp_connector(erp.service)
        business.introduce(lost.bootstrap, lost.registry_url)
        business.send(lost.bootstrap, lost.registry_url, 1_000)
        until("postings in the ERP", lambda: erp.state()["postings"] > 50)
        for process in (*before.workers.values(), *before.edges.values()):
            process.kill()
        lost.stop_broker(kill=True)
        lost.stop()
        shutil.copytree(tmp_path / "lost", tmp_path / "copy")
        shutil.rmtree(tmp_path / "lost")

        stack = running.enter_context(LocalStack(tmp_path / "copy"))
        site = RunSite(stack, tmp_path / "after", "kept", clock=business.clock_setting)
        running.callback(site.close)
        site.command("schemas", "check")
        _, said, _ = site.command("topics", "apply")
        assert "all as they should be" in said
        site.start_workers("after-1", "after-2")
        site.start_view()
        site.start_api()
        site.start_erp_connector(erp.service)
        site.settle(erp=True)
        site.command("view", "status")
        business.send(stack.bootstrap, stack.registry_url)
        business.close_the_books()
        site.settle(erp=True)

        answer, held, found = business.judged(), erp.state(), site.snapshots()
        reports = [
            compare(answer, found, business.clock.now // DAY),
            check_chain("deltas", site.read("availability.deltas"), "atp"),
            check_posted(site.read("erp.postings"), held),
            check_documents(answer, held),
            check_erp_stock(answer, held),
        ]
        assert [report for report in reports if not report.exact] == []
        assert doubled(held) == []
        sku = next(iter(found)).partition("|")[0]
        until("the API", lambda: {p["location"]: p["on_hand"] for p in site.asked(sku)["positions"]} == {
            key.partition("|")[2]: each["on_hand"] for key, each in found.items() if key.startswith(f"{sku}|")})  # fmt: skip
        assert all(process.restarts == 0 for process in site.workers.values())

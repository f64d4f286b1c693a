"""More partitions: a site with another count is fed the same facts, compared, and takes over; all by the page's commands."""

from contextlib import ExitStack
from pathlib import Path

import orjson
import pytest
from business import DAY, Business, doubled
from run_site import RunSite

from local.proof import check_chain, check_documents, check_erp_stock, compare
from local.stack import LocalStack
from tests.connectors.erp_site import Erp

pytestmark = pytest.mark.stack


def test_three_partitions_become_five_and_nothing_counts_twice(tmp_path: Path) -> None:
    """The facts are copied by key, positions compare equal, the ERP is handed over, business goes on."""
    with ExitStack() as running:
        business = Business(tmp_path, seed=11, events=2_500)
        running.callback(business.clock.close)
        first = running.enter_context(LocalStack(tmp_path / "first", need_redis=False))
        second = running.enter_context(
            LocalStack(tmp_path / "second", registry=first.registry_url, need_redis=False)
        )  # fmt: skip
        small = RunSite(first, tmp_path / "small", "small", partitions=3, clock=business.clock_setting)
        large = RunSite(
            second, tmp_path / "large", "large", partitions=5, clock=business.clock_setting, erp_epoch="large"
        )
        for site in (small, large):
            running.callback(site.close)
            site.set_up()
        erp = Erp("erp", tmp_path)
        running.callback(erp.stop)
        erp.up()
        small.start_workers("small-1")
        small.start_erp_connector(erp.service)
        business.introduce(first.bootstrap, first.registry_url)
        business.send(first.bootstrap, first.registry_url, 1_200)
        small.settle(erp=True)
        _, _, refused = RunSite(first, tmp_path / "no", "small", partitions=5).command("topics", "apply", ok=(1,))
        assert "3 partitions, wanted 5" in refused

        large.start_workers("large-1", "large-2")
        small.command("mirror", large.env_file(), "--once")
        large.settle()
        small.command("compare", large.env_file())
        _, said, _ = small.command("handover", large.env_file(), "--json", ok=(1,))
        early = orjson.loads(said)
        assert early["answered"] > 50
        assert {"INVOICE_RELEASE"} <= {each["step"] for each in early["differences"]}, "invoices follow deliveries"
        large.settle()
        small.stop_edge("erp-connector")
        _, said, _ = small.command("handover", large.env_file(), "--finish", "--json")
        assert orjson.loads(said)["finished"]
        _, _, again = small.command("handover", large.env_file(), "--finish", ok=(2,))
        assert "large has the ERP already" in again
        small.stop_workers()

        large.start_erp_connector(erp.service)
        business.send(second.bootstrap, second.registry_url)
        business.close_the_books()
        large.settle(erp=True)
        answer, held = business.judged(), erp.state()
        reports = [
            compare(answer, large.snapshots(), business.clock.now // DAY),
            check_chain("deltas", large.read("availability.deltas"), "atp"),
            check_documents(answer, held),
            check_erp_stock(answer, held),
        ]
        assert [report for report in reports if not report.exact] == []
        assert (doubled(held), held["duplicates_attempted"]) == ([], {})

"""A topic that takes only small records for a while: the worker says so and leaves, and goes on when it takes all again."""

import pytest

from schemas.exit_codes import FAULT
from schemas.topics_admin import CHANGELOG
from tests.faults.conftest import MakeSite
from tests.pipeline.site_under_test import wait_for

pytestmark = pytest.mark.stack
LIMIT = "max.message.bytes"


@pytest.mark.parametrize("tight", ["changelog of positions", "ledger"])
def test_a_refused_batch_stops_its_partition_and_nothing_is_lost(make_site: MakeSite, tight: str) -> None:
    """Rows, or ledger entries, are refused under load: 75 at each start, until the limit is raised; then all is exact."""
    site = make_site()
    skus = site.new_items("TIGHT", 10)
    topic = f"{site.app}-inventory-changelog" if tight.startswith("changelog") else "inventory.ledger"
    site.start("one")
    log = site.workers["one"].log
    with site.load(skus, per_s=100):
        site.await_progress()
        site.brokers.alter(topic, LIMIT, "200")
        wait_for(lambda: len(site.tended.left) >= 2, 90, f"the worker to leave, and to leave again; see {log}")
        site.brokers.alter(topic, LIMIT, CHANGELOG[LIMIT])
        site.await_progress()

    site.assert_whole(skus)
    assert site.tended.codes() == {FAULT}
    told = log.read_text()
    assert f"for {topic}[" in told
    assert "MessageSizeTooLargeError" in told
    assert f"--set {LIMIT}=BYTES" in told

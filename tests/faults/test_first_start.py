"""A new site: partitions move while nothing of them was ever committed."""

import os
import signal

import pytest

from tests.faults.conftest import MakeSite
from tests.pipeline.site_under_test import wait_for

pytestmark = pytest.mark.stack


@pytest.mark.parametrize("end", [signal.SIGSTOP, signal.SIGKILL], ids=["frozen", "killed"])
def test_the_first_scans_are_read_by_whoever_gets_their_partitions(make_site: MakeSite, end: signal.Signals) -> None:
    """One of two workers sees none of the first scans; the other, at work on its own, takes over all of them."""
    site = make_site()
    skus = site.new_items("FIRST", 40)
    site.start("taking", "gone", restart=False)
    site.settle()
    taking, gone = site.workers["taking"], site.workers["gone"]
    assert len(taking.state()[2]) == 2
    os.kill(gone.pid, end)
    with site.load(skus, per_s=400):
        wait_for(lambda: taking.state()[2] == [0, 1, 2, 3], 60, "one worker to own every partition")
    if end is signal.SIGSTOP:
        os.kill(gone.pid, signal.SIGCONT)

    site.assert_whole(skus)

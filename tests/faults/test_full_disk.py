"""A broker whose disk is full: it dies, the workers lose nothing, and all goes on when there is room."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.conftest import MakeSite
from tests.pipeline.site_under_test import wait_for

pytestmark = pytest.mark.stack
DISK_MB = 192
LEFT_BYTES = 3 << 20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system of the broker's own, in memory."""
    place = tmp_path / "broker-1" / "data" / "kafka"
    place.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "faults", str(place)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs root, to mount a small file system")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True, timeout=30)


def test_a_full_disk_stops_the_broker_and_costs_nothing(disk: Path, make_site: MakeSite) -> None:
    """Filled but for 3 MB under load until the broker gives up; emptied; the account holds."""
    site = make_site()
    skus = site.new_items("DISK", 20)
    site.start("one", "two")
    with site.load(skus):
        site.await_progress()
        room = os.statvfs(disk)
        filler = disk / "filler"
        with filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, room.f_bavail * room.f_frsize - LEFT_BYTES))
        wait_for(lambda: site.brokers.ended() is not None, 120, "the broker to give up on its full disk")
        filler.unlink()
        site.brokers.up()
        site.await_progress()

    site.assert_whole(skus)

"""The Redis view on a real Kafka and a real Redis: what readers find there, whatever came in which order."""

from collections.abc import Iterator

import pytest
from view_under_test import ViewUnderTest, names

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def view(stack, tmp_path_factory) -> Iterator[ViewUnderTest]:
    """One instance that all tests of this file share."""
    view = ViewUnderTest(stack, tmp_path_factory.mktemp("view"), stack.redis_url)
    try:
        view.start("one")
        yield view
    finally:
        view.close()


def test_a_position_reads_as_its_newest_record(view):
    """Every field of the newest record of each location is there, as JSON."""
    (sku,) = names("POS", 1)
    for revision in (1, 2, 3):
        newest = view.snapshot(sku, "DC01", revision)
    other = view.snapshot(sku, "DC02", 7)
    view.await_marker(sku)

    assert newest == view.position(sku, "DC01")
    assert other == view.position(sku, "DC02")

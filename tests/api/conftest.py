"""One filled view and one API for the tests that only read."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.api_site import Api, Site


@pytest.fixture(scope="module")
def site(stack: Any, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A site of the module's own; DC01 is heard of, DC02 is stale."""
    made = Site(stack, tmp_path_factory.mktemp("api"))
    made.live()
    made.feed("DC01", "FRESH")
    made.feed("DC02", "STALE")
    made.feed("DC03", "LATE")
    for number in range(5):
        sku = f"S-{number}"
        for place in ("DC01", "DC02", "DC03"):
            made.position(sku, place, 10 + number)
        made.offer(made.shop, sku, {"DC01": 10 + number, "DC02": 10 + number})
    made.offer(made.market, "S-0", {"DC01": 10})
    return made


@pytest.fixture(scope="module")
def api(site: Site) -> Iterator[Api]:
    with Api(site.settings()) as running:
        yield running

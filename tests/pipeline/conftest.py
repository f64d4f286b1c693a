"""A product instance on the session's stack: topics, schemas, reference data; workers are each test's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from site_under_test import Site


@pytest.fixture(scope="session")
def site(stack, tmp_path_factory) -> Iterator[Site]:
    directory: Path = tmp_path_factory.mktemp("site")
    site = Site(stack, directory)
    yield site
    site.close()


@pytest.fixture
def crew(site: Site) -> Iterator[Site]:
    """The site with no worker running before and after."""
    site.stop_workers()
    yield site
    site.stop_workers()

"""Brokers and a site of each test's own: what is done to them, no other test feels."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from local.stack import LocalStack
from tests.faults.hurt_site import HurtSite
from tests.faults.own_brokers import Brokers

MakeSite = Callable[..., HurtSite]


@pytest.fixture(scope="session")
def around(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """Registry and Redis for all of these tests, with the broker that the registry does not need left out of it."""
    with LocalStack(tmp_path_factory.mktemp("around"), bootstrap="127.0.0.1:1") as stack:
        yield stack


@pytest.fixture
def make_site(around: LocalStack, tmp_path: Path) -> Iterator[MakeSite]:
    """Makes brokers, starts them, and prepares a site there; keywords are those of Brokers."""
    with ExitStack() as running:

        def make(app: str = "hurt", **chosen: Any) -> HurtSite:
            brokers = Brokers(tmp_path, around.registry_url, around.redis_url, **chosen)
            running.callback(brokers.close)
            brokers.up()
            site = HurtSite(brokers, tmp_path, app)
            running.callback(site.close)
            return site

        yield make

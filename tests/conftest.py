"""The one local stack of a test session: started when the first test asks for it, stopped whatever happens."""

from collections.abc import Iterator

import pytest

from local.stack import LocalStack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """Real Kafka, registry and Redis on free ports; a test that hurts them heals them before it ends."""
    with LocalStack(tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest.fixture(scope="session")
def bootstrap(stack: LocalStack) -> str:
    """Bootstrap servers of the session's broker."""
    return stack.bootstrap


@pytest.fixture(scope="session")
def registry_url(stack: LocalStack) -> str:
    """Base URL of the session's registry, Confluent API."""
    return stack.registry_url


@pytest.fixture(scope="session")
def redis_url(stack: LocalStack) -> str:
    """URL of the session's Redis."""
    return stack.redis_url

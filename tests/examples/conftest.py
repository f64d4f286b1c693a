"""Each example by the command that starts it, and the environment that tells it where things are."""

import os

import pytest
from example_commands import Command, java, node, python


@pytest.fixture(scope="module", params=[python, java, node], ids=lambda build: build.__name__)
def command(request: pytest.FixtureRequest) -> Command:
    """How the example is started, without its arguments."""
    return request.param()


@pytest.fixture
def site(bootstrap: str, registry_url: str) -> dict[str, str]:
    """The environment a subscriber is told where things are by."""
    return {**os.environ, "STOCKSTREAM_BOOTSTRAP": bootstrap, "STOCKSTREAM_REGISTRY": registry_url}

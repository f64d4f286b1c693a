"""A secured site for each module of these tests: broker with TLS, SCRAM and ACLs, registry and Redis with passwords."""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from between import asking_for_a_password, speaking_tls
from redis_tls import redis_with_a_password
from secured_site import REGISTRY_USER, SecuredSite

from local.stack import LocalStack


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, registry_url: str) -> Iterator[SecuredSite]:
    """Users, ACLs, topics and schemas are there; no process runs yet."""
    directory = tmp_path_factory.mktemp("secured")
    words = {name: f"{name}-{secrets.token_urlsafe(15)}" for name in ("registry", "redis")}
    with ExitStack() as running:
        stack = running.enter_context(
            LocalStack(directory / "stack", registry=registry_url, need_redis=False, secured=True)
        )
        assert stack.authority is not None
        asking = running.enter_context(
            asking_for_a_password(registry_url.removesuffix("/apis/ccompat/v7"), REGISTRY_USER, words["registry"])
        )
        port = running.enter_context(redis_with_a_password(directory, words["redis"]))
        tls = running.enter_context(speaking_tls(port, stack.authority))
        site = SecuredSite(stack, directory, f"{asking.url}/apis/ccompat/v7", f"rediss://127.0.0.1:{tls}/0", words)
        running.callback(site.close)
        site.prepare()
        yield site

"""Registry and Redis that hear only who shows a certificate: our clients do, and say what is wrong where they do not."""

from dataclasses import replace
from urllib.parse import urlsplit

import pytest
import redis
from between import speaking_tls

from connectors.api.edge import client
from connectors.api.settings import ApiSettings
from connectors.outbound.redis_view.settings import Settings as ViewSettings
from connectors.outbound.redis_view.store import connect
from local.certificates import Authority, Certificate
from schemas.environment import Shared
from schemas.registry import RegistryError, register_all

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("mutual"))


@pytest.fixture(scope="module")
def ours(authority: Authority) -> Certificate:
    return authority.issue("stockstream")


def test_a_registry_that_asks_for_a_certificate(registry_url: str, authority: Authority, ours: Certificate) -> None:
    """Schemas are registered over TLS by the registry's own authority, and only with a certificate."""
    behind = urlsplit(registry_url)
    assert behind.port
    with speaking_tls(behind.port, authority, mutual=True) as port:
        bare = Shared(registry=f"https://127.0.0.1:{port}{behind.path}", registry_ca_file=str(authority.ca))
        known = replace(bare, registry_certificate_file=str(ours.certificate), registry_key_file=str(ours.key))

        assert register_all(known)
        with pytest.raises(RegistryError):
            register_all(bare)
        with pytest.raises(RegistryError, match="CERTIFICATE_VERIFY_FAILED"):
            register_all(replace(known, registry_ca_file=""))


async def test_a_redis_that_asks_for_a_certificate(redis_url: str, authority: Authority, ours: Certificate) -> None:
    """The view's client and the API's."""
    behind = urlsplit(redis_url)
    assert behind.port
    with speaking_tls(behind.port, authority, mutual=True) as port:
        bare = {"redis": f"rediss://127.0.0.1:{port}/0", "redis_ca_file": str(authority.ca)}
        known = {**bare, "redis_certificate_file": str(ours.certificate), "redis_key_file": str(ours.key)}
        async with client(ApiSettings(**known)) as api, connect(ViewSettings(**known)) as view:
            assert await api.ping()
            assert await view.ping()
        async with connect(ViewSettings(**bare)) as stranger:
            with pytest.raises(redis.RedisError):
                await stranger.ping()

"""OAUTHBEARER for real: a broker that checks signed tokens, a token endpoint, and both Kafka clients of ours."""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from aiokafka import AIOKafkaConsumer
from between import speaking_tls
from confluent_kafka.admin import AdminClient
from secured_site import APP, SecuredSite, until

from local.supervised import await_all
from local.token_issuer import TokenEndpoint, TokenIssuer
from schemas.access import librdkafka
from schemas.admission import Refused, admitted
from schemas.environment import Shared
from streams import broker

SECRET = "a secret: of 24/letters?"


@contextlib.contextmanager
def endpoint(site: SecuredSite, lives_s: float = 300) -> Iterator[TokenEndpoint]:
    """A token endpoint that knows the components of the site."""
    assert site.stack.issuer is not None
    with site.stack.issuer.endpoint(dict.fromkeys(site.users, SECRET), lives_s) as server:
        yield server


def by_token(site: SecuredSite, url: str, secret: str = SECRET) -> dict[str, Any]:
    """The settings that differ from SCRAM's."""
    path = site.directory / "client.secret"
    path.write_text(secret)
    site.secrets["client"] = SECRET
    return {
        "sasl_mechanism": "OAUTHBEARER",
        "sasl_password_file": path,
        "sasl_token_url": url,
        "sasl_scope": "kafka",
    }


@pytest.mark.stack
def test_a_worker_and_a_connector_work_with_tokens(site: SecuredSite):
    """Faust's consumer, aiokafka's transactions and librdkafka's own grant get in by tokens, and stay in past their end.

    The token endpoint speaks TLS by an authority of its own.
    """
    assert site.stack.authority is not None
    with (
        endpoint(site, lives_s=20) as server,
        speaking_tls(server.server_address[1], site.stack.authority) as port,
    ):
        trusted = {"sasl_token_ca_file": site.stack.authority.ca}
        tokens = by_token(site, f"https://127.0.0.1:{port}/token") | trusted
        worker = site.process("worker", "worker", port="STOCKSTREAM_HTTP_PORT", **tokens)
        view = site.process("redis-view", "connect", "redis", port="STOCKSTREAM_VIEW_HTTP_PORT", **tokens)
        await_all([worker, view], 90)
        asked = {user: server.given.count(user) for user in (f"{APP}-worker", f"{APP}-redis-view")}
        until(
            "both to have asked for their next tokens",
            lambda: all(server.given.count(user) > before for user, before in asked.items()),
            60,
        )
        await_all([worker, view], 10)

        assert (worker.ended(), view.ended()) == (None, None)
        assert {"kafka"} == set(server.scopes)
        worker.stop()
        view.stop()
    assert [] == site.secrets_said()


@pytest.mark.stack
def test_a_wrong_client_secret_is_one_line(site: SecuredSite):
    """Neither client goes on asking for ever."""
    with endpoint(site) as server:
        wrong = by_token(site, server.url, "not it")
        worker = site.process("worker", "worker", port="STOCKSTREAM_HTTP_PORT", name="refused-worker", **wrong)
        view = site.process(
            "redis-view", "connect", "redis", port="STOCKSTREAM_VIEW_HTTP_PORT", name="refused-view", **wrong
        )
        until("both to leave", lambda: worker.ended() is not None and view.ended() is not None, 60)

        assert server.refused
    for process in (worker, view):
        lines = process.log.read_text().splitlines()
        assert (77, 1) == (process.ended(), len(lines)), lines
        assert f"refuses the login of {APP}-" in lines[0]
        assert "by OAUTHBEARER" in lines[0]


@pytest.mark.stack
def test_a_token_of_another_issuer_is_refused_by_the_broker(site: SecuredSite):
    """The broker checks the signature, not just the shape."""
    stranger = TokenIssuer(site.directory / "stranger")
    with stranger.endpoint({f"{APP}-worker": SECRET}) as server:
        settings = site.settings("worker", **by_token(site, server.url))

        with pytest.raises(Refused, match="refuses the login of guarded-worker by OAUTHBEARER"):
            admitted(settings, [])


@pytest.mark.stack
async def test_both_clients_see_the_same_broker_with_one_token_provider(site: SecuredSite):
    """aiokafka by our provider, librdkafka by its own, from the same settings."""
    with endpoint(site) as server:
        settings = site.settings("worker", **by_token(site, server.url))
        admin = AdminClient(librdkafka(settings))
        topics = set((await asyncio.to_thread(admin.list_topics, timeout=20)).topics)
        consumer = AIOKafkaConsumer(**broker.client(settings))
        await consumer.start()
        try:
            assert topics <= await consumer.topics() | {"channel.webshop.availability"}
        finally:
            await consumer.stop()
        assert "warehouse.scans" in topics


# ---- the provider by itself ------------------------------------------------------------------------------------------


@pytest.fixture
def issuer(tmp_path) -> TokenIssuer:
    return TokenIssuer(tmp_path)


def settings_for(tmp_path, url: str, **changes: Any) -> Shared:
    (tmp_path / "secret").write_text(SECRET)
    base = Shared(
        security_protocol="SASL_PLAINTEXT",
        sasl_mechanism="OAUTHBEARER",
        sasl_username="worker",
        sasl_password_file=str(tmp_path / "secret"),
        sasl_token_url=url,
    )
    return replace(base, **changes)


async def test_a_token_is_kept_until_shortly_before_it_ends(issuer: TokenIssuer, tmp_path):
    """One request for many connections; a new one when it is time; what is short-lived is asked for each time."""
    with issuer.endpoint({"worker": SECRET}, lives_s=300) as server:
        tokens = broker.Tokens(settings_for(tmp_path, server.url))
        first = await tokens.token()

        assert [first] * 3 == [await tokens.token() for _ in range(3)]
        assert ["worker"] == server.given

        tokens._until = time.monotonic()  # it ends
        assert first != await tokens.token()
        assert ["worker"] * 2 == server.given

    with issuer.endpoint({"worker": SECRET}, lives_s=20) as server:
        tokens = broker.Tokens(settings_for(tmp_path, server.url))
        assert await tokens.token() != await tokens.token()


async def test_a_refusal_is_told_and_a_mended_secret_taken(issuer: TokenIssuer, tmp_path):
    """The secret's file is read for each request: who changes it need not restart anything."""
    with issuer.endpoint({"worker": "another"}) as server:
        tokens = broker.Tokens(settings_for(tmp_path, server.url))
        with pytest.raises(aiohttp.ClientResponseError, match="401"):
            await tokens.token()
        (tmp_path / "secret").write_text("another\n")

        assert await tokens.token()


async def test_a_token_endpoint_that_does_not_answer_is_told(tmp_path):
    """And not waited for without end."""
    tokens = broker.Tokens(settings_for(tmp_path, "http://127.0.0.1:9/token"))

    with pytest.raises(aiohttp.ClientError):
        await tokens.token()

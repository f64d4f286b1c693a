"""ERP, shop, webhook receivers and the JWT issuer behind a company's own authority: refused unless a setting names it."""

import contextlib
import logging
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from aiohttp import web
from typer.testing import CliRunner

from cli.main import app
from connectors import trust
from connectors.api.jwt_tokens import Tokens
from connectors.api.settings import ApiSettings
from connectors.outbound.commerce.addresses import Addresses
from connectors.outbound.commerce.delivery import Post, trusted_receivers
from connectors.outbound.commerce.settings import Commerce
from connectors.outbound.commerce.shop_adapter import RestShop, Unanswered
from connectors.outbound.commerce.signing import SecretPlace, signed, signer
from connectors.outbound.erp import adapter as erp_words
from connectors.outbound.erp.main import load_routing
from connectors.outbound.erp.rest_adapter import RestAdapter
from connectors.outbound.erp.routing import RoutingError
from connectors.outbound.erp.routing_file import parse
from connectors.outbound.erp.settings import Settings
from local.certificates import Authority
from local.erp_faults import Faults
from local.erp_ledger import Ledger
from local.erp_server import ErpServer
from local.shop_server import ShopServer
from local.token_issuer import AUDIENCE, ISSUER, TokenIssuer
from tests.connectors.commerce_site import FIRST
from tests.security.between import speaking_tls

ROOT: Final = Path(__file__).parents[2]
LIMITS: Final = {"connect_ms": 5_000, "read_ms": 5_000, "total_ms": 10_000}


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("company"))


@contextlib.asynccontextmanager
async def serving(server: web.Application, authority: Authority) -> AsyncIterator[str]:
    """An application behind TLS by the authority's certificate; its base URL."""
    runner = web.AppRunner(server, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        with speaking_tls(runner.addresses[0][1], authority) as port:
            yield f"https://localhost:{port}"
    finally:
        await runner.cleanup()


@pytest.fixture
def shop_server(tmp_path: Path) -> Iterator[ShopServer]:
    server = ShopServer(tmp_path / "shop.sqlite", [FIRST])
    yield server
    server.books.close()


# ---- refused without, taken with -----------------------------------------------------------------------------------


async def test_a_receiver_of_webhooks(company: Authority, shop_server: ShopServer, monkeypatch: Any) -> None:
    """The name is still checked: what the authority signed for another host is refused, and no setting is blamed."""
    monkeypatch.setenv("SECRET_ONE", FIRST)
    body = b'{"type": "webhook.test"}'
    headers = signed([signer(SecretPlace(env="SECRET_ONE"))], "msg_1", datetime.now(UTC), body)

    async def answer(url: str, **settings: Any) -> Any:
        chosen = Commerce(**settings)
        post = Post(chosen, Addresses("127.0.0.0/8", resolve=resolve), trusted_receivers(chosen))
        try:
            return await post(url, headers, body)
        finally:
            await post.close()

    async def resolve(_: str, __: int) -> list[str]:
        return ["127.0.0.1"]

    async with serving(shop_server.app, company) as url:
        refused = await answer(f"{url}/webhooks")
        taken = await answer(f"{url}/webhooks", ca_file=str(company.ca))
        other = await answer(f"{url}/webhooks".replace("localhost", "shop.example"), ca_file=str(company.ca))

    assert (0, 204, 0) == (refused.status, taken.status, other.status)
    assert "CERTIFICATE_VERIFY_FAILED" in refused.text
    assert "STOCKSTREAM_COMMERCE_CA_FILE names a private authority" in refused.text
    assert "Hostname mismatch" in other.text
    assert "CA_FILE" not in other.text


async def test_a_shop(company: Authority, shop_server: ShopServer) -> None:
    """Over its own API."""
    trusted = trust.besides(str(company.ca), "STOCKSTREAM_COMMERCE_CA_FILE")
    async with serving(shop_server.app, company) as url:
        stranger, known = RestShop(url, "", **LIMITS), RestShop(url, "", **LIMITS, trusted=trusted)
        with pytest.raises(Unanswered, match="STOCKSTREAM_COMMERCE_CA_FILE names a private authority"):
            await stranger.quantity("A")
        assert 0 == await known.quantity("A")
        await stranger.close()
        await known.close()


async def test_an_erp(company: Authority, tmp_path: Path) -> None:
    """Surely nothing was taken where it was not trusted; with the setting it answers."""
    server = ErpServer(Ledger(tmp_path / "erp.sqlite"), Faults(1))
    async with serving(server.app, company) as url:
        for path in ("", str(company.ca)):
            [system] = load_routing(Settings(url=f"{url}/odata", ca_file=path)).systems.values()
            adapter = RestAdapter(system.url, trusted=system.trusted)
            if path:
                assert {} == await adapter.inquiry(["a key"])
            else:
                with pytest.raises(erp_words.Unanswered, match="not connected; STOCKSTREAM_ERP_CA_FILE names") as told:
                    await adapter.inquiry(["a key"])
                assert not told.value.taken
            await adapter.close()


async def test_the_issuer_of_tokens(company: Authority, tmp_path: Path, caplog: Any) -> None:
    """Its keys are read, so its tokens count; before, a line says why none does."""
    issuer = TokenIssuer(tmp_path)
    server = web.Application()

    async def keys(_: web.Request) -> web.Response:
        return web.Response(body=issuer.jwks.read_bytes(), content_type="application/json")

    server.add_routes([web.get("/jwks.json", keys)])
    token = issuer.token("shop", nbf=int(time.time()) - 5)
    found = []
    async with serving(server, company) as url:
        common = {"jwt_issuer": ISSUER, "jwt_audience": AUDIENCE, "jwt_jwks": f"{url}/jwks.json"}
        for path in ("", str(company.ca)):
            tokens = Tokens(ApiSettings(**common, jwt_ca_file=path))
            with caplog.at_level(logging.WARNING):
                await tokens.start()
            found.append(await tokens.principal(token))
            await tokens.stop()

    assert found[0] is None
    assert found[1] is not None
    [line] = [record.getMessage() for record in caplog.records if "keys cannot be read" in record.getMessage()]
    assert "STOCKSTREAM_API_JWT_CA_FILE names a private authority" in line


# ---- who else is trusted -------------------------------------------------------------------------------------------


async def test_public_receivers_stay_trusted_beside_the_company_s(
    company: Authority, shop_server: ShopServer, tmp_path: Path, monkeypatch: Any
) -> None:
    """Whoever the system's authorities sign for; here they are a file of another authority's, as SSL_CERT_FILE has it."""
    public = Authority(tmp_path / "public")
    monkeypatch.setenv("SSL_CERT_FILE", str(public.ca))
    both = trust.besides(str(company.ca), "STOCKSTREAM_COMMERCE_CA_FILE")
    for authority in (public, company):
        async with serving(shop_server.app, authority) as url:
            shop = RestShop(url, "", **LIMITS, trusted=both)
            assert 0 == await shop.quantity("A")
            await shop.close()


def test_webhooks_add_to_the_system_s_authorities_and_an_erp_has_its_own_alone(company: Authority) -> None:
    """What the contexts hold; webhooks look at the system's store and not at the environment."""
    system = set(httpx2.create_ssl_context(trust_env=False).get_ca_certs(binary_form=True))
    own = set(ssl.create_default_context(cafile=company.ca).get_ca_certs(binary_form=True))
    receivers = trusted_receivers(Commerce(ca_file=str(company.ca)))
    [erp] = load_routing(Settings(url="https://erp.example", ca_file=str(company.ca))).systems.values()

    assert isinstance(receivers, ssl.SSLContext)
    assert isinstance(erp.trusted, ssl.SSLContext)
    assert system | own == set(receivers.get_ca_certs(binary_form=True))
    assert own == set(erp.trusted.get_ca_certs(binary_form=True))
    assert receivers.verify_mode == erp.trusted.verify_mode == ssl.CERT_REQUIRED
    assert receivers.check_hostname
    assert erp.trusted.check_hostname


def test_a_system_of_the_routing_file_may_name_its_own(company: Authority, tmp_path: Path) -> None:
    """The setting holds for the others; a file without TLS, or one that cannot be used, is named by its place."""
    named = {"url": "https://a", "ca_file": str(company.ca)}
    default = trust.by(str(company.ca), "STOCKSTREAM_ERP_CA_FILE")
    systems = parse({"systems": {"a": named, "b": {"url": "https://b"}}, "default": "a"}, {}, default).systems

    assert isinstance(systems["a"].trusted, ssl.SSLContext)
    assert systems["a"].trusted is not default
    assert systems["b"].trusted is default
    for wrong, said in (({"url": "http://a"}, "needs a `url` with https"), ({"ca_file": str(tmp_path)}, "directory")):
        with pytest.raises(RoutingError, match=f"routing.systems.a.ca_file.*{said}"):
            parse({"systems": {"a": {**named, **wrong}}})


# ---- at the start --------------------------------------------------------------------------------------------------

ISSUED: Final = {"ISSUER": ISSUER, "AUDIENCE": AUDIENCE, "JWKS": "https://issuer.example/jwks.json"}
STARTS: Final = {
    ("connect", "erp"): {"STOCKSTREAM_ERP_URL": "https://erp.example"},
    ("connect", "shop"): {"STOCKSTREAM_COMMERCE_SHOP_URL": "https://shop.example"},
    ("connect", "webhooks"): {},
    ("api",): {
        "STOCKSTREAM_REDIS": "redis://127.0.0.1:1/0",
        **{f"STOCKSTREAM_API_JWT_{name}": value for name, value in ISSUED.items()},
    },
}
VARIABLE: Final = dict.fromkeys(STARTS, "STOCKSTREAM_COMMERCE_CA_FILE") | {
    ("connect", "erp"): "STOCKSTREAM_ERP_CA_FILE",
    ("api",): "STOCKSTREAM_API_JWT_CA_FILE",
}


@pytest.mark.parametrize("command", STARTS, ids=" ".join)
@pytest.mark.parametrize("content", [None, "no certificate"], ids=["missing", "no PEM"])
def test_a_file_that_cannot_be_used_ends_the_start_and_is_named(
    command: tuple[str, ...], content: str | None, tmp_path: Path
) -> None:
    """Exit code 2, before anybody is called."""
    path, subscriptions = tmp_path / "ca.pem", tmp_path / "subscriptions.yaml"
    if content is not None:
        path.write_text(content)
    subscriptions.write_text("subscriptions: {}\n")
    environment = {
        "STOCKSTREAM_CHANNELS": str(ROOT / "channels.yaml"),
        "STOCKSTREAM_COMMERCE_SUBSCRIPTIONS": str(subscriptions),
        **STARTS[command],
        VARIABLE[command]: str(path),
    }
    done = CliRunner().invoke(app, list(command), env=environment)

    assert 2 == done.exit_code, done.output
    assert f"{VARIABLE[command]}={path}: " in done.output
    assert ("No such file" if content is None else "no certificates in PEM") in done.output


def test_a_file_for_a_url_without_tls_is_refused(company: Authority) -> None:
    """Somebody believes that the connection is encrypted."""
    with pytest.raises(RoutingError, match="STOCKSTREAM_ERP_CA_FILE: needs a URL with https://"):
        load_routing(Settings(url="http://erp.example", ca_file=str(company.ca)))
    with pytest.raises(ValueError, match="STOCKSTREAM_API_JWT_CA_FILE: needs an https URL"):
        Tokens(ApiSettings(jwt_issuer="i", jwt_audience="a", jwt_jwks="keys.json", jwt_ca_file=str(company.ca)))

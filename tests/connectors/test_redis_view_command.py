"""`stockstream connect redis` and `stockstream view`: refusals, status, rebuild, and the way in over TLS."""

import asyncio
import datetime as dt
import json
import ssl
import threading
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from typer.testing import CliRunner
from view_under_test import ViewUnderTest, names, wait_for

from cli.main import app
from connectors import view_keys as keys
from connectors.outbound.redis_view.settings import Settings
from connectors.outbound.redis_view.store import Store, connect


def run(*command, **settings):
    environment = {f"STOCKSTREAM_{name.upper()}": str(value) for name, value in settings.items()}
    return CliRunner().invoke(app, command, env=environment)


def test_without_a_redis_the_command_says_what_to_set():
    """A usage error, not a crash."""
    said = run("connect", "redis", redis="")

    assert 2 == said.exit_code
    assert "STOCKSTREAM_REDIS" in said.output


def test_a_misspelt_setting_is_refused_by_name():
    """It never passes for a default."""
    said = run("connect", "redis", redis="redis://127.0.0.1:1/0", view_batch_record=5)

    assert 2 == said.exit_code
    assert "STOCKSTREAM_VIEW_BATCH_RECORD" in said.output


def test_status_says_that_redis_does_not_answer():
    """The message names the setting."""
    said = run("view", "status", redis="redis://127.0.0.1:1/0")

    assert 1 == said.exit_code
    assert "STOCKSTREAM_REDIS" in said.output


@pytest.mark.stack
def test_status_and_rebuild_of_a_running_view(stack, tmp_path):
    """Who keeps it and how far they are; thrown away by command, it is whole again; nobody there is exit code 1."""
    view = ViewUnderTest(stack, tmp_path, stack.redis_url)
    where = {"redis": stack.redis_url, "app": view.app}
    try:
        (sku,) = names("CMD", 1)
        view.snapshot(sku, "DC01", 1)
        view.start("one")
        wait_for(lambda: run("view", "status", **where).exit_code == 0, 30, "status to be well")
        said = json.loads(run("view", "status", "--json", **where).stdout)

        assert ["live"] == [it["state"] for it in said.values()]

        epoch = view.redis.hget(keys.view(view.app), keys.EPOCH)

        assert 0 == run("view", "rebuild", **where).exit_code
        wait_for(lambda: view.redis.hget(keys.view(view.app), keys.EPOCH) not in (None, epoch), 30, "a new epoch")
        view.await_revisions({sku: 1})
    finally:
        view.close()

    assert 1 == run("view", "status", **where).exit_code


@pytest.mark.stack
def test_a_rediss_url_goes_over_tls_and_trusts_only_the_authority_it_names(redis_url, tmp_path):
    """Through a proxy that ends TLS before a real Redis."""
    certificate = new_certificate(tmp_path)
    host, _, rest = redis_url.removeprefix("redis://").partition(":")
    with TlsProxy(certificate, (host, int(rest.partition("/")[0]))) as port:
        trusting = f"rediss://localhost:{port}/0?ssl_ca_certs={certificate}"

        assert asyncio.run(opened(trusting))
        with pytest.raises(Exception, match="CERTIFICATE_VERIFY_FAILED"):
            asyncio.run(opened(f"rediss://localhost:{port}/0"))


async def opened(url):
    store = Store(connect(Settings(redis=url, app="tls")), "tls")
    try:
        return await store.open()
    finally:
        await store.close()


def new_certificate(directory: Path) -> Path:
    """Key and self-signed certificate of localhost in one file."""
    key, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]),
    )
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = directory / "localhost.pem"
    path.write_bytes(private + certificate.public_bytes(pem))
    return path


class TlsProxy:
    """Ends TLS and passes bytes on, in a thread with a loop of its own."""

    def __init__(self, certificate, target):
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self):
        self._thread.start()
        starting = asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        server = asyncio.run_coroutine_threadsafe(starting, self._loop).result(10)
        return server.sockets[0].getsockname()[1]

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    async def _serve(self, reader, writer):
        inner_reader, inner_writer = await asyncio.open_connection(*self._target)
        await asyncio.gather(pass_on(reader, inner_writer), pass_on(inner_reader, writer), return_exceptions=True)


async def pass_on(reader, writer):
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    writer.close()

"""`stockstream up` against parts that are given: it gets in as its processes do. No broker starts here."""

import base64
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from local.stack import LocalStack
from local.up import Site
from schemas.environment import SettingError
from schemas.registry import RegistryRefused
from streams.settings import Settings


class Refusing(BaseHTTPRequestHandler):
    """A registry that lets nobody in, and notes as whom they came."""

    came: list[str]

    def answer(self) -> None:
        self.came.append(self.headers.get("Authorization", ""))
        self.send_response(401)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_PUT = do_POST = answer  # noqa: N815 - names of the standard library

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def registry() -> Iterator[str]:
    Refusing.came = []
    server = HTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def site(registry: str, tmp_path: Path) -> Site:
    given = LocalStack(
        tmp_path / "stack", bootstrap="127.0.0.1:9", registry=registry, redis="redis://127.0.0.1:9/0", progress=print
    )
    return Site(given, ["webshop"], "app", 4)


def test_a_given_registry_is_asked_with_the_login_of_the_settings(site, tmp_path):
    """Who may not in without it learns of its login, not that of nobody."""
    (tmp_path / "word").write_text("word")
    with pytest.raises(RegistryRefused):
        site.prepare(Settings(registry_username="up", registry_password_file=str(tmp_path / "word")))

    assert f"Basic {base64.b64encode(b'up:word').decode()}" == Refusing.came[0]


def test_a_login_that_lacks_a_part_is_told_by_its_setting(site):
    """Before anybody is asked."""
    with pytest.raises(SettingError, match="STOCKSTREAM_REGISTRY_PASSWORD_FILE"):
        site.prepare(Settings(registry_username="up"))
    with pytest.raises(SettingError, match="STOCKSTREAM_SASL_USERNAME"):
        site.prepare(Settings(security_protocol="SASL_SSL"))

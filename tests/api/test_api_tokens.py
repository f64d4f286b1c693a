"""Bearer tokens: what an issuer's signature and claims must be, and what becomes of tokens that are anything else."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, OKPKey, RSAKey

from connectors.api import jwt_tokens
from connectors.api.settings import ApiSettings
from schemas.environment import SettingError
from tests.api.api_site import Api, Site

pytestmark = pytest.mark.stack
ISSUER, AUDIENCE = "https://issuer.example", "stockstream"
RSA = RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"})
EC = ECKey.generate_key("P-256", {"kid": "ec"})
ED = OKPKey.generate_key("Ed25519", {"kid": "ed"})
STRANGER = RSAKey.generate_key(2048, {"kid": "rsa"})


class Issuer:
    """The issuer's key set on HTTP; counts how often it is asked."""

    def __init__(self) -> None:
        issuer = self
        self.keys: list[Any] = [RSA, EC, ED]
        self.asked, self.away = 0, False

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked += 1
                body = json.dumps({"keys": [key.as_dict(private=False) for key in issuer.keys]}).encode()
                self.send_response(500 if issuer.away else 200)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self._server.server_port}/jwks.json"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    made = Issuer()
    yield made
    made.close()


@pytest.fixture(scope="module")
def token_api(site: Site, issuer: Issuer) -> Iterator[Api]:
    with Api(site.settings(jwt_issuer=ISSUER, jwt_audience=AUDIENCE, jwt_jwks=issuer.url)) as running:
        yield running


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    good = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "shop",
        "nbf": now - 5,
        "exp": now + 60,
        "scope": "feeds:read availability:read nonsense",
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def token(key: Any = RSA, algorithm: str = "RS256", kid: str = "rsa", **changes: Any) -> str:
    return jwt.encode({"alg": algorithm, "kid": kid}, claims(**changes), key, algorithms=[algorithm])


def status(api: Api, credential: str, path: str = "/v1/feeds") -> int:
    with api.client(credential) as client:
        return client.get(path).status_code


@pytest.mark.parametrize(("key", "algorithm"), [(RSA, "RS256"), (EC, "ES256"), (ED, "EdDSA")])
def test_each_pinned_signature_is_taken(token_api: Api, key: Any, algorithm: str) -> None:
    """With the key the token names."""
    assert 200 == status(token_api, token(key, algorithm, key.kid))


def test_keys_and_tokens_work_side_by_side(token_api: Api, site: Site) -> None:
    """A key is known by its prefix."""
    assert 200 == status(token_api, site.reader)


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://elsewhere.example"},
        {"aud": "another"},
        {"aud": []},
        {"exp": int(time.time()) - 60},
        {"exp": None},
        {"nbf": int(time.time()) + 600},
        {"nbf": None},
        {"sub": None},
        {"iss": None},
        {"aud": None},
        {"exp": "tomorrow"},
        {"channel": 7},
        {"channel": ""},
        {"partner": ["a"]},
        {"scope": 5},
    ],
)
def test_a_token_with_a_wrong_or_missing_claim_is_refused(token_api: Api, changes: dict[str, Any]) -> None:
    """A claim that should bind the caller and is no text is never taken for no binding."""
    assert 401 == status(token_api, token(**changes))


def test_a_token_by_another_key_is_refused(token_api: Api) -> None:
    """Though it bears the right key id."""
    assert 401 == status(token_api, token(STRANGER))


def test_a_token_without_signature_is_refused(token_api: Api) -> None:
    """`none` is no signature."""
    assert 401 == status(token_api, f"{_part({'alg': 'none', 'kid': 'rsa'})}.{_part(claims())}.")


def test_a_token_signed_with_the_public_key_as_a_secret_is_refused(token_api: Api) -> None:
    """The old confusion of RS256 with HS256."""
    body = f"{_part({'alg': 'HS256', 'kid': 'rsa'})}.{_part(claims())}"
    made = hmac.new(RSA.as_pem(private=False), body.encode(), hashlib.sha256).digest()

    assert 401 == status(token_api, f"{body}.{base64.urlsafe_b64encode(made).decode().rstrip('=')}")


def test_a_signature_that_is_not_pinned_is_refused(token_api: Api) -> None:
    """RS512 is sound, but was not asked for."""
    assert 401 == status(token_api, token(RSA, "RS512"))


def test_a_changed_token_is_refused(token_api: Api) -> None:
    """One scope more would be enough."""
    head, _, signature = token().split(".")
    wider = _part(claims(scope="exceptions:read"))

    assert 401 == status(token_api, f"{head}.{wider}.{signature}", "/v1/exceptions")


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def test_scopes_and_bindings_come_from_the_claims(token_api: Api, site: Site) -> None:
    """A token bound to a channel sees that one; a scope it lacks is 403."""
    bound = token(channel=site.market)

    assert 200 == status(token_api, bound, f"/v1/channels/{site.market}/availability")
    assert 404 == status(token_api, bound, f"/v1/channels/{site.shop}/availability")
    assert 403 == status(token_api, bound, "/v1/exceptions")


def test_a_new_key_of_the_issuers_is_found_and_a_withdrawn_one_forgotten(
    site: Site, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Key rotation without a restart; an issuer that is away in between takes nothing from anyone."""
    monkeypatch.setattr(jwt_tokens, "AGAIN_S", 0.0)
    new = ECKey.generate_key("P-256", {"kid": "new"})
    settings = site.settings(jwt_issuer=ISSUER, jwt_audience=AUDIENCE, jwt_jwks=issuer.url, jwt_jwks_ttl_s=1)
    with Api(settings) as api:
        before = status(api, token(new, "ES256", "new"))
        issuer.keys = [new]
        after = status(api, token(new, "ES256", "new"))
        withdrawn = status(api, token())
        issuer.away = True
        time.sleep(1.1)
        away = status(api, token(new, "ES256", "new"))
    issuer.away, issuer.keys = False, [RSA, EC, ED]

    assert (401, 200, 401, 200) == (before, after, withdrawn, away)


def test_unknown_keys_do_not_make_us_ask_the_issuer_without_end(token_api: Api, issuer: Issuer) -> None:
    """A flood of tokens with invented key ids costs the issuer one question in ten seconds at most."""
    asked = issuer.asked
    for number in range(20):
        assert 401 == status(token_api, token(STRANGER, kid=f"invented-{number}"))

    assert issuer.asked - asked <= 2


def test_keys_may_stand_in_a_file(site: Site, tmp_path: Path) -> None:
    """For issuers without a network; a shared secret in it is never used."""
    file = tmp_path / "jwks.json"
    secret = OctKey.generate_key(256, {"kid": "oct"})
    file.write_text(json.dumps(KeySet([RSA, secret]).as_dict(private=True)))
    with Api(site.settings(jwt_issuer=ISSUER, jwt_audience=AUDIENCE, jwt_jwks=str(file))) as api:
        assert 200 == status(api, token())
        assert 401 == status(api, token(secret, "HS256", "oct"))


def test_the_issuers_keys_are_not_read_over_plain_http_beyond_this_machine() -> None:
    """Whoever can change them on the way could sign anything."""
    with pytest.raises(SettingError, match="https"):
        jwt_tokens.Tokens(ApiSettings(jwt_issuer=ISSUER, jwt_audience=AUDIENCE, jwt_jwks="http://issuer.example/jwks"))

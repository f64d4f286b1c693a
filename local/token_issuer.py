"""An identity provider for the local stack: signs tokens for OAUTHBEARER, and gives them out at a token endpoint.

It has one key pair, made anew at each start; the broker reads its public half from a file. Only for 127.0.0.1.
"""

import base64
import json
import threading
import time
import urllib.parse
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from local.processes import HOST

AUDIENCE: Final = "stockstream-broker"
ISSUER: Final = "https://issuer.invalid/stockstream"
LIVES_S: Final = 300


class TokenIssuer:
    """Signs for whoever asks; `jwks` is the file by which its signatures are checked."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._key = RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256"}, private=True)
        self._key.ensure_kid()
        self.jwks = directory / "jwks.json"
        self.jwks.write_text(json.dumps(KeySet([self._key]).as_dict(private=False)))

    def token(self, subject: str, lives_s: float = LIVES_S, **claims: Any) -> str:
        """A token by which the broker knows `User:SUBJECT`."""
        now = int(time.time())
        said = {"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "iat": now, "exp": now + int(lives_s), **claims}
        header = {"alg": "RS256", "kid": self._key.kid}
        return jwt.encode(header, {"jti": uuid.uuid4().hex, **said}, self._key)

    @contextmanager
    def endpoint(self, secrets: Mapping[str, str], lives_s: float = LIVES_S) -> Iterator["TokenEndpoint"]:
        """A token endpoint for these clients (id → secret) while the block runs."""
        with TokenEndpoint(self, dict(secrets), lives_s) as server:
            threading.Thread(target=server.serve_forever, daemon=True, name="token endpoint").start()
            try:
                yield server
            finally:
                server.shutdown()


class TokenEndpoint(ThreadingHTTPServer):
    """The client credentials grant (RFC 6749, 4.4) by basic authentication; counts what it gave and refused."""

    daemon_threads = True

    def __init__(self, issuer: TokenIssuer, secrets: dict[str, str], lives_s: float) -> None:
        super().__init__((HOST, 0), _Asked)
        self.issuer, self.secrets, self.lives_s = issuer, secrets, lives_s
        self.given: list[str] = []
        """Client ids that were given a token, in order."""
        self.refused = 0
        self.scopes: list[str] = []

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server_address[1]}/token"


class _Asked(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: TokenEndpoint

    def do_POST(self) -> None:
        form = urllib.parse.parse_qs(self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode())
        client, secret = _credentials(self.headers.get("Authorization", ""))
        if form.get("grant_type") != ["client_credentials"]:
            self._answer(400, {"error": "unsupported_grant_type"})
        elif not secret or self.server.secrets.get(client) != secret:
            self.server.refused += 1
            self._answer(401, {"error": "invalid_client"})
        else:
            self.server.given.append(client)
            self.server.scopes += form.get("scope", [])
            token = self.server.issuer.token(client, self.server.lives_s)
            self._answer(200, {"access_token": token, "token_type": "Bearer", "expires_in": int(self.server.lives_s)})

    def _answer(self, status: int, body: Mapping[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def _credentials(header: str) -> tuple[str, str]:
    """Client id and secret of basic authentication; RFC 6749, 2.3.1: each is form-encoded first."""
    kind, _, encoded = header.partition(" ")
    if kind.lower() != "basic":
        return "", ""
    client, _, secret = base64.b64decode(encoded).decode().partition(":")
    return urllib.parse.unquote_plus(client), urllib.parse.unquote_plus(secret)

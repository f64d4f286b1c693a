"""Bearer tokens of one issuer: pinned signatures, its keys read and renewed by URL or file, claims to a Principal."""

import asyncio
import logging
import time
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
import orjson
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jws import extract_compact

from connectors import trust
from connectors.api.security import SCOPES, Principal
from connectors.api.settings import ApiSettings, loopback
from schemas.environment import SettingError

MOST_BYTES: Final = 8_192
"""Longest token looked at."""
AGAIN_S: Final = 10.0
"""Least time between two readings of the keys, however many tokens name an unknown one."""
LARGEST_JWKS: Final = 1_000_000
CA_FILE: Final = "STOCKSTREAM_API_JWT_CA_FILE"
log = logging.getLogger(__name__)


class Tokens:
    """Checks tokens. Keys that cannot be read anew stay in force; a token with a key never seen is refused."""

    def __init__(self, settings: ApiSettings) -> None:
        self._settings = settings
        self._algorithms = settings.algorithms
        self._source = _source(settings.jwt_jwks)
        if settings.jwt_ca_file and not settings.jwt_jwks.startswith("https:"):
            raise SettingError(f"{CA_FILE}: needs an https URL in STOCKSTREAM_API_JWT_JWKS")
        self._trust = trust.by(settings.jwt_ca_file, CA_FILE)
        self._keys: KeySet | None = None
        self._read_at = float("-inf")
        self._tried_at = float("-inf")
        self._lock = asyncio.Lock()
        self._claims = jwt.JWTClaimsRegistry(
            leeway=settings.jwt_leeway_s,
            iss={"essential": True, "value": settings.jwt_issuer},
            aud={"essential": True, "value": settings.jwt_audience},
            sub={"essential": True},
            exp={"essential": True},
            nbf={"essential": True},
        )

    async def start(self) -> None:
        """Read the keys; an issuer that is away is asked again when the first token comes."""
        self._http = httpx2.AsyncClient(timeout=5.0, follow_redirects=False, verify=self._trust)
        await self._renew()

    async def stop(self) -> None:
        await self._http.aclose()

    async def principal(self, token: str) -> Principal | None:
        """The token's principal, None for any that is not valid."""
        if len(token) > MOST_BYTES:
            return None
        try:
            await self._know(token)
            if self._keys is None:
                return None
            decoded = jwt.decode(token, self._keys, algorithms=self._algorithms)
            self._claims.validate(decoded.claims)
            return self._principal(decoded.claims)
        except (JoseError, ValueError, TypeError, KeyError, AttributeError):  # what tokens can hold knows no bounds
            return None

    def _principal(self, claims: dict[str, Any]) -> Principal:
        """Raise ValueError for claims that are not what they should be: a binding is never dropped for being odd."""
        scopes = claims.get("scope", claims.get("scp", []))
        names = scopes.split() if isinstance(scopes, str) else [str(scope) for scope in scopes]
        return Principal(
            f"token:{_text(claims['sub'])}",
            _binding(claims, self._settings.jwt_channel_claim),
            _binding(claims, self._settings.jwt_partner_claim),
            frozenset(names) & SCOPES.keys(),
            None,
            int(claims["exp"]) * 1000,
        )

    # ---- the issuer's keys --------------------------------------------------------------------------------------

    async def _know(self, token: str) -> None:
        """Have the keys not older than their time, and the one the token names if the issuer has it."""
        header = extract_compact(token.encode()).headers()
        old = time.monotonic() - self._read_at >= self._settings.jwt_jwks_ttl_s
        if old or not self._has(header.get("kid")):
            await self._renew()

    def _has(self, kid: object) -> bool:
        return self._keys is not None and (kid is None or any(key.kid == kid for key in self._keys))

    async def _renew(self) -> None:
        async with self._lock:
            if time.monotonic() - self._tried_at < AGAIN_S:
                return
            self._tried_at = time.monotonic()
            try:
                self._keys = KeySet.import_key_set({"keys": _signing(await self._fetch())})
                self._read_at = time.monotonic()
            except (JoseError, httpx2.HTTPError, OSError, ValueError, TypeError, KeyError) as error:
                told = f"{error}{trust.advice(error, CA_FILE)}"
                log.warning("%s: the issuer's keys cannot be read: %s", self._settings.jwt_jwks, told)

    async def _fetch(self) -> Any:
        if isinstance(self._source, Path):
            return orjson.loads(await asyncio.to_thread(self._source.read_bytes))
        answer = (await self._http.get(self._source)).raise_for_status()
        if len(answer.content) > LARGEST_JWKS:
            raise ValueError("the answer is too large to be a key set")
        return orjson.loads(answer.content)


def _source(setting: str) -> str | Path:
    """A URL that cannot be read or changed on the way, or a file."""
    parts = urlsplit(setting)
    if parts.scheme == "https" or (parts.scheme == "http" and loopback(parts.hostname or "")):
        return setting
    if "://" in setting:
        raise SettingError(f"STOCKSTREAM_API_JWT_JWKS={setting}: https is needed beyond loopback")
    return Path(setting)


def _signing(document: Any) -> list[Any]:
    """Public keys for signatures; a shared secret in the set is left out: no signature we take uses one."""
    return [key for key in document["keys"] if key.get("kty") != "oct" and key.get("use", "sig") == "sig"]


def _binding(claims: dict[str, Any], name: str) -> str | None:
    return _text(claims[name]) if name in claims else None


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("a claim that binds the caller is not text")
    return value

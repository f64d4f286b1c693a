"""Who calls, and what they may: API keys and bearer tokens become a Principal that routes ask for by scope."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from fastapi import Depends, Request

from connectors.api.problems import Problem
from connectors.api.settings import ApiSettings

SCOPES: Final[dict[str, str]] = {
    "availability:read": "Read availability, streams and snapshots.",
    "feeds:read": "Read the feeds' status.",
    "exceptions:read": "Read exceptions.",
    "reservations:write": "Hold, confirm and cancel stock for a channel.",
    "ingest:write": "Send scans, ship notices, acknowledgements, milestones and heartbeats.",
}


CREDENTIALS: Final = (b"x-api-key", b"authorization")


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller that proved who it is. Bound to a channel or partner, it sees and writes only that one's data."""

    id: str
    channel: str | None
    partner: str | None
    scopes: frozenset[str]
    rate: int | None = None
    """Requests per second; none: the setting's."""
    expires_at: int | None = None
    """When it ceases to be valid, ms of the wall clock; open streams end then."""

    def sees_channel(self, channel: str) -> bool:
        return self.channel is None or self.channel == channel


DEVELOPER: Final = Principal("development", None, None, frozenset(SCOPES))
"""Everyone, where development without authentication was asked for."""


class Authenticator:
    """Finds the principal behind a request's credentials; raises Problem 401 for any it cannot accept."""

    def __init__(self, settings: ApiSettings) -> None:
        from connectors.api.api_keys import KeyFile  # noqa: PLC0415 - both need Principal
        from connectors.api.jwt_tokens import Tokens  # noqa: PLC0415

        self._open = settings.development and not settings.keys_file and not settings.jwt_issuer
        self._keys = KeyFile(settings.keys_file) if settings.keys_file else None
        self._tokens = Tokens(settings) if settings.jwt_issuer else None

    async def start(self) -> None:
        if self._tokens is not None:
            await self._tokens.start()

    async def stop(self) -> None:
        if self._tokens is not None:
            await self._tokens.stop()

    async def principal(self, headers: Iterable[tuple[bytes, bytes]]) -> Principal:
        """Take `Authorization: Bearer KEY_OR_TOKEN` or `X-API-Key: KEY`; names of headers are in lower case."""
        credential = _credential(headers)
        if credential is None:
            if self._open:
                return DEVELOPER
            raise refused("send an API key or token: Authorization: Bearer …", error=None)
        found: Principal | None = None
        if credential.startswith("sk_"):
            found = self._keys.principal(credential) if self._keys else None
        elif self._tokens is not None:
            found = await self._tokens.principal(credential)
        if found is None:
            raise refused("the key or token is not valid")
        return found

    def details(self) -> dict[str, str]:
        """For /readyz: what is not as its file says."""
        fault = self._keys.fault() if self._keys else None
        return {} if fault is None else {"api_keys": f"{fault}; the keys read last stay in force"}

    def still_valid(self, principal: Principal) -> bool:
        """Whether a key found earlier would be taken now: for streams, which outlive the check at their start."""
        return self._keys is None or self._keys.still_valid(principal)


def _credential(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    found: dict[bytes, str] = {}
    for name, text in headers:
        if name in CREDENTIALS and name not in found:
            found[name] = str(text, "latin-1")
    key, bearer = map(found.get, CREDENTIALS)
    if key is not None and bearer is not None:
        raise Problem(400, "Malformed request", "send X-API-Key or Authorization, not both")
    if bearer is None:
        return key
    scheme, _, value = bearer.partition(" ")
    if scheme.lower() != "bearer" or not value.strip():
        raise refused("Authorization must be `Bearer KEY_OR_TOKEN`")
    return value.strip()


def refused(detail: str, error: str | None = "invalid_token") -> Problem:
    """The one answer to every credential that is not taken (RFC 6750 section 3)."""
    challenge = "Bearer" if error is None else f'Bearer error="{error}"'
    return Problem(401, "Not authenticated", detail, headers={"WWW-Authenticate": challenge})


class Scope:
    """The dependency behind `require`: the principal that the guard has found, if it has the scope."""

    def __init__(self, scope: str) -> None:
        self.scope = scope

    async def __call__(self, request: Request) -> Principal:
        return allowed(request.scope["principal"], self.scope)


def allowed(principal: Principal, scope: str) -> Principal:
    """The principal, if it has the scope; raise Problem 403."""
    if scope not in principal.scopes:
        raise Problem(
            403,
            "Not allowed",
            f"this needs the scope {scope}",
            headers={"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'},
        )
    return principal


def require(scope: str) -> Any:
    """A dependency that finds the caller and asks for a scope; a route names it in the annotation of its caller."""
    if scope not in SCOPES:
        raise ValueError(f"no scope {scope}; there are {', '.join(SCOPES)}")
    needed: Callable[..., Any] = Scope(scope)
    return Depends(needed)


def own_channel(principal: Principal, channel: str, known: bool) -> None:
    """Refuse a channel that does not exist or is another's: 404 either way, so that names cannot be probed."""
    if not known or not principal.sees_channel(channel):
        raise Problem(404, "Not found", f"there is no channel {channel!r} here for this caller")

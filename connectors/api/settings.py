"""Settings of the API process: what all of them share, and its own under STOCKSTREAM_API_."""

import ipaddress
from dataclasses import dataclass
from typing import Final

from schemas.environment import SettingError, Shared, setting

SIGNATURES: Final = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"}
)
"""Signatures a token may carry: asymmetric ones only, so that nobody who can check a token can make one."""


@dataclass(frozen=True, slots=True)
class ApiSettings(Shared):
    """What `stockstream api` takes; limits are per process unless they say otherwise."""

    host: str = setting("127.0.0.1", "Address the API listens on.", edge="API")
    port: int = setting(8080, "Port of the API; 0 picks a free one.", edge="API", least=0)
    health_host: str = setting("127.0.0.1", "Address of /metrics, /readyz and /livez.", edge="API")
    health_port: int = setting(0, "Port of /metrics, /readyz and /livez; 0 picks a free one.", edge="API", least=0)
    development: bool = setting(False, "Run without authentication, on loopback only.", edge="API")
    keys_file: str = setting("", "API keys, a JSON or YAML file kept by `stockstream api-keys`.", edge="API")
    jwt_issuer: str = setting("", "Issuer of bearer tokens; empty where none are taken.", edge="API")
    jwt_audience: str = setting("", "Audience that a token must name.", edge="API")
    jwt_jwks: str = setting("", "The issuer's keys: an https URL (http on loopback) or a file.", edge="API")
    jwt_ca_file: str = setting("", "Certificates to trust that URL by; empty: those of the system.", edge="API")
    jwt_algorithms: str = setting("RS256,ES256,EdDSA", "Signatures taken, comma separated.", edge="API")
    jwt_leeway_s: int = setting(10, "Seconds by which clocks may differ on exp and nbf.", edge="API", least=0)
    jwt_jwks_ttl_s: int = setting(300, "Seconds after which the issuer's keys are read again.", edge="API")
    jwt_channel_claim: str = setting("channel", "Claim that binds a token to a channel.", edge="API")
    jwt_partner_claim: str = setting("partner", "Claim that binds a token to a partner.", edge="API")
    client_rate: int = setting(200, "Requests per second of a client whose key names no rate.", edge="API")
    partner_rate: int = setting(1000, "Requests per second of all clients of a partner together.", edge="API")
    body_bytes: int = setting(1_048_576, "Largest request body.", edge="API")
    head_bytes: int = setting(16_384, "Largest request line and headers together.", edge="API")
    request_timeout_ms: int = setting(10_000, "Longest time a request may take; streams are exempt.", edge="API")
    connections: int = setting(1000, "Most connections at a time; more are refused with 503.", edge="API")
    page_limit: int = setting(500, "Most entries on a page.", edge="API")
    query_limit: int = setting(1000, "Most SKUs in one query.", edge="API")
    cache_control: str = setting("private, max-age=1", "Cache-Control of availability answers.", edge="API")
    cors_origins: str = setting("", "Origins browsers may call from, comma separated; empty: none.", edge="API")
    redis_timeout_ms: int = setting(500, "Longest wait for Redis before it counts as down.", edge="API")
    view_refresh_ms: int = setting(250, "How often the view's and the feeds' state is read.", edge="API")
    view_stale_ms: int = setting(10_000, "The view is stale when no instance has spoken for this long.", edge="API")
    last_known: int = setting(20_000, "Answers remembered for when Redis is down.", edge="API", least=0)
    last_known_ms: int = setting(900_000, "Oldest remembered answer that is shown, marked stale.", edge="API")
    stream_clients: int = setting(500, "Most open streams.", edge="API")
    stream_clients_each: int = setting(10, "Most open streams of one client.", edge="API")
    stream_replays: int = setting(20, "Most streams that read up from a cursor at a time.", edge="API")
    stream_backlog: int = setting(1000, "Changes kept for a stream's client before it is dropped as slow.", edge="API")
    stream_write_timeout_ms: int = setting(10_000, "Longest wait for a stream's client to read.", edge="API")
    stream_heartbeat_ms: int = setting(15_000, "Time between comments that keep a stream open.", edge="API")
    reply_wait_ms: int = setting(
        1000, "Longest wait for the decision on a reservation; then it is pending.", edge="API"
    )
    replies_kept: int = setting(20_000, "Decisions on reservations remembered for repeated requests.", edge="API")
    acknowledge_ms: int = setting(5_000, "Longest wait for the broker to acknowledge a record.", edge="API")
    idempotency_s: int = setting(86_400, "How long an answer is kept for its Idempotency-Key.", edge="API")
    batch_limit: int = setting(500, "Most items, or EPCIS events, in one request.", edge="API")
    epcis_skipped: str = setting(
        "", "EPCIS business steps that are taken and book nothing, comma separated.", edge="API"
    )

    @property
    def algorithms(self) -> list[str]:
        """The pinned signatures; raise SettingError for one that is not asymmetric."""
        names = [name.strip() for name in self.jwt_algorithms.split(",") if name.strip()]
        strange = [name for name in names if name not in SIGNATURES]
        if strange or not names:
            raise SettingError(
                f"STOCKSTREAM_API_JWT_ALGORITHMS={self.jwt_algorithms!r}: use some of {', '.join(sorted(SIGNATURES))}"
            )
        return names


def checked(settings: ApiSettings) -> ApiSettings:
    """The settings, if an API may be started with them; raise SettingError naming what to change."""
    tokens = [settings.jwt_issuer, settings.jwt_audience, settings.jwt_jwks]
    if any(tokens) and not all(tokens):
        raise SettingError("STOCKSTREAM_API_JWT_ISSUER, _AUDIENCE and _JWKS: set all three or none")
    settings.algorithms  # noqa: B018 - says what is wrong with them
    if settings.development:
        if not loopback(settings.host):
            raise SettingError(
                f"STOCKSTREAM_API_HOST={settings.host}: with STOCKSTREAM_API_DEVELOPMENT only loopback, 127.0.0.1"
            )
    elif not settings.keys_file and not settings.jwt_issuer:
        raise SettingError(
            "no authentication: set STOCKSTREAM_API_KEYS_FILE (see `stockstream api-keys create`) or "
            "STOCKSTREAM_API_JWT_ISSUER, _AUDIENCE and _JWKS; STOCKSTREAM_API_DEVELOPMENT=true does without, on loopback"
        )
    if not settings.redis:
        raise SettingError("STOCKSTREAM_REDIS: the API answers from the Redis view; set its URL, redis://host:6379/0")
    return settings


def loopback(host: str) -> bool:
    """Whether an address is this machine's own."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

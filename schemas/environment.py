"""Settings from the environment, for every process of the product: a dataclass names them, `read` fills it once.

Variables start with STOCKSTREAM_. What only one edge of the product takes has that edge's own prefix, and is refused
there when unknown: a misspelt setting never passes for a default.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any, Final, TypeVar

from schemas.confidential import keep, keep_of_url

PREFIX: Final = "STOCKSTREAM_"
EDGES: Final = ("API", "VIEW", "COMMERCE", "ERP")
"""Edges with settings of their own: STOCKSTREAM_API_…, and so on."""
OTHERS: Final = frozenset({"STOCKSTREAM_CACHE", "STOCKSTREAM_MAVEN", "STOCKSTREAM_TEST_TRANSACTIONS"})
"""Variables of the local stack and of tests, which no process of the product need know."""

T = TypeVar("T")


class SettingError(ValueError):
    """A setting that cannot be used; the message names the variable and what it takes."""


def setting(default: Any, doc: str, *, edge: str = "", least: int = 1, secret: bool = False) -> Any:
    """Declare a setting: default, meaning, the edge it belongs to, the least an integer may be, whether it is secret."""
    return field(default=default, metadata={"doc": doc, "edge": edge, "least": least, "secret": secret})


@dataclass(frozen=True, slots=True)
class Shared:
    """What every process that talks to the broker takes."""

    bootstrap: str = setting("127.0.0.1:9092", "Kafka bootstrap servers, comma separated.")
    registry: str = setting("http://127.0.0.1:8081", "Schema registry URL (Confluent API).")
    redis: str = setting("", "Redis URL; empty where no Redis view is kept.")
    app: str = setting("stockstream", "Application id: consumer groups, changelog prefix and transactional ids.")
    channels: str = setting("channels.yaml", "Path of the channels' declaration.")
    clock: str = setting("system", "Business clock: `system`, or `file:PATH` for simulations (8 bytes, ms).")
    data_dir: str = setting(".stockstream", "Directory for a process's own files.")
    stuck_after_ms: int = setting(
        30_000, "After so long without progress a worker leaves with 74, and /livez of another process answers 503."
    )
    log_level: str = setting("warning", "debug, info, warning or error.")
    security_protocol: str = setting("PLAINTEXT", "Of the broker: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL.")
    ssl_ca_file: str = setting("", "Certificates to trust the broker by; empty: those of the system.")
    ssl_certificate_file: str = setting("", "Our certificate, where the broker asks for one.")
    ssl_key_file: str = setting("", "Its private key.")
    sasl_mechanism: str = setting("SCRAM-SHA-512", "SCRAM-SHA-512, SCRAM-SHA-256, PLAIN or OAUTHBEARER.")
    sasl_username: str = setting("", "User name; of OAUTHBEARER the client id.")
    sasl_password_file: str = setting("", "File with the password; of OAUTHBEARER the client secret.")
    sasl_token_url: str = setting("", "OAUTHBEARER: token endpoint of the identity provider.")
    sasl_scope: str = setting("", "OAUTHBEARER: scope to ask for.")
    sasl_token_ca_file: str = setting("", "Certificates to trust the token endpoint by; empty: those of the system.")
    registry_ca_file: str = setting("", "Certificates to trust the registry by; empty: those of the system.")
    registry_certificate_file: str = setting("", "Our certificate, where the registry asks for one.")
    registry_key_file: str = setting("", "Its private key.")
    registry_username: str = setting("", "User name at the registry; empty where it asks for none.")
    registry_password_file: str = setting("", "File with the password at the registry.")
    redis_password_file: str = setting("", "File with Redis's password, instead of one in the URL; read at each start.")
    redis_ca_file: str = setting("", "Certificates to trust Redis by where its URL is rediss://; empty: the system's.")
    redis_certificate_file: str = setting("", "Our certificate, where Redis asks for one (its default with TLS).")
    redis_key_file: str = setting("", "Its private key.")
    otlp_endpoint: str = setting("", "Base URL of an OTLP/HTTP collector that spans go to; empty: none are made.")
    otlp_ratio: float = setting(
        0.01, "Share, 0 to 1, of the traces begun here that are kept; others' are theirs to say."
    )


def variable(of: Field[Any]) -> str:
    """The environment variable of a setting."""
    edge = of.metadata.get("edge", "")
    return f"{PREFIX}{edge + '_' if edge else ''}{of.name.upper()}"


def read(kind: type[T], environment: Mapping[str, str] | None = None, **overrides: Any) -> T:
    """Fill a dataclass of settings; raise SettingError for an unknown variable of its edge or a bad value.

    Variables of other edges and of the worker are left alone: one environment may serve all processes.
    """
    environment = os.environ if environment is None else environment
    known = {variable(f): f for f in _fields(kind)}
    edges = {f.metadata.get("edge", "") for f in known.values()}
    strange = sorted(name for name in environment if _ours(name, edges) and name not in known)
    if strange:
        raise SettingError(f"{', '.join(strange)}: no such setting; `stockstream settings` lists them")
    values = {f.name: _value(name, f, environment[name]) for name, f in known.items() if name in environment}
    _keep_secrets(known.values(), values)
    return kind(**{**values, **overrides})


def _keep_secrets(known: Iterable[Field[Any]], values: Mapping[str, Any]) -> None:
    """Those that are secret, and passwords in URLs, are never logged from now on."""
    for of in known:
        if isinstance(text := values.get(of.name), str):
            (keep if of.metadata.get("secret") else keep_of_url)(text)


def _ours(name: str, edges: set[str]) -> bool:
    """Whether a process with settings of these edges has to know this variable."""
    if not name.startswith(PREFIX) or name in OTHERS:
        return False
    rest = name.removeprefix(PREFIX)
    edge = next((edge for edge in EDGES if rest.startswith(edge + "_")), "")
    return edge in edges if edge else edges == {""}


def _value(name: str, of: Field[Any], text: str) -> Any:
    if of.type is int:
        try:
            number = int(text)
        except ValueError:
            raise SettingError(f"{name}={text!r} is not a whole number") from None
        if number < of.metadata.get("least", 1):
            raise SettingError(f"{name}={text} is too small")
        return number
    if of.type is float:
        try:
            share = float(text)
        except ValueError:
            share = -1.0
        if not 0 <= share <= 1:
            raise SettingError(f"{name}={text!r} is not a number from 0 to 1")
        return share
    if of.type is bool:
        if text.lower() not in ("true", "false"):
            raise SettingError(f"{name}={text!r} is neither true nor false")
        return text.lower() == "true"
    return text


def _fields(kind: Any) -> tuple[Field[Any], ...]:
    return fields(kind)


def given(kind: Any, environment: Mapping[str, str] | None = None) -> frozenset[str]:
    """Names of the settings that the environment sets."""
    environment = os.environ if environment is None else environment
    return frozenset(f.name for f in _fields(kind) if environment.get(variable(f)))


def documented(kind: Any, *, edge: str | None = None) -> list[tuple[str, str, str]]:
    """Variable, default and meaning of every setting (of one edge), for the docs and `stockstream settings`."""
    return [
        (variable(f), _text(f.default), f.metadata["doc"])
        for f in _fields(kind)
        if edge is None or f.metadata["edge"] == edge
    ]


def _text(default: Any) -> str:
    return str(default).lower() if isinstance(default, bool) else str(default)

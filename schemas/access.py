"""How our clients get in: security settings in the words of librdkafka and of the registry's and Redis's clients.

Secrets come from files, read when a client is made, so that a rotated secret needs a restart at most.
"""

import ssl
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from schemas.environment import SettingError, Shared

PROTOCOLS: Final = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS: Final = ("SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN", "OAUTHBEARER")


def secret(path: str, variable: str) -> str:
    """The content of a secret's file, without the line's end; raise SettingError where it cannot be read."""
    if not path:
        raise SettingError(f"{variable}: name the file that holds the secret")
    try:
        return Path(path).read_text().rstrip("\r\n")
    except OSError as error:
        raise SettingError(f"{variable}={path}: {error.strerror}") from None


def checked(settings: Shared) -> Shared:
    """The settings, if they say how to get in; raise SettingError naming what is wrong."""
    if settings.security_protocol not in PROTOCOLS:
        raise SettingError(f"STOCKSTREAM_SECURITY_PROTOCOL={settings.security_protocol!r}: use {', '.join(PROTOCOLS)}")
    if sasl(settings):
        if settings.sasl_mechanism not in MECHANISMS:
            raise SettingError(f"STOCKSTREAM_SASL_MECHANISM={settings.sasl_mechanism!r}: use {', '.join(MECHANISMS)}")
        if not settings.sasl_username:
            raise SettingError("STOCKSTREAM_SASL_USERNAME: needed with a SASL protocol")
        if settings.sasl_mechanism == "OAUTHBEARER" and not settings.sasl_token_url:
            raise SettingError("STOCKSTREAM_SASL_TOKEN_URL: needed with OAUTHBEARER")
    if bool(settings.ssl_certificate_file) != bool(settings.ssl_key_file):
        raise SettingError("STOCKSTREAM_SSL_CERTIFICATE_FILE and STOCKSTREAM_SSL_KEY_FILE: set both or none")
    return settings


def encrypted(settings: Shared) -> bool:
    return settings.security_protocol in {"SSL", "SASL_SSL"}


def sasl(settings: Shared) -> bool:
    return settings.security_protocol.startswith("SASL")


def password(settings: Shared) -> str:
    """The SASL password or client secret."""
    return secret(settings.sasl_password_file, "STOCKSTREAM_SASL_PASSWORD_FILE")


def librdkafka(settings: Shared) -> dict[str, Any]:
    """What every client of confluent-kafka needs to reach the broker; raise SettingError."""
    checked(settings)
    conf: dict[str, Any] = {"bootstrap.servers": settings.bootstrap}
    if settings.security_protocol == "PLAINTEXT":
        return conf
    conf["security.protocol"] = settings.security_protocol
    if encrypted(settings):
        files = {
            "ssl.ca.location": settings.ssl_ca_file,
            "ssl.certificate.location": settings.ssl_certificate_file,
            "ssl.key.location": settings.ssl_key_file,
        }
        conf |= {name: path for name, path in files.items() if path}
    if not sasl(settings):
        return conf
    conf["sasl.mechanism"] = settings.sasl_mechanism
    if settings.sasl_mechanism == "OAUTHBEARER":
        conf |= {
            "sasl.oauthbearer.method": "oidc",
            "sasl.oauthbearer.client.id": settings.sasl_username,
            "sasl.oauthbearer.client.secret": password(settings),
            "sasl.oauthbearer.token.endpoint.url": settings.sasl_token_url,
        }
        if settings.sasl_scope:
            conf["sasl.oauthbearer.scope"] = settings.sasl_scope
    else:
        conf |= {"sasl.username": settings.sasl_username, "sasl.password": password(settings)}
    return conf


def tls(settings: Shared) -> ssl.SSLContext:
    """The same trust and certificate for clients that speak TLS by Python's own library."""
    context = ssl.create_default_context(cafile=settings.ssl_ca_file or None)
    if settings.ssl_certificate_file:
        context.load_cert_chain(settings.ssl_certificate_file, settings.ssl_key_file)
    return context


def registry_client(settings: Shared) -> dict[str, Any]:
    """The registry client's configuration; raise SettingError."""
    conf: dict[str, Any] = {"url": settings.registry}
    if settings.registry_ca_file:
        conf["ssl.ca.location"] = settings.registry_ca_file
    if settings.registry_username:
        word = secret(settings.registry_password_file, "STOCKSTREAM_REGISTRY_PASSWORD_FILE")
        conf["basic.auth.user.info"] = f"{settings.registry_username}:{word}"
    return conf


def redis(settings: Shared) -> dict[str, Any]:
    """What a Redis client is given besides the URL; raise SettingError."""
    address = urlsplit(settings.redis)
    options: dict[str, Any] = {}
    if settings.redis_password_file:
        if address.password:
            raise SettingError("STOCKSTREAM_REDIS_PASSWORD_FILE: the URL in STOCKSTREAM_REDIS has a password too")
        options["password"] = secret(settings.redis_password_file, "STOCKSTREAM_REDIS_PASSWORD_FILE")
    if settings.redis_ca_file:
        if address.scheme != "rediss":
            raise SettingError("STOCKSTREAM_REDIS_CA_FILE: needs a URL with rediss:// in STOCKSTREAM_REDIS")
        options["ssl_ca_certs"] = settings.redis_ca_file
    return options

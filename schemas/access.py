"""How our clients get in: security settings in the words of librdkafka and of the registry's and Redis's clients.

Secrets come from files, read when a client is made, so that a rotated secret needs a restart at most.
"""

import os
import ssl
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from schemas.confidential import keep
from schemas.environment import PREFIX, SettingError, Shared

PROTOCOLS: Final = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS: Final = ("SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN", "OAUTHBEARER")


def secret(path: str, variable: str) -> str:
    """The content of a secret's file, without the line's end; raise SettingError where it cannot be read."""
    if not path:
        raise SettingError(f"{variable}: name the file that holds the secret")
    try:
        return keep(Path(path).read_text().rstrip("\r\n"))
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
    _pair(settings, "ssl")
    return settings


def _pair(settings: Shared, of: Literal["ssl", "registry", "redis"]) -> None:
    """Raise SettingError where our certificate is named without its key, or the key alone."""
    certificate, key = (f"{of}_{part}_file" for part in ("certificate", "key"))
    if bool(getattr(settings, certificate)) != bool(getattr(settings, key)):
        raise SettingError(f"{PREFIX}{certificate.upper()} and {PREFIX}{key.upper()}: set both or none")


def _files(settings: Shared, **names: str) -> dict[str, str]:
    """Options of a client that take a file, for those settings that name one; SettingError where it cannot be read.

    TLS libraries tell little of a file that they cannot read.
    """
    named = {option: (name, getattr(settings, name)) for option, name in names.items() if getattr(settings, name)}
    for name, path in named.values():
        try:
            os.close(os.open(path, os.O_RDONLY))  # a folder of certificates is as good
        except OSError as error:
            raise SettingError(f"{PREFIX}{name.upper()}={path}: {error.strerror}") from None
    return {option: path for option, (_, path) in named.items()}


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
        conf |= _files(
            settings,
            **{
                "ssl.ca.location": "ssl_ca_file",
                "ssl.certificate.location": "ssl_certificate_file",
                "ssl.key.location": "ssl_key_file",
            },
        )
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
        conf |= _files(settings, **{"https.ca.location": "sasl_token_ca_file"})
    else:
        conf |= {"sasl.username": settings.sasl_username, "sasl.password": password(settings)}
    return conf


def tls(settings: Shared) -> ssl.SSLContext:
    """The same trust and certificate for clients that speak TLS by Python's own library."""
    own = _files(settings, cafile="ssl_ca_file", certfile="ssl_certificate_file", keyfile="ssl_key_file")
    context = ssl.create_default_context(cafile=own.get("cafile"))
    if "certfile" in own:
        context.load_cert_chain(own["certfile"], own["keyfile"])
    return context


def token_endpoint(settings: Shared) -> ssl.SSLContext:
    """Trust for the token endpoint of OAUTHBEARER, which need not be the broker's."""
    return ssl.create_default_context(cafile=_files(settings, cafile="sasl_token_ca_file").get("cafile"))


def registry_client(settings: Shared) -> dict[str, Any]:
    """The registry client's configuration; raise SettingError."""
    _pair(settings, "registry")
    conf: dict[str, Any] = {"url": settings.registry}
    if settings.registry.startswith("https:"):
        system = ssl.get_default_verify_paths()  # the client's own default is a list that comes with a package
        if trusted := system.cafile or system.capath:
            conf["ssl.ca.location"] = trusted
        conf |= _files(
            settings,
            **{
                "ssl.ca.location": "registry_ca_file",
                "ssl.certificate.location": "registry_certificate_file",
                "ssl.key.location": "registry_key_file",
            },
        )
    if settings.registry_username:
        word = secret(settings.registry_password_file, "STOCKSTREAM_REGISTRY_PASSWORD_FILE")
        conf["basic.auth.user.info"] = f"{settings.registry_username}:{word}"
    return conf


def redis(settings: Shared) -> dict[str, Any]:
    """What a Redis client is given besides the URL; raise SettingError."""
    _pair(settings, "redis")
    address = urlsplit(settings.redis)
    options: dict[str, Any] = _files(
        settings, ssl_ca_certs="redis_ca_file", ssl_certfile="redis_certificate_file", ssl_keyfile="redis_key_file"
    )
    if options and address.scheme != "rediss":
        raise SettingError(
            "STOCKSTREAM_REDIS_CA_FILE and _CERTIFICATE_FILE: need a URL with rediss:// in STOCKSTREAM_REDIS"
        )
    if settings.redis_password_file:
        if address.password:
            raise SettingError("STOCKSTREAM_REDIS_PASSWORD_FILE: the URL in STOCKSTREAM_REDIS has a password too")
        options["password"] = secret(settings.redis_password_file, "STOCKSTREAM_REDIS_PASSWORD_FILE")
    return options

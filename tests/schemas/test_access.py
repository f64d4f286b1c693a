"""How to get in, as settings say it: half a certificate, a file that is not there and a URL without TLS are refused."""

from dataclasses import replace
from pathlib import Path

import pytest

from schemas import access
from schemas.environment import SettingError, Shared

TLS = replace(Shared(), security_protocol="SSL", registry="https://registry:8081", redis="rediss://redis:6379/0")


@pytest.mark.parametrize("of", ["ssl", "registry", "redis"])
@pytest.mark.parametrize("part", ["certificate", "key"])
def test_a_certificate_without_its_key_is_refused(of: str, part: str, tmp_path: Path) -> None:
    """And a key without its certificate; both settings are named."""
    path = tmp_path / "pem"
    path.touch()
    settings = replace(TLS, **{f"{of}_{part}_file": str(path)})

    with pytest.raises(SettingError, match=f"STOCKSTREAM_{of.upper()}_CERTIFICATE_FILE and .*_KEY_FILE: set both"):
        (access.librdkafka(settings), access.registry_client(settings), access.redis(settings))


@pytest.mark.parametrize(
    "name",
    ["ssl_ca_file", "registry_ca_file", "redis_ca_file", "sasl_token_ca_file"],
)
def test_a_file_that_cannot_be_read_is_named(name: str, tmp_path: Path) -> None:
    """Whichever client it is for."""
    secret = tmp_path / "secret"
    secret.write_text("word")
    by_token = {"security_protocol": "SASL_SSL", "sasl_mechanism": "OAUTHBEARER", "sasl_username": "worker"}
    by_token |= {"sasl_password_file": str(secret), "sasl_token_url": "https://login:443/token"}
    settings = replace(TLS, **by_token, **{name: str(tmp_path / "nowhere")})

    with pytest.raises(SettingError, match=f"STOCKSTREAM_{name.upper()}=.*nowhere: No such file"):
        (access.librdkafka(settings), access.registry_client(settings), access.redis(settings))


@pytest.mark.parametrize("name", ["redis_ca_file", "redis_certificate_file"])
def test_redis_without_tls_takes_no_certificates(name: str, tmp_path: Path) -> None:
    """Somebody believes the connection is encrypted."""
    path = tmp_path / "pem"
    path.touch()
    changes = {name: str(path)} | ({"redis_key_file": str(path)} if "certificate" in name else {})

    with pytest.raises(SettingError, match="rediss://"):
        access.redis(replace(TLS, redis="redis://redis:6379/0", **changes))


def test_each_client_is_told_in_its_own_words(tmp_path: Path) -> None:
    """The broker's, the registry's and Redis's certificates are three."""
    names = [f"{of}_{part}_file" for of in ("ssl", "registry", "redis") for part in ("ca", "certificate", "key")]
    for name in names:
        (tmp_path / name).touch()
    settings = replace(TLS, **{name: str(tmp_path / name) for name in names})

    def told(of: str, **words: str) -> dict[str, str]:
        return {word: str(tmp_path / f"{of}_{part}_file") for part, word in words.items()}

    rdkafka = {"ca": "ssl.ca.location", "certificate": "ssl.certificate.location", "key": "ssl.key.location"}
    assert told("ssl", **rdkafka).items() <= access.librdkafka(settings).items()
    assert told("registry", **rdkafka).items() <= access.registry_client(settings).items()
    assert told("redis", ca="ssl_ca_certs", certificate="ssl_certfile", key="ssl_keyfile") == access.redis(settings)

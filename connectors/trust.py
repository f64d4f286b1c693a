"""Whom our HTTPS clients trust: the system's authorities, or those of a file; and what to say where neither signed."""

import ssl
from collections.abc import Callable
from typing import Final

import httpx2

from schemas.environment import SettingError

Trust = ssl.SSLContext | bool
"""What a client is given: a context, or True for the system's authorities."""
UNKNOWN: Final = frozenset({18, 19, 20, 21})
"""OpenSSL's codes for a certificate that no trusted authority has signed; others are of a name or a time."""


def by(path: str, setting: str) -> Trust:
    """Trust by the file's certificates alone, for a client of one peer; raise SettingError naming the setting."""
    return _loaded(path, setting, lambda: ssl.create_default_context(cafile=path))


def besides(path: str, setting: str, *, trust_env: bool = True) -> Trust:
    """Trust by the file's certificates beside the system's, for clients of many peers, public ones among them."""

    def context() -> ssl.SSLContext:
        both = httpx2.create_ssl_context(trust_env=trust_env)
        both.load_verify_locations(path)
        return both

    return _loaded(path, setting, context)


def _loaded(path: str, setting: str, context: Callable[[], ssl.SSLContext]) -> Trust:
    if not path:
        return True
    try:
        return context()
    except ssl.SSLError:
        raise SettingError(f"{setting}={path}: no certificates in PEM, or one that is damaged") from None
    except OSError as error:
        raise SettingError(f"{setting}={path}: {error.strerror}") from None


def advice(error: BaseException | None, setting: str) -> str:
    """What to add to the words of an error that says the peer's authority is not known; nothing to any other."""
    while error is not None:
        found = getattr(error, "certificate_error", error)  # aiohttp's holds the very one
        if isinstance(found, ssl.SSLCertVerificationError) and found.verify_code in UNKNOWN:
            return f"; {setting} names a private authority to trust"
        error = error.__cause__ or error.__context__
    return ""

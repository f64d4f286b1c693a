"""API keys: `sk_ID_SECRET`, shown once when made; the file keeps SHA-256 of the secret, and is read again on change.

A secret has 256 random bits, so a plain hash cannot be guessed back; a slow one would only slow down the API.
"""

import hashlib
import hmac
import logging
import os
import re
import secrets
import stat
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson
import yaml

from connectors.api.security import SCOPES, Principal
from schemas.clock import wall_ms
from schemas.environment import SettingError

_ID: Final = re.compile(r"[0-9a-f]{12}")
_HASH: Final = re.compile(r"sha256:[0-9a-f]{64}")
LOOK_S: Final = 1.0
"""How often the file is looked at for changes: a revoked key is refused that soon."""
log = logging.getLogger(__name__)
NOBODY: Final = "sha256:" + "0" * 64


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key as the file keeps it; times are ISO 8601 with an offset."""

    id: str
    name: str
    hash: str
    scopes: tuple[str, ...]
    channel: str | None = None
    partner: str | None = None
    not_before: str | None = None
    expires: str | None = None
    rate: int | None = None
    created: str = ""
    revoked: str | None = None
    window: tuple[float, float] = field(default=(0.0, float("inf")), compare=False)
    """Validity in ms of the wall clock, worked out when it is read."""

    def valid_at(self, now: int) -> bool:
        return self.revoked is None and self.window[0] <= now < self.window[1]

    def principal(self) -> Principal:
        end = self.window[1]
        expires = None if end == float("inf") else int(end)
        return Principal(f"key:{self.id}", self.channel, self.partner, frozenset(self.scopes), self.rate, expires)


class KeyFile:
    """The keys in a file; one that cannot be read keeps the last good ones in force, and is tried again each time."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._looked = time.monotonic()
        self._stamp = _stamp(self._path)
        self._keys = {key.id: key for key in load(self._path)}
        self._fault: str | None = None

    def principal(self, credential: str) -> Principal | None:
        """The key's principal, None for any that is not valid now; takes as long whether the id is known or not."""
        _, _, rest = credential.partition("_")
        identifier, _, secret = rest.partition("_")
        key = self._current().get(identifier)
        right = hmac.compare_digest(hashed(secret), key.hash if key else NOBODY)
        return key.principal() if key and right and key.valid_at(wall_ms()) else None

    def still_valid(self, principal: Principal) -> bool:
        kind, _, identifier = principal.id.partition(":")
        key = self._current().get(identifier)
        return kind != "key" or (key is not None and key.principal() == principal and key.valid_at(wall_ms()))

    def fault(self) -> str | None:
        """Why what the file says now is not in force."""
        self._current()
        return self._fault

    def _current(self) -> dict[str, ApiKey]:
        now = time.monotonic()
        if now - self._looked >= LOOK_S:
            self._looked = now
            stamp = _stamp(self._path)
            if stamp != self._stamp or self._fault:
                self._reload(stamp)
        return self._keys

    def _reload(self, stamp: tuple[int, ...]) -> None:
        try:
            self._keys = {key.id: key for key in load(self._path)}
        except SettingError as error:
            if (told := str(error)) != self._fault:
                log.error("%s; the keys read last stay in force, those revoked since too", told)  # noqa: TRY400
            self._fault = told
            return
        if self._fault:
            log.warning("%s: the keys can be read again", self._path)
        self._stamp, self._fault = stamp, None


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError:
        return (0,)
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino


def hashed(secret: str) -> str:
    return "sha256:" + hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


# ---- the file ---------------------------------------------------------------------------------------------------


def load(path: Path) -> list[ApiKey]:
    """Read the file, JSON or YAML; raise SettingError naming the key and field at fault."""
    try:
        document = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingError(f"{path}: {error}; make it with `stockstream api-keys create`") from None
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise SettingError(f"{path}: expected a mapping with a list `keys`")
    keys = [_key(entry, f"{path}: keys[{number}]") for number, entry in enumerate(entries)]
    if len({key.id for key in keys}) != len(keys):
        raise SettingError(f"{path}: two keys have one id")
    return keys


_KNOWN: Final = tuple(f.name for f in fields(ApiKey) if f.name != "window")


def _key(entry: Any, where: str) -> ApiKey:
    if not isinstance(entry, dict):
        raise SettingError(f"{where}: expected a mapping, found {entry!r}")
    if strange := sorted(set(entry) - set(_KNOWN)):
        raise SettingError(f"{where}: unknown {', '.join(map(str, strange))}; known are {', '.join(_KNOWN)}")
    for name in ("id", "name", "hash"):
        if not isinstance(entry.get(name), str):
            raise SettingError(f"{where}.{name}: text is needed")
    for name in ("channel", "partner", "revoked"):
        if not isinstance(entry.get(name), str | None) or entry.get(name) == "":
            raise SettingError(f"{where}.{name}: text or null is needed")
    if not _ID.fullmatch(entry["id"]) or not _HASH.fullmatch(entry["hash"]):
        raise SettingError(f"{where}: id is 12 hex digits and hash is sha256: and 64 hex digits")
    rate = entry.get("rate")
    if rate is not None and (type(rate) is not int or rate < 1):
        raise SettingError(f"{where}.rate: {rate!r} is not a number of requests per second")
    scopes = _scopes(entry.get("scopes"), f"{where}.scopes")
    start, end = (_time(entry.get(name), f"{where}.{name}") for name in ("not_before", "expires"))
    window = (0.0 if start is None else start, float("inf") if end is None else end)
    return ApiKey(**{**entry, "scopes": scopes, "window": window})


def _scopes(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or any(scope not in SCOPES for scope in value):
        raise SettingError(f"{where}: {value!r}; name some of {', '.join(SCOPES)}")
    return tuple(value)


def _time(value: Any, where: str) -> float | None:
    """ISO 8601 as ms; YAML may have read it as a time already."""
    if value is None:
        return None
    try:
        read = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise SettingError(f"{where}: {value!r} is not a time such as 2027-01-31T00:00:00+00:00") from None
    if read.tzinfo is None:
        raise SettingError(f"{where}: {value!r} has no offset; write 2027-01-31T00:00:00+00:00")
    return read.timestamp() * 1000


def described(key: ApiKey) -> dict[str, Any]:
    """A key for people and machines: all but the hash."""
    return {name: getattr(key, name) for name in _KNOWN if name != "hash"}


def save(path: Path, keys: Iterable[ApiKey]) -> None:
    """Replace the file in one step. Mode and owner stay as they are; a new one is readable by its owner only.

    Raise SettingError for a file of another user's that we cannot leave to it.
    """
    path = path.resolve()  # not a link to it
    entries = [{name: getattr(key, name) for name in _KNOWN} for key in keys]
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            _as_before(path, descriptor)
            file.write(orjson.dumps({"keys": entries}, option=orjson.OPT_INDENT_2) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _as_before(path: Path, descriptor: int) -> None:
    """Give the new file the mode and owner of the one it replaces: whoever reads that goes on reading."""
    if not path.exists():
        return
    before = path.stat()
    try:
        os.fchown(descriptor, before.st_uid, before.st_gid)
    except PermissionError:
        owner = f"user {before.st_uid}, group {before.st_gid}"
        raise SettingError(f"{path} belongs to {owner}: run this as its owner, or as root") from None
    os.fchmod(descriptor, stat.S_IMODE(before.st_mode))


def create(path: Path, name: str, scopes: Iterable[str], **terms: Any) -> tuple[str, ApiKey]:
    """Add a key to the file (made if missing); return its text, which is kept nowhere, and what the file keeps."""
    keys = load(path) if path.exists() else []
    identifier, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    entry = {"id": identifier, "name": name, "hash": hashed(secret), "scopes": list(scopes), "created": _now(), **terms}
    key = _key(entry, "the new key")
    save(path, [*keys, key])
    return f"sk_{identifier}_{secret}", key


def revoke(path: Path, identifier: str) -> ApiKey:
    """Mark a key revoked; raise KeyError where there is none."""
    keys = {key.id: key for key in load(path)}
    keys[identifier] = replace(keys[identifier], revoked=keys[identifier].revoked or _now())
    save(path, keys.values())
    return keys[identifier]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")

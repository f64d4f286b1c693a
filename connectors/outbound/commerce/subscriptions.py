"""Who hears of a channel's changes, as declared in subscriptions.yaml; every mistake names its path in the file."""

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

import orjson
import yaml

from connectors.outbound.commerce.addresses import Addresses, Refused
from connectors.outbound.commerce.settings import Commerce
from connectors.outbound.commerce.signing import SecretError, SecretPlace, signer

_ID: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,48}")
_KNOWN: Final = ("channel", "url", "secrets", "skus", "segments", "batch_size", "batch_ms", "enabled")


class SubscriptionsError(ValueError):
    """A declaration that cannot be used; the message names its path."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """One receiver of one channel's changes."""

    id: str
    channel: str
    url: str
    secrets: tuple[SecretPlace, ...]
    """One or two; all sign."""
    skus: tuple[str, ...] = ()
    """Patterns (`BOLT-*`) of the SKUs it wants; none: all."""
    segments: frozenset[str] = frozenset()
    """Segments of the items it wants; none: all."""
    batch_size: int = 100
    batch_ms: int = 200
    enabled: bool = True
    declaration: str = ""
    """Fingerprint of the declaration: a change of it enables a disabled subscription again."""

    @property
    def topic(self) -> str:
        return f"channel.{self.channel}.availability"

    def wants(self, sku: str, segment: str | None) -> bool:
        """Whether a change is its business. An item nobody knows yet is: rather one change too many than one missing."""
        if self.skus and not any(fnmatchcase(sku, pattern) for pattern in self.skus):
            return False
        return not self.segments or segment is None or segment in self.segments


def load(settings: Commerce, channels: Collection[str]) -> dict[str, Subscription]:
    """Read and check the declaration; raise SubscriptionsError."""
    path = Path(settings.subscriptions)
    try:
        document = yaml.safe_load(path.read_text())
    except OSError as error:
        raise SubscriptionsError(
            f"{path}: {error.strerror}; set STOCKSTREAM_COMMERCE_SUBSCRIPTIONS to the declaration"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SubscriptionsError(f"{path}: not YAML: {error}") from None
    if document is None:
        document = {}
    if not isinstance(document, Mapping) or set(document) - {"subscriptions"}:
        raise SubscriptionsError(f"{path}: expected one mapping, `subscriptions`")
    declared = document.get("subscriptions") or {}
    if not isinstance(declared, Mapping):
        raise SubscriptionsError(f"{path}: subscriptions: expected a mapping by id")
    return {str(name): _subscription(str(name), value, settings, channels) for name, value in declared.items()}


def _subscription(name: str, value: object, settings: Commerce, channels: Collection[str]) -> Subscription:
    at = f"subscriptions.{name}"
    if not _ID.fullmatch(name):
        raise SubscriptionsError(f"{at}: an id is part of a consumer group's name: use a-z, 0-9, '-' and '_'")
    if not isinstance(value, Mapping):
        raise SubscriptionsError(f"{at}: expected a mapping")
    unknown = [str(key) for key in value if key not in _KNOWN]
    if unknown:
        raise SubscriptionsError(f"{at}: unknown setting {unknown[0]!r}; known are {', '.join(_KNOWN)}")
    channel, url, enabled = value.get("channel"), value.get("url"), value.get("enabled", True)
    if channel not in channels:
        raise SubscriptionsError(f"{at}.channel: {channel!r} is not a declared channel; {', '.join(sorted(channels))}")
    if not isinstance(url, str):
        raise SubscriptionsError(f"{at}.url: {url!r} is not a URL")
    if not isinstance(enabled, bool):
        raise SubscriptionsError(f"{at}.enabled: {enabled!r} is neither true nor false")
    try:
        Addresses(settings.allow, allow_http=settings.allow_http).parts(url)
    except Refused as error:
        raise SubscriptionsError(f"{at}.url: {error}") from None
    return Subscription(
        name,
        str(channel),
        url,
        _secrets(at, value.get("secrets")),
        _texts(f"{at}.skus", value.get("skus")),
        frozenset(_texts(f"{at}.segments", value.get("segments"))),
        _whole(f"{at}.batch_size", value.get("batch_size", settings.batch_size), 1_000),
        _whole(f"{at}.batch_ms", value.get("batch_ms", settings.batch_ms), 60_000),
        enabled,
        hashlib.blake2b(orjson.dumps(value, option=orjson.OPT_SORT_KEYS), digest_size=8).hexdigest(),
    )


def _secrets(at: str, value: object) -> tuple[SecretPlace, ...]:
    """One or two of `{env: NAME}` or `{file: PATH}`, each of which can be read now."""
    if not isinstance(value, list) or not 1 <= len(value) <= 2:
        raise SubscriptionsError(f"{at}.secrets: name one or two, each as {{env: NAME}} or {{file: PATH}}")
    places = []
    for number, part in enumerate(value):
        here = f"{at}.secrets[{number}]"
        if not isinstance(part, Mapping) or len(part) != 1 or not set(part) <= {"env", "file"}:
            raise SubscriptionsError(
                f"{here}: expected {{env: NAME}} or {{file: PATH}}; a secret is never written here"
            )
        place = SecretPlace(**{str(kind): str(name) for kind, name in part.items()})
        try:
            signer(place)
        except SecretError as error:
            raise SubscriptionsError(f"{here}: {error}") from None
        places.append(place)
    return tuple(places)


def _texts(at: str, value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not value or not all(isinstance(part, str) for part in value):
        raise SubscriptionsError(f"{at}: {value!r} is not a list of texts")
    return tuple(value)


def _whole(at: str, value: Any, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise SubscriptionsError(f"{at}: {value!r} is not a whole number from 1 to {most}")
    return value

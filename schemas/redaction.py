"""What may be logged: no secret, no payload, no bytes, nothing without bounds. Takes texts and whatever fields hold.

Three sieves: the names of fields (a `password` is dropped, a `payload` shown as its size), the forms that credentials
have in texts, and the very secrets that the process has read (schemas/confidential.py).
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Final

from schemas.confidential import BYTES, CONFIDENTIAL, GONE

LOOKED_AT: Final = 16 << 10
"""Characters of a text that are looked at; of a longer one, as many at either end."""
SHOWN: Final = 6_000
"""Characters of a text that are shown."""
DEEPEST: Final = 6
MOST: Final = 50
"""Entries of a list or mapping that are shown."""
HALF: Final = 4_096
"""Characters next to a cut in which half a credential may stand."""

_PLACES: Final = ("_file", "_path", "_url", "_env", "_location", "_key_id", "_type", "_username", "_mechanism")
"""Ends of names that tell where a secret is or whose, not what it is."""
_SECRET: Final = re.compile(
    r"passw|pwd|secret|token|authoriz|api_?key|credential|private_?key|sign(?:ing)?_?key|access_?key|jaas|sasl|cookie"
    r"|signature|userinfo|user_info"
)
_PAYLOAD: Final = frozenset({"value", "payload", "original", "body", "content", "record", "data"})
_NAMED: Final = (
    r"(?:passw(?:or)?d|passwd|passphrase|pwd|secret|token|api[_-]?key|credentials?|private[_-]?key|signing[_-]?key"
    r"|access[_-]?key|cookie|basic\.auth\.user\.info|webhook-signature)"
)
_VALUE: Final = r"""(?:\\*"(?:[^"\\]|\\.)*"|\\*'(?:[^'\\]|\\.)*'|\\*["']?[^\s,;&"'<>)\]}]+)"""
_TEXTS: Final[tuple[tuple[tuple[str, ...], re.Pattern[str], str], ...]] = (
    (
        ("private key",),
        re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
        GONE,
    ),
    (("jaas",), re.compile(r"(?i)(jaas\.config\W{1,4})[^;\n]*;?"), rf"\1{GONE}"),
    (("loginmodule",), re.compile(r"(LoginModule\s+\w+)[^;\n]*;?"), rf"\1 {GONE}"),
    (("@",), re.compile(r"://[^\s/\"'<>]*@"), f"://{GONE}@"),
    (("sk_",), re.compile(r"\b(sk_[0-9a-f]{12})_[\w-]+"), rf"\1_{GONE}"),
    (("whsec_",), re.compile(r"whsec_[\w+/=%-]+"), f"whsec_{GONE}"),
    (("eyj",), re.compile(r"eyJ[\w-]{5,}\.[\w-]+(?:\.[\w-]*)*"), GONE),
    (
        ("authorization",),
        re.compile(
            r"(?i)\b(authorization\b[\"'\\]*\s*[:=,]\s*[\"'\\]*)(?:(?:bearer|basic|digest|negotiate)\s+)?[\w.~+/=%:-]+"
        ),
        rf"\1{GONE}",
    ),
    (
        ("bearer",),
        re.compile(r"(?i)\b(bearer\s+)(?=[\w.~+/=%-]*[\d_.-])[\w.~+/=%-]{6,}"),
        rf"\1{GONE}",
    ),
    (
        ("pass", "pwd", "secret", "token", "key", "credential", "cookie", "user.info", "webhook-signature"),
        re.compile(rf"(?i)({_NAMED}(?:\\*[\"'])?\s{{0,2}}[=:]\s{{0,2}}){_VALUE}"),
        rf"\1{GONE}",
    ),
)
"""Words of which one is in every text that has such a credential, in lower case; its form; what stands instead."""
_BASIC: Final = re.compile(r"(?i)\b(basic\s+)([\w+/=%-]{6,})")


def text(told: str, most: int = SHOWN) -> str:
    """A text as it may be told; of one that is too long the beginning and more of the end."""
    if len(told) <= LOOKED_AT:
        clean = _clean(told)
        if len(clean) <= most:
            return clean
        head = tail = clean
    else:  # half a secret may stand where it is cut
        half = max(HALF, CONFIDENTIAL.longest)
        head, tail = _clean(told[:LOOKED_AT])[:-half], _clean(told[-LOOKED_AT:])[half:]
    begun = most // 3
    return f"{head[:begun]} [… of {len(told)} characters …] {tail[begun - most :]}"


def _clean(told: str) -> str:
    clean = CONFIDENTIAL.without(told)
    lower = clean.lower()
    if "b'" in lower or 'b"' in lower:
        clean = BYTES.sub(_size_of_literal, clean)
    for words, found, instead in _TEXTS:
        if any(map(lower.__contains__, words)):
            clean = found.sub(instead, clean)
    return _BASIC.sub(_basic, clean) if "basic" in lower else clean


def value(told: Any, depth: int = 0) -> Any:
    """Anything as JSON that may be told: only mappings, lists, texts, numbers, true, false and null come out."""
    if told is None or isinstance(told, bool):
        return told
    if isinstance(told, str):
        return text(str.__str__(told))
    if isinstance(told, int | float) and type(told) in (int, float):
        return _number(told)
    if isinstance(told, bytes | bytearray | memoryview):
        return size(told)
    if depth >= DEEPEST:
        return "…"
    if isinstance(told, Mapping):
        return _mapping(told, depth)
    if isinstance(told, list | tuple | AbstractSet):
        some = [value(each, depth + 1) for _, each in zip(range(MOST), told, strict=False)]
        return [*some, f"… {len(told) - MOST} more"] if len(told) > MOST else some
    return text(_shown(told))


def field(name: str, told: Any, depth: int = 0) -> Any:
    """A field's value, by its name: a secret is dropped, a payload is shown by its size."""
    normal = re.sub(r"[^a-z0-9]+", "_", name.lower())
    if _SECRET.search(normal) and not normal.endswith(_PLACES):
        return None if told is None else GONE
    if normal in _PAYLOAD:
        return None if told is None else size(told)
    return value(told, depth)


def size(told: Any) -> str:
    """Length and a short digest: whether two are the same can be seen, what they say cannot."""
    raw = bytes(told) if isinstance(told, bytes | bytearray | memoryview) else _shown(told).encode("utf-8", "replace")
    unit = "bytes" if isinstance(told, bytes | bytearray | memoryview) else "characters"
    return f"[{len(raw)} {unit}, blake2b {hashlib.blake2b(raw, digest_size=6).hexdigest()}]"


def argument(told: Any) -> Any:
    """An argument of a message, before it becomes a part of it."""
    if isinstance(told, int | float | str) or told is None:
        return told
    if isinstance(told, bytes | bytearray | memoryview):
        return size(told)
    if isinstance(told, Mapping | list | tuple | AbstractSet):
        return value(told)
    return told


def _mapping(told: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    clean: dict[str, Any] = {}
    for number, (name, each) in enumerate(told.items()):
        if number == MOST:
            clean["…"] = f"{len(told) - MOST} more"
            break
        key = size(name) if isinstance(name, bytes) else _shown(name)
        plain = name.decode("ascii", "replace") if isinstance(name, bytes) else key
        clean[text(key, 200)] = field(plain, each, depth + 1)
    return clean


def _number(told: float) -> Any:
    if told != told or told in (float("inf"), float("-inf")):  # noqa: PLR0124 - JSON has no such numbers
        return str(told)
    if isinstance(told, int) and told.bit_length() > 128:
        return f"[an integer of {told.bit_length()} bits]"
    shown = repr(told)
    return told if CONFIDENTIAL.without(shown) == shown else GONE


def _shown(told: Any) -> str:
    """As text; whatever cannot even be shown is named by its type."""
    try:
        return told if type(told) is str else str(told)
    except Exception:  # noqa: BLE001 - a log line must not fail
        return f"<{type(told).__name__}>"


def _size_of_literal(found: re.Match[str]) -> str:
    return f"[about {len(found.group()) - 3} bytes]"


def _basic(found: re.Match[str]) -> str:
    """Credentials of basic authentication, told from prose by the colon they have within."""
    encoded = found.group(2).replace("%2B", "+").replace("%2F", "/").replace("%3D", "=")
    try:
        plain = base64.b64decode(encoded.replace("-", "+").replace("_", "/") + "==")
    except (binascii.Error, ValueError):
        return found.group()
    return f"{found.group(1)}{GONE}" if b":" in plain else found.group()

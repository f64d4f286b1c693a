"""Secrets that this process knows, so that none of them is ever told: each is found as it is and as others write it.

Whoever reads a secret keeps it here; schemas/redaction.py takes it out of whatever is logged.
"""

import base64
import re
import threading
from typing import Final
from urllib.parse import quote, unquote, urlsplit

GONE: Final = "[redacted]"
LEAST: Final = 4
"""Characters below which a text is no secret: it would be found in every line."""
CORE: Final = 8
"""Characters of base64 below which a find would be chance."""
BYTES: Final = re.compile(r"\bb(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")", re.DOTALL)
"""Bytes as Python writes them."""
_BASE64: Final = {"+": r"(?:[+-]|%2B|%2D)", "-": r"(?:[+-]|%2B|%2D)", "/": "(?:[/_]|%2F)", "_": "(?:[/_]|%2F)"}
_SHORT: Final = {"\n": "n", "\r": "r", "\t": "t", "\f": "f", "\b": "b", "\v": "v", "\0": "0", " ": None}


class Confidential:
    """Texts that are secret, and one expression that finds them all."""

    def __init__(self) -> None:
        self._known: dict[str, bool] = {}
        self._lock = threading.Lock()
        self._found: re.Pattern[str] | None = None
        self._signs: tuple[str, ...] = ()
        """One of these stands in every text that holds a secret unescaped; an empty one is in every text."""
        self.longest = 0
        """Characters that a secret may take at most, however it is written."""

    def keep(self, secret: str) -> str:
        """Never tell this text from now on; returns it. Nothing is kept of what is shorter than LEAST."""
        for text in {secret, secret.strip()}:
            if len(text) >= LEAST and text not in self._known:
                with self._lock:
                    self._known[text] = True
                    self._compile()
        return secret

    def _compile(self) -> None:
        known = sorted(self._known, key=len, reverse=True)
        self.longest = 16 * max(map(len, known), default=0)
        self._signs = tuple({_run(part) for each in known for part in (each, *_cores(each))})
        self._found = re.compile("|".join(form for each in known for form in _forms(each))) if known else None

    def forget(self, secret: str) -> None:
        """It is no longer in force: a token that ran out."""
        with self._lock:
            if self._known.pop(secret, None) is not None:
                self._compile()

    def keep_of_url(self, url: str) -> str:
        """Never tell the password in a URL, if there is one; returns the URL."""
        try:
            word = urlsplit(url).password if "@" in url else None
        except ValueError:  # no URL; whoever asks for one says so
            word = None
        if word:
            self.keep(word)
            self.keep(unquote(word))
        return url

    def without(self, text: str) -> str:
        """The text, its secrets replaced. To look closely is dear, so first whether there is anything to find."""
        found = self._found
        if found is None or not (any(map(text.__contains__, self._signs)) or _escaped(text)):
            return text
        return found.sub(GONE, text)


def _escaped(text: str) -> bool:
    """Whether anything in a text may be written otherwise; bytes are, but no secret within them is ever shown."""
    return "%" in text or ("\\" in text and "\\" in BYTES.sub("", text))


def _run(text: str) -> str:
    """The longest part that every way of writing leaves as it is, unless it escapes all."""
    return max(re.findall(r"[A-Za-z0-9]+", text), key=len, default="")


def _forms(secret: str) -> list[str]:
    """Expressions for a secret as it is, percent-encoded, escaped by repr or JSON, and within base64 of anything."""
    return ["".join(map(_character, secret)), *map(_encoded, _cores(secret))]


def _character(one: str) -> str:
    r"""One character in all its spellings: é, %C3%A9, \xe9, \u00e9, \xc3\xa9; escapes may be escaped themselves."""
    raw = one.encode("utf-8", "surrogatepass")
    spelt = [re.escape(one), *_any_case(quote(raw, safe="")), *_any_case("".join(f"%{byte:02X}" for byte in raw))]
    if one == "\\":
        spelt = [r"\\+", *spelt[1:]]
    else:
        spelt[0] = rf"\\*{spelt[0]}" if not one.isalnum() else spelt[0]
    spelt.append("".join(rf"\\+x{_hex(f'{byte:02x}')}" for byte in raw))
    spelt.append("".join(rf"\\+u{_hex(unit)}" for unit in _units(one)))
    if len(raw) > 1:
        spelt += [rf"\\+x{_hex(f'{ord(one):02x}')}"] if ord(one) < 256 else []
        spelt += [rf"\\+U{_hex(f'{ord(one):08x}')}"] if ord(one) > 0xFFFF else []
    if (short := _SHORT.get(one)) is not None:
        spelt.append(rf"\\+{short}")
    if one == " ":
        spelt.append(r"\+")
    return f"(?:{'|'.join(dict.fromkeys(spelt))})"


def _units(one: str) -> list[str]:
    """UTF-16 code units in hexadecimal, as JSON writes them."""
    raw = one.encode("utf-16-be", "surrogatepass")
    return [raw[at : at + 2].hex() for at in range(0, len(raw), 2)]


def _any_case(text: str) -> list[str]:
    """A percent-encoded text, its hexadecimal digits in either case; nothing for a text that is not."""
    return ["".join(f"%{_hex(part)}" for part in text.split("%")[1:])] if text.startswith("%") else []


def _hex(digits: str) -> str:
    return "".join(one if one.isdigit() else f"[{one.lower()}{one.upper()}]" for one in digits)


def _cores(secret: str) -> list[str]:
    """What base64 of anything that holds the secret has in common, by where in a group of three bytes it begins."""
    raw = secret.encode("utf-8", "surrogatepass")
    cores = []
    for before in range(3):
        text = base64.b64encode(b"\0" * before + raw).decode()
        cores.append(text[(before * 8 + 5) // 6 : (before + len(raw)) * 8 // 6])
    return [core for core in cores if len(core) >= CORE]


def _encoded(core: str) -> str:
    return "".join(_BASE64.get(one, one) for one in core) + "[A-Za-z0-9+/_-]*=*"


CONFIDENTIAL: Final = Confidential()
"""Of this process."""
keep: Final = CONFIDENTIAL.keep
keep_of_url: Final = CONFIDENTIAL.keep_of_url

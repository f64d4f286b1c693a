"""W3C Trace Context, level 1: which trace a record or a request belongs to, as it travels in headers.

It is handed on as it came, byte for byte; whoever makes a span of its own writes version 00. What is malformed is ignored.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"
_FORM: Final = re.compile(r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_LONGEST: Final = 512
"""Characters: what others have to hand on at least of `tracestate`; a longer one is left out, as the standard allows."""


@dataclass(frozen=True, slots=True)
class TraceContext:
    """A place in a trace: both headers, as text. Made by `parsed` or from a span, so always well-formed."""

    traceparent: str
    tracestate: str = ""

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits."""
        return self.traceparent[3:35]

    @property
    def span_id(self) -> str:
        """16 hexadecimal digits: the caller's span."""
        return self.traceparent[36:52]

    @property
    def flags(self) -> int:
        return int(self.traceparent[53:55], 16)

    @property
    def sampled(self) -> bool:
        """Whether whoever began the trace keeps it."""
        return bool(self.flags & 1)

    def kafka(self) -> list[tuple[str, bytes]]:
        """As headers of a record."""
        return [(name, value.encode()) for name, value in self.http().items()]

    def http(self) -> dict[str, str]:
        """As headers of a request."""
        given = {TRACEPARENT: self.traceparent}
        return {**given, TRACESTATE: self.tracestate} if self.tracestate else given


def parsed(traceparent: str, tracestate: str = "") -> TraceContext | None:
    """The context of these two headers; None where `traceparent` is malformed.

    Of a version to come, what 00 knows is read and the rest is left as it is. A `tracestate` that is too long or has
    other than printable ASCII is left out; its entries are nobody's business here.
    """
    if len(traceparent) > _LONGEST or (found := _FORM.fullmatch(traceparent)) is None or not traceparent.isprintable():
        return None
    if found[1] == "00" and found[5] is not None:
        return None
    usable = len(tracestate) <= _LONGEST and tracestate.isascii() and tracestate.isprintable()
    return TraceContext(traceparent, tracestate if usable else "")


def from_kafka(headers: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> TraceContext | None:
    """The context in a record's headers; of two headers of a name the last counts."""
    given = dict(headers)
    parent = given.get(TRACEPARENT)
    if parent is None:
        return None
    return parsed(_text(parent), _text(given.get(TRACESTATE)))


def from_http(headers: Iterable[tuple[bytes, bytes]]) -> TraceContext | None:
    """The context in a request's headers, names in lower case; two of `traceparent` are none, `tracestate` is joined."""
    parent, states = None, []
    for name, value in headers:
        if name == b"traceparent":
            if parent is not None:
                return None
            parent = value
        elif name == b"tracestate":
            states.append(value)
    return None if parent is None else parsed(_text(parent).strip(" \t"), _text(b",".join(states)))


def _text(value: Any) -> str:
    """Bytes as text, one character each, so that nothing fails to decode; what is no bytes counts as absent."""
    return value.decode("latin-1") if isinstance(value, bytes) else ""

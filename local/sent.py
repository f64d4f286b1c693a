"""One record on its way from the simulated business to a producer."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Sent(NamedTuple):
    """A value to encode, or raw bytes where the point is that they are not Avro."""

    at: int  # business time of sending, ms
    producer: str
    topic: str
    key: str | None
    value: Mapping[str, Any] | None
    raw: bytes | None
    label: str  # for people: scan type or record kind
    mark: str  # for people: what was done to it on the way (duplicate, late, offline, bad …); empty: nothing

"""The channels as declared in channels.yaml: where each may sell from, what it keeps back, when it wants to hear.

Parses a dict that someone else has read; every mistake names its path in the file.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from tables.fallback import FallbackRule, Rule
from tables.materiality import Materiality, SegmentMateriality

T = TypeVar("T")
_ID: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,48}")


class ChannelsError(ValueError):
    """A declaration that cannot be used; the message names its path."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One place that sells, with its share of the network."""

    id: str
    sourcing: tuple[str, ...]
    """Locations it may sell from, in the order it lists them."""
    segments: frozenset[str] | None = None
    """Segments of items it sells; none: all of them."""
    buffer: int = 0
    """Units kept back of the sum over its locations."""
    buffers: Mapping[str, int] = field(default_factory=dict)
    """The same by segment."""
    low_at: int = 0
    """Up to this many units a shop says there are few left."""
    materiality: SegmentMateriality = field(default_factory=SegmentMateriality)
    fallback: FallbackRule = field(default_factory=FallbackRule)

    def sells(self, segment: str) -> bool:
        return self.segments is None or segment in self.segments

    def buffer_of(self, segment: str) -> int:
        return self.buffers.get(segment, self.buffer)

    @property
    def topic(self) -> str:
        return f"channel.{self.id}.availability"


@dataclass(frozen=True, slots=True)
class Channels:
    """All of channels.yaml: when a position's own change is told, and the channels."""

    materiality: SegmentMateriality = field(default_factory=SegmentMateriality)
    """For `availability.deltas`."""
    channels: tuple[Channel, ...] = ()
    plans: dict[bytes, Any] = field(default_factory=dict, compare=False, repr=False)
    """What tables/offer.py has worked out from the above; a memory, not a setting."""

    @property
    def locations(self) -> tuple[str, ...]:
        """Every location some channel sells from."""
        return tuple(dict.fromkeys(place for channel in self.channels for place in channel.sourcing))


def parse(document: object) -> Channels:
    """Turn the content of channels.yaml (None for an empty file) into declarations; raise ChannelsError."""
    top = _Node(document if document is not None else {}, "channels.yaml")
    channels = top.child("channels")
    answer = Channels(
        _by_segment(top.child("positions").child("materiality")),
        tuple(_channel(identifier, channels.child(identifier)) for identifier in channels.keys()),  # noqa: SIM118
    )
    top.only("positions", "channels")
    top.child("positions").only("materiality")
    return answer


class _Node:
    """A mapping in the file with its path; missing is empty."""

    def __init__(self, value: object, path: str) -> None:
        if value is None:
            value = {}
        if not isinstance(value, Mapping):
            raise ChannelsError(f"{path}: expected a mapping, found {value!r}")
        self.values: Mapping[str, Any] = value
        self.path = path

    def keys(self) -> Iterable[str]:
        for key in self.values:
            if not isinstance(key, str):
                raise ChannelsError(f"{self.path}: the key {key!r} is not text")
        return self.values.keys()

    def child(self, key: str) -> "_Node":
        return _Node(
            self.values.get(key), f"{self.path}: {key}" if self.path == "channels.yaml" else f"{self.path}.{key}"
        )

    def only(self, *known: str) -> None:
        for key in self.keys():
            if key not in known:
                raise ChannelsError(f"{self.path}: unknown setting {key!r}; known are {', '.join(known)}")

    def whole(self, key: str, default: T, most: int = 2**53) -> int | T:
        """A whole number of 0 or more."""
        if key not in self.values:
            return default
        value = self.values[key]
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
            raise ChannelsError(f"{self.path}.{key}: {value!r} is not a whole number from 0 to {most}")
        return value

    def optional(self, key: str, default: int | None) -> int | None:
        """A whole number of 0 or more, or null to switch it off."""
        return None if key in self.values and self.values[key] is None else self.whole(key, default)

    def several(self, key: str, kind: type[T]) -> tuple[T, ...] | None:
        if (value := self.values.get(key)) is None:
            return None
        if not isinstance(value, list) or not all(type(item) is kind for item in value):
            raise ChannelsError(f"{self.path}.{key}: {value!r} is not a list of {kind.__name__}")
        if len(set(value)) != len(value):
            raise ChannelsError(f"{self.path}.{key}: {value!r} names one twice")
        return tuple(value)


def _channel(identifier: str, node: _Node) -> Channel:
    if not _ID.fullmatch(identifier):
        raise ChannelsError(f"{node.path}: a channel's id is part of a topic's name: use a-z, 0-9, '-' and '_'")
    node.only("sourcing", "segments", "buffer", "low_at", "materiality", "fallback")
    sourcing = node.several("sourcing", str)
    if not sourcing:
        raise ChannelsError(f"{node.path}.sourcing: name at least one location")
    segments = node.several("segments", str)
    default, buffers = _buffers(node)
    return Channel(
        identifier,
        sourcing,
        None if segments is None else frozenset(segments),
        default,
        buffers,
        node.whole("low_at", 0),
        _by_segment(node.child("materiality")),
        _fallback(node.child("fallback")),
    )


def _buffers(node: _Node) -> tuple[int, dict[str, int]]:
    """A number for every segment, or a mapping with `default` and `segments`."""
    if isinstance(node.values.get("buffer"), int):
        return node.whole("buffer", 0), {}
    child = node.child("buffer")
    child.only("default", "segments")
    segments = child.child("segments")
    return child.whole("default", 0), {segment: segments.whole(segment, 0) for segment in segments.keys()}  # noqa: SIM118


def _by_segment(node: _Node) -> SegmentMateriality:
    """`default`, and under `segments` what differs from it."""
    node.only("default", "segments")
    default = _materiality(node.child("default"), Materiality())
    segments = node.child("segments")
    return SegmentMateriality(
        default,
        {segment: _materiality(segments.child(segment), default) for segment in segments.keys()},  # noqa: SIM118
    )


def _materiality(node: _Node, default: Materiality) -> Materiality:
    node.only("levels", "absolute_step", "relative_step", "date_days", "min_interval_ms", "max_silence_ms")
    levels = node.several("levels", int)
    rule = Materiality(
        default.levels if levels is None else levels,
        node.optional("absolute_step", default.absolute_step),
        node.optional("relative_step", default.relative_step),
        node.optional("date_days", default.date_days),
        node.whole("min_interval_ms", default.min_interval),
        node.whole("max_silence_ms", default.max_silence),
    )
    if 0 < rule.max_silence < rule.min_interval:
        raise ChannelsError(f"{node.path}: max_silence_ms is shorter than min_interval_ms")
    return rule


def _fallback(node: _Node) -> FallbackRule:
    node.only("late", "stale")
    return FallbackRule(_rule(node, "late"), _rule(node, "stale"))


def _rule(node: _Node, key: str) -> Rule:
    """`use_last`, `withhold`, `{haircut: 20}` (percent) or `{cap: 5}` (units)."""
    words: dict[object, Callable[[], Rule]] = {
        None: Rule, "use_last": Rule, "withhold": lambda: Rule("WITHHOLD")
    }  # fmt: skip
    value = node.values.get(key)
    if isinstance(value, Mapping) and len(value) == 1:
        child = node.child(key)
        child.only("haircut", "cap")
        if "haircut" in value:
            return Rule("HAIRCUT", child.whole("haircut", 0, most=100))
        return Rule("CAP", child.whole("cap", 0))
    if isinstance(value, str | None) and value in words:
        return words[value]()
    raise ChannelsError(f"{node.path}.{key}: {value!r}; use use_last, withhold, {{haircut: PERCENT}} or {{cap: UNITS}}")

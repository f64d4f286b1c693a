"""The topic catalogue, read from topics.yaml; everything else derives from it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

PATH = Path(__file__).parent / "topics.yaml"
CHANNEL = "channel.{channel}.availability"
STANDSTILL_DAYS = 7
"""Longest time a site may stand still: then brokers forget the offsets of groups and transactional ids (both defaults)."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic: what it carries, who writes and reads it, and how it is kept."""

    name: str
    description: str
    key: str
    record: str
    visibility: Literal["public", "internal"]
    direction: Literal["inbound", "reference", "internal", "outbound"]
    cleanup: Literal["delete", "compact"]
    retention_days: int | None
    """None: of a compacted topic, or for ever."""
    owner: str
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    partitioning: Literal["key", "sku"] = "key"
    max_message_bytes: int = 1_048_576
    """Largest batch the broker takes."""
    max_record_bytes: int | None = None
    """Largest record intake takes, on inbound topics; a larger one becomes an exception."""
    least_retention_days: int = STANDSTILL_DAYS
    """A site may not choose less: readers that were away read on where they stopped."""
    outlasts: tuple[str, ...] = ()
    """Topics whose records need those of this one for as long as they are kept."""

    @property
    def compatibility(self) -> str:
        """The registry's mode for the subject: public readers and writers upgrade in any order, ours readers first."""
        return "FULL_TRANSITIVE" if self.visibility == "public" else "BACKWARD_TRANSITIVE"

    @property
    def subject(self) -> str:
        return f"{self.name}-value"

    @property
    def config(self) -> dict[str, str]:
        """Creation settings, only such as Kafka and Redpanda both know."""
        config = {"cleanup.policy": self.cleanup, "max.message.bytes": str(self.max_message_bytes)}
        if self.cleanup == "delete":
            config["retention.ms"] = str(self.retention_days * 86_400_000) if self.retention_days else "-1"
        return config


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All topics; the channels' topic is one template."""

    topics: tuple[Topic, ...]

    def topic(self, name: str) -> Topic:
        """Look a topic up by its name; a channel's topic matches the template. Raise KeyError for an unknown one."""
        for topic in self.topics:
            if topic.name == name:
                return topic
        if name.startswith("channel.") and name.endswith(".availability"):
            return _named(self.topic(CHANNEL), name)
        raise KeyError(f"no topic {name} in the catalogue")

    def for_channels(self, channels: Iterable[str]) -> list[Topic]:
        """Every topic, the channels' template once for each channel id."""
        named = [t for t in self.topics if t.name != CHANNEL]
        template = self.topic(CHANNEL)
        return named + [_named(template, CHANNEL.replace("{channel}", channel)) for channel in channels]


def kept(topics: Iterable[Topic], retention: Mapping[str, int | None]) -> list[Topic]:
    """The topics with a site's own retention, in days by name; None: for ever."""
    return [replace(t, retention_days=retention[t.name]) if t.name in retention else t for t in topics]


def _named(template: Topic, name: str) -> Topic:
    return replace(template, name=name)


@cache
def catalogue() -> Catalogue:
    """Read the catalogue once."""
    entries = yaml.safe_load(PATH.read_text())["topics"]
    return Catalogue(tuple(Topic(name=name, **_values(entry)) for name, entry in entries.items()))


def _values(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}

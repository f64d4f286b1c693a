"""The topic catalogue, read from topics.yaml; everything else derives from it."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import yaml

PATH = Path(__file__).parent / "topics.yaml"
CHANNEL = "channel.{channel}.availability"


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
    owner: str
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    partitioning: Literal["key", "sku"] = "key"
    max_message_bytes: int = 1_048_576
    """Largest batch the broker takes."""
    max_record_bytes: int | None = None
    """Largest record intake takes, on inbound topics; a larger one becomes an exception."""

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


def _named(template: Topic, name: str) -> Topic:
    values = {field: getattr(template, field) for field in Topic.__dataclass_fields__}
    return Topic(**{**values, "name": name})


@cache
def catalogue() -> Catalogue:
    """Read the catalogue once."""
    entries = yaml.safe_load(PATH.read_text())["topics"]
    return Catalogue(
        tuple(
            Topic(
                name=name,
                **{**entry, "producers": tuple(entry["producers"]), "consumers": tuple(entry["consumers"])},
            )
            for name, entry in entries.items()
        )
    )

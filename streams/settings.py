"""Every setting of a worker, read from the environment (prefix STOCKSTREAM_) once, at start."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

PREFIX = "STOCKSTREAM_"


OTHERS = frozenset({"STOCKSTREAM_CACHE", "STOCKSTREAM_MAVEN", "STOCKSTREAM_TEST_TRANSACTIONS"})
"""Variables of the local stack and of tests, which a worker need not know."""
MAY_BE_ZERO = frozenset({"http_port", "commit_interval_ms", "fetch_wait_ms"})


class SettingError(ValueError):
    """A setting that cannot be used; the message names the variable and what it takes."""


def _setting(default: Any, doc: str) -> Any:
    return field(default=default, metadata={"doc": doc})


@dataclass(frozen=True, slots=True)
class Settings:
    """Defaults suit the local stack; each field's variable is STOCKSTREAM_ and its name in capitals."""

    bootstrap: str = _setting("127.0.0.1:9092", "Kafka bootstrap servers, comma separated.")
    registry: str = _setting("http://127.0.0.1:8081", "Schema registry URL (Confluent API).")
    redis: str = _setting("", "Redis URL; empty where no Redis view is kept.")
    app: str = _setting("stockstream", "Application id: consumer group, changelog prefix and transactional ids.")
    partitions: int = _setting(12, "Partitions of every keyed topic, and so the number of tasks.")
    replication: int = _setting(1, "Replication factor of topics that are created; 3 in production.")
    channels: str = _setting("channels.yaml", "Path of the channels' declaration.")
    clock: str = _setting("system", "Business clock: `system`, or `file:PATH` for simulations (8 bytes, ms).")
    data_dir: str = _setting(".stockstream", "Directory for the worker's own files.")
    http_host: str = _setting("127.0.0.1", "Address of /metrics, /readyz and /livez.")
    http_port: int = _setting(0, "Port of /metrics, /readyz and /livez; 0 picks a free one.")
    commit_interval_ms: int = _setting(20, "Longest time between two transactions of a busy partition.")
    poll_records: int = _setting(2000, "Most records folded between two looks at the network.")
    fetch_wait_ms: int = _setting(20, "How long the broker may hold back an empty fetch.")
    session_timeout_ms: int = _setting(10_000, "Group session timeout; transactions time out with it.")
    sweep_interval_ms: int = _setting(1_000, "How often due rows get their clock entry.")
    stuck_after_ms: int = _setting(30_000, "The watchdog leaves after lag without progress for this long.")
    duplicate_window_ms: int = _setting(7 * 86_400_000, "How long an event id is remembered.")
    future_limit_ms: int = _setting(15 * 60_000, "How far ahead of the business clock an event may claim to be.")
    past_limit_ms: int = _setting(30 * 86_400_000, "How far behind the business clock an event may be.")
    feed_late_after_ms: int = _setting(15 * 60_000, "A feed silent for this long is late.")
    feed_stale_after_ms: int = _setting(60 * 60_000, "A feed silent for this long is stale.")
    log_level: str = _setting("warning", "debug, info, warning or error.")

    @property
    def directory(self) -> Path:
        return Path(self.data_dir)


def load(environment: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """Read the settings; raise SettingError for an unknown variable or a value of the wrong kind."""
    environment = os.environ if environment is None else environment
    known = {f.name: f for f in fields(Settings)}
    unknown = [n for n in environment if n.startswith(PREFIX) and n.removeprefix(PREFIX).lower() not in known]
    if strange := sorted(set(unknown) - OTHERS):
        raise SettingError(f"{', '.join(strange)}: no such setting; `stockstream settings` lists them")
    values: dict[str, Any] = {}
    for name, f in known.items():
        text = environment.get(PREFIX + name.upper())
        if text is None:
            continue
        if f.type is int:
            try:
                values[name] = int(text)
            except ValueError:
                raise SettingError(f"{PREFIX}{name.upper()}={text!r} is not a whole number") from None
            if values[name] < (0 if name in MAY_BE_ZERO else 1):
                raise SettingError(f"{PREFIX}{name.upper()}={text} is too small")
        else:
            values[name] = text
    return Settings(**{**values, **overrides})


def given(environment: Mapping[str, str] | None = None) -> frozenset[str]:
    """Names of the settings that the environment sets."""
    environment = os.environ if environment is None else environment
    return frozenset(f.name for f in fields(Settings) if environment.get(PREFIX + f.name.upper()))


def documented() -> list[tuple[str, str, str]]:
    """Variable, default and meaning of every setting, for the docs and --help."""
    return [(PREFIX + f.name.upper(), str(f.default), f.metadata["doc"]) for f in fields(Settings)]

"""Every setting of a worker, read from the environment (prefix STOCKSTREAM_) once, at start."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemas import environment
from schemas.environment import SettingError, Shared, setting


@dataclass(frozen=True, slots=True)
class Settings(Shared):
    """Defaults suit the local stack; each field's variable is STOCKSTREAM_ and its name in capitals."""

    partitions: int = setting(12, "Partitions of every keyed topic, and so the number of tasks.")
    replication: int = setting(1, "Replication factor of topics that are created; 3 in production.")
    retention_days: str = setting(
        "", "Topics that keep records for other than the catalogue's days: `inventory.ledger=90,exceptions=forever`."
    )
    http_host: str = setting("127.0.0.1", "Address of /metrics, /readyz and /livez.")
    http_port: int = setting(0, "Port of /metrics, /readyz and /livez; 0 picks a free one.", least=0)
    commit_interval_ms: int = setting(20, "Longest time between two transactions of a busy partition.", least=0)
    poll_records: int = setting(2000, "Most records folded between two looks at the network.")
    fetch_wait_ms: int = setting(20, "How long the broker may hold back an empty fetch.", least=0)
    session_timeout_ms: int = setting(10_000, "Group session timeout; transactions time out with it.")
    sweep_interval_ms: int = setting(1_000, "How often due rows get their clock entry.")
    duplicate_window_ms: int = setting(7 * 86_400_000, "How long an event id is remembered.")
    future_limit_ms: int = setting(15 * 60_000, "How far ahead of the business clock an event may claim to be.")
    past_limit_ms: int = setting(
        7 * 86_400_000, "How far behind the business clock a scan may be; at most the duplicate window."
    )
    feed_late_after_ms: int = setting(15 * 60_000, "A feed silent for this long is late.")
    feed_stale_after_ms: int = setting(60 * 60_000, "A feed silent for this long is stale.")

    @property
    def directory(self) -> Path:
        return Path(self.data_dir)


def load(variables: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """Read the settings; raise SettingError for an unknown variable, a value of the wrong kind, or two that disagree."""
    settings = environment.read(Settings, variables, **overrides)
    if settings.past_limit_ms > settings.duplicate_window_ms:
        raise SettingError(
            f"STOCKSTREAM_PAST_LIMIT_MS={settings.past_limit_ms} is more than STOCKSTREAM_DUPLICATE_WINDOW_MS="
            f"{settings.duplicate_window_ms}: a scan sent again after its id is forgotten would count twice"
        )
    return settings

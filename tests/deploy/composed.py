"""compose.yaml read as Compose reads it (merges applied), and the settings each of its processes takes."""

from pathlib import Path
from typing import Any, Final

import yaml

from connectors.api.settings import ApiSettings
from connectors.outbound.commerce.settings import Commerce
from connectors.outbound.erp.settings import Settings as ErpSettings
from connectors.outbound.redis_view.settings import Settings as ViewSettings
from streams.settings import Settings

ROOT: Final = Path(__file__).parents[2]
DOCUMENT: Final[dict[str, Any]] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: Final[dict[str, dict[str, Any]]] = DOCUMENT["services"]
OURS: Final = {name: each for name, each in SERVICES.items() if each["image"].startswith("stockstream:")}
KINDS: Final[dict[str, Any]] = {
    "schemas": Settings,
    "topics": Settings,
    "worker": Settings,
    "api": ApiSettings,
    "redis-view": ViewSettings,
    "connect-erp": ErpSettings,
    "connect-shop": Commerce,
    "connect-webhooks": Commerce,
}
"""Whose settings a service's process reads; the others of ours take none."""
ONCE: Final = {"secrets", "schemas", "topics"}


def mounts(service: dict[str, Any]) -> dict[str, str]:
    """Path in the container → path on this machine, or the volume's name."""
    parts = [volume.split(":") for volume in service.get("volumes", [])]
    return {part[1]: part[0] for part in parts}

"""Every setting of every process, for `stockstream settings` and docs/settings.md."""

from typing import Any

from connectors.api.settings import ApiSettings
from connectors.outbound.commerce.settings import Commerce
from connectors.outbound.erp.settings import Settings as ErpSettings
from connectors.outbound.redis_view.settings import Settings as ViewSettings
from schemas.environment import documented
from streams.settings import Settings

PROCESSES: dict[str, tuple[Any, str | None]] = {
    "worker and what all share": (Settings, None),
    "api": (ApiSettings, "API"),
    "connect redis": (ViewSettings, "VIEW"),
    "connect webhooks, connect shop": (Commerce, "COMMERCE"),
    "connect erp": (ErpSettings, "ERP"),
}
"""The settings by process, and the edge whose own they are."""


def rows() -> list[tuple[str, str, str, str]]:
    """Process, variable, default and meaning."""
    return [(process, *row) for process, (kind, edge) in PROCESSES.items() for row in documented(kind, edge=edge)]

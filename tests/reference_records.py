"""Reference data that tests declare: plain where it does not matter, changed by name where it does."""

from typing import Any


def item(sku: str, **changes: Any) -> dict[str, Any]:
    """An active item of single units."""
    record = {
        "sku": sku,
        "description": sku,
        "base_uom": "EA",
        "packs": [],
        "identifiers": [],
        "segment": "A",
        "safety_stock": [],
        "shelf_life_days": None,
        "active": True,
    }
    return record | changes


def location(name: str, **changes: Any) -> dict[str, Any]:
    """An active warehouse."""
    record = {
        "location": name,
        "kind": "WAREHOUSE",
        "time_zone": "UTC",
        "calendar": "",
        "priority": 1,
        "codes": [],
        "active": True,
    }
    return record | changes

"""What is said of inbound JSON that cannot be mapped, and reading its fields so that it can be said."""

from collections.abc import Mapping
from typing import Any


class Unmapped(Exception):
    """A field that cannot be mapped: where it stands, what is wrong with it, how to mend it."""

    def __init__(self, path: str, wrong: str, mend: str) -> None:
        super().__init__(f"{path}: {wrong}; {mend}")
        self.path, self.wrong, self.mend = path, wrong, mend


def text(fields: Mapping[str, Any], name: str, at: str) -> str | None:
    """A text field, None where it is missing; raise Unmapped for anything but text with content."""
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip():
        raise Unmapped(f"{at}{name}", f"{value!r} is not text", "send text, or leave it out")
    return value.strip()


def several(fields: Mapping[str, Any], name: str, at: str) -> list[Any]:
    """A list field, empty where it is missing; raise Unmapped."""
    value = fields.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise Unmapped(f"{at}{name}", f"{type(value).__name__} is not a list", "send a list")
    return value

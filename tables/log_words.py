"""What a log line says of a record that was turned away or raised: names and places, nothing the record itself says."""

from collections.abc import Mapping
from typing import Any, Final


def _raised(record: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Intake says which topic a record came in by; a stage's own finding has none."""
    evidence, subject = record["evidence"], record["subject"]
    event = "record refused" if "topic" in evidence else "exception raised"
    return event, {
        "category": record["category"],
        "correlation_id": record["correlation_id"],
        "coordinate": record["coordinate"],
        "partner": record["partner"],
        "document": evidence.get("document"),
        "subject": f"{subject['kind']}:{subject['id']}",
        "owner": record["owner"],
        "exception_id": record["exception_id"],
    }


def _unreadable(record: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Nobody could read a correlation id in it: where it came from stands for one, as in exceptions."""
    return "record unreadable", {
        "category": record["category"],
        "correlation_id": record["coordinate"],
        "coordinate": record["coordinate"],
        "owner": record["owner"],
        "payload": record["original"],
    }


def _resolved(record: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    return "exception resolved", {
        "category": record["category"],
        "correlation_id": record["correlation_id"],
        "resolution": record["resolution"],
        "exception_id": record["exception_id"],
    }


SAY: Final = {"exceptions": _raised, "dead-letters": _unreadable, "exceptions.resolutions": _resolved}
"""What a line says of a record, by its topic."""

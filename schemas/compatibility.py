"""Compatibility of two versions of a schema, offline, with the fields at fault. The registry has the last word."""

from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from avro.schema import parse


def differences(older: str, newer: str, mode: str) -> list[str]:
    """Why these two versions do not live together under a mode; empty when they do.

    BACKWARD: the newer reads what the older wrote. FULL: the older reads what the newer wrote as well.
    """
    found = [f"new readers cannot read it: {text}" for text in _cannot_read(newer, older)]
    if mode.startswith("FULL"):
        found += [f"its readers cannot read the new one: {text}" for text in _cannot_read(older, newer)]
    return found


def _cannot_read(reader: str, writer: str) -> list[str]:
    result = ReaderWriterCompatibilityChecker().get_compatibility(parse(reader), parse(writer))
    if result.compatibility is SchemaCompatibilityType.compatible:
        return []
    return [f"{place} {message}" for place, message in zip(sorted(result.locations), sorted(result.messages), strict=False)]

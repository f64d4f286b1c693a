"""Compatibility of two versions of a schema, offline, with the fields at fault. The registry has the last word.

Whether two types go together is decided by Apache Avro's own checker; it is only led down to where they part, because
its finding on a whole record does not say which field it means.
"""

from collections.abc import Iterator
from typing import Any

from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from avro.schema import parse


def differences(older: str, newer: str, mode: str) -> list[str]:
    """Why these two versions do not live together under a mode; empty when they do.

    BACKWARD: the newer reads what the older wrote. FORWARD: the older reads what the newer wrote. FULL: both.
    """
    found: list[str] = []
    old, new = parse(older), parse(newer)
    if not mode.startswith("FORWARD"):
        found += [f"{text}, so new readers cannot read old records" for text in _faults(new, old, "is new")]
    if not mode.startswith("BACKWARD"):
        found += [f"{text}, so old readers cannot read new records" for text in _faults(old, new, "was removed")]
    return found


def _faults(reader: Any, writer: Any, absence: str) -> list[str]:
    if _can_read(reader, writer):
        return []
    return list(_places(reader, writer, reader.name, absence)) or [f"{reader.name} differs"]


def _can_read(reader: Any, writer: Any) -> bool:
    result = ReaderWriterCompatibilityChecker().get_compatibility(reader, writer)
    return bool(result.compatibility is SchemaCompatibilityType.compatible)


def _places(reader: Any, writer: Any, path: str, absence: str) -> Iterator[str]:
    """The faults below a path where the reader cannot read the writer."""
    reader, writer = _branch(reader, writer), _branch(writer, reader)
    match reader.type, writer.type:
        case "record", "record" if reader.name == writer.name:
            yield from _fields(reader, writer, path, absence)
        case "array", "array":
            yield from _places(reader.items, writer.items, f"{path}[]", absence)
        case "map", "map":
            yield from _places(reader.values, writer.values, f"{path}{{}}", absence)
        case "enum", "enum" if reader.name == writer.name:
            unknown = [symbol for symbol in writer.symbols if symbol not in reader.symbols]
            yield f"{path} may hold {', '.join(unknown)}, which its other version does not know"
        case _:
            yield f"{path} is {_told(writer)} to the writer and {_told(reader)} to the reader"


def _fields(reader: Any, writer: Any, path: str, absence: str) -> Iterator[str]:
    for field in reader.fields:
        written = writer.fields_dict.get(field.name)
        if written is None:
            if not field.has_default:
                yield f"{path}.{field.name} {absence} and has no default"
        elif not _can_read(field.type, written.type):
            yield from _places(field.type, written.type, f"{path}.{field.name}", absence)


def _branch(schema: Any, other: Any) -> Any:
    """The one branch beside null, where both sides may be null and the fault must lie below."""
    if schema.type != "union":
        return schema
    branches = [branch for branch in schema.schemas if branch.type != "null"]
    nullable = len(branches) < len(schema.schemas)
    other_nullable = other.type == "union" and any(branch.type == "null" for branch in other.schemas)
    return branches[0] if len(branches) == 1 and nullable <= other_nullable else schema


def _told(schema: Any) -> str:
    if schema.type == "union":
        return " or ".join(_told(branch) for branch in schema.schemas)
    return str(getattr(schema, "name", None) or schema.type)

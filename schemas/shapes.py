"""An Avro schema as a tree of plain types with every name resolved: what the binary codec is built from.

Logical types stay visible here, because they say how large a number will be; the values are plain integers all the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final


class Plain(Enum):
    """Types without parts."""

    BOOLEAN = auto()
    INT = auto()
    LONG = auto()
    TIME = auto()  # a long that is milliseconds since the epoch
    STRING = auto()
    BYTES = auto()


@dataclass(frozen=True, slots=True)
class Symbols:
    """An enum."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Optional:
    """A union of null and one other type; `null` is the branch of null, 0 or 1."""

    of: "Shape"
    null: int


@dataclass(frozen=True, slots=True)
class Array:
    items: "Shape"


@dataclass(frozen=True, slots=True)
class Map:
    values: "Shape"


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    shape: "Shape"
    default: Any


@dataclass(frozen=True, slots=True)
class Record:
    name: str
    fields: tuple[Field, ...]


Shape = Plain | Symbols | Optional | Array | Map | Record

REQUIRED: Final = object()
"""The default of a field that has none."""

_PLAIN: Final[Mapping[str, Plain]] = {
    "boolean": Plain.BOOLEAN,
    "int": Plain.INT,
    "long": Plain.LONG,
    "string": Plain.STRING,
    "bytes": Plain.BYTES,
}


class Unsupported(Exception):
    """A schema with parts that no record of ours has: other unions, floats, fixed, recursion, empty records."""


def shape_of(schema: Any) -> Record:
    """The tree of a record's schema as read from JSON; raise Unsupported."""
    found = _shape(schema, {}, "")
    if not isinstance(found, Record):
        raise Unsupported("the schema is no record")
    return found


def _shape(schema: Any, named: dict[str, Shape], space: str) -> Shape:
    if isinstance(schema, str):
        plain = _PLAIN.get(schema) or named.get(_full(schema, space))
        if plain is None:  # also a record inside itself: it has no name until it is whole
            raise Unsupported(f"type {schema}")
        return plain
    if isinstance(schema, list):
        if len(schema) != 2 or schema.count("null") != 1:
            raise Unsupported(f"union {schema}")
        null = schema.index("null")
        of = _shape(schema[1 - null], named, space)
        if isinstance(of, Optional):
            raise Unsupported(f"union {schema}")
        return Optional(of, null)
    kind = schema["type"]
    if kind == "array":
        return Array(_shape(schema["items"], named, space))
    if kind == "map":
        return Map(_shape(schema["values"], named, space))
    if kind == "enum":
        symbols = Symbols(tuple(schema["symbols"]))
        named[_full(schema["name"], schema.get("namespace", space))] = symbols
        return symbols
    if kind == "record":
        name = _full(schema["name"], schema.get("namespace", space))
        inner = name.rpartition(".")[0]
        # An empty record takes no bytes, so an array of them could claim any length: such schemas are not for us.
        if not schema["fields"]:
            raise Unsupported(f"record {name} is empty")
        fields = tuple(
            Field(field["name"], _shape(field["type"], named, inner), field.get("default", REQUIRED))
            for field in schema["fields"]
        )
        record = Record(name.rpartition(".")[2], fields)
        named[name] = record
        return record
    if kind == "long" and schema.get("logicalType") == "timestamp-millis":
        return Plain.TIME
    return _shape(kind, named, space)


def _full(name: str, space: str) -> str:
    return name if "." in name or not space else f"{space}.{name}"

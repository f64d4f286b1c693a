"""What Python calls a record is what Avro calls it: the TypedDicts and the schemas agree field by field."""

import json
import types
import typing
from typing import Any, Literal, get_args, get_origin, is_typeddict

import pytest

from schemas import records
from schemas.catalogue import catalogue
from schemas.codec import source

DATES = {"requested_date", "date", "expires", "requested_ship_date", "next_receipt", "next_date"}
TIMES = {"as_of", "since", "event_time", "estimated_arrival"}
RECORDS = sorted({topic.record for topic in catalogue().topics})


def from_python(kind: Any, field: str = "") -> Any:
    """A type of records.py in words that Avro shares."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (types.UnionType, typing.Union):
        [other] = [part for part in inner if part is not type(None)]
        return "or null", from_python(other, field)
    if origin is Literal:
        return "one of", inner
    if origin is list:
        return "list", from_python(inner[0])
    if origin is dict:
        return "map", from_python(inner[1])
    if is_typeddict(kind):
        return kind.__name__, {name: from_python(of, name) for name, of in typing.get_type_hints(kind).items()}
    if kind is int:
        if field in DATES:
            return "date"
        return "timestamp-millis" if field in TIMES or field.endswith("_at") else "long"
    return {str: "string", bool: "boolean", bytes: "bytes"}[kind]


def from_avro(schema: Any, named: dict[str, Any]) -> Any:
    """A schema in the same words."""
    if isinstance(schema, str):
        return named.get(schema, schema)
    if isinstance(schema, list):
        [other] = [branch for branch in schema if branch != "null"]
        return "or null", from_avro(other, named)
    match schema["type"]:
        case "enum":
            named[schema["name"]] = "one of", tuple(schema["symbols"])
            return named[schema["name"]]
        case "array":
            return "list", from_avro(schema["items"], named)
        case "map":
            return "map", from_avro(schema["values"], named)
        case "record":
            fields = {field["name"]: from_avro(field["type"], named) for field in schema["fields"]}
            named[schema["name"]] = schema["name"], fields
            return named[schema["name"]]
    return schema["logicalType"]


@pytest.mark.parametrize("record", RECORDS)
def test_a_record_has_the_fields_of_its_schema(record: str):
    """Names, types, nullability, code lists and logical types are the same on both sides."""
    assert from_python(getattr(records, record)) == from_avro(json.loads(source(record)), {})


@pytest.mark.parametrize("record", RECORDS)
def test_dates_are_ints_and_times_are_longs(record: str):
    """Logical types stand on the Avro types that every client library expects them on."""
    text = json.dumps(json.loads(source(record)))

    assert text.count('"logicalType": "date"') == text.count('{"type": "int", "logicalType": "date"}')
    assert text.count('"logicalType": "timestamp-millis"') == text.count(
        '{"type": "long", "logicalType": "timestamp-millis"}'
    )

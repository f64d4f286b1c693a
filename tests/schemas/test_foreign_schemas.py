"""What comes under ids that are not ours: schemas that ours cannot read, and schemas that are none."""

import io
import json
import struct
from collections.abc import Callable
from typing import Any

import fastavro
import pytest

from schemas.codec import Codec, Undecodable, parsed, source

TOPIC, THEIRS = "feeds.status", 900
STATUS = {
    "source": "WMS-DC01",
    "location": "DC01",
    "status": "LATE",
    "since": 1_795_248_000_000,
    "last_event_at": None,
    "last_heartbeat_at": None,
    "computed_at": 1_795_248_001_000,
}


def told(schema: str, value: bytes = b"\0") -> tuple[str, str]:
    """Category and message of the refusal of a value written with a schema of theirs."""
    codec = Codec()
    codec.learn(THEIRS, schema)
    with pytest.raises(Undecodable) as refusal:
        codec.decode(TOPIC, struct.pack(">bI", 0, THEIRS) + value)
    return refusal.value.category, str(refusal.value)


def changed(change: Callable[[dict[str, Any]], Any]) -> str:
    """The schema with fields, by name, changed in place."""
    schema = json.loads(source("FeedStatus"))
    fields = {field["name"]: field for field in schema["fields"]}
    change(fields)
    schema["fields"] = list(fields.values())
    return json.dumps(schema)


def written(schema: str, **other: object) -> bytes:
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, parsed(schema), STATUS | other)
    return buffer.getvalue()


def test_a_writer_without_a_field_that_ours_needs_is_incompatible_by_the_field_s_name():
    """The dead letter says what the sender has to add."""
    theirs = changed(lambda fields: fields.pop("since"))

    category, message = told(theirs, written(theirs))

    assert category == "INCOMPATIBLE"
    assert "FeedStatus.since is new and has no default" in message


def test_a_writer_with_another_type_is_incompatible_by_the_field_s_name():
    """Text where ours has a number is never guessed at."""
    theirs = changed(lambda fields: fields["since"].update(type="string"))

    category, message = told(theirs, written(theirs, since="noon"))

    assert category == "INCOMPATIBLE"
    assert "FeedStatus.since is string to the writer" in message


def test_a_symbol_new_to_us_refuses_only_the_values_that_hold_it():
    """A longer code list of the writer's does not lose the records that use what both know."""
    theirs = changed(lambda fields: fields["status"]["type"]["symbols"].append("GONE"))
    codec = Codec()
    codec.learn(THEIRS, theirs)

    assert codec.decode(TOPIC, struct.pack(">bI", 0, THEIRS) + written(theirs)) == STATUS
    category, message = told(theirs, written(theirs, status="GONE"))
    assert category == "INCOMPATIBLE"
    assert "FeedStatus.status may hold GONE" in message


@pytest.mark.parametrize(
    "schema",
    [
        '{"type": "object", "properties": {}}',
        'syntax = "proto3"; message FeedStatus {}',
        '{"type": "record", "name": "FeedStatus", "fields": [{"name": "a", "type": "elsewhere.Reference"}]}',
        '{"type": "record", "name": "FeedStatus"}',
        "[]",
        "",
    ],
)
def test_what_is_no_schema_by_itself_is_the_wrong_one(schema: str):
    """A registry holds more than Avro; what cannot be used is said to be so, and never ends a worker."""
    category, message = told(schema)

    assert category == "WRONG_SCHEMA"
    assert str(THEIRS) in message

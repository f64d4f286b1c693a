"""Schemas change only so that nobody in the field notices; whoever tries otherwise reads which field it was."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from schemas.catalogue import catalogue
from schemas.codec import source
from schemas.compatibility import differences

PUBLIC = sorted({topic.record for topic in catalogue().topics if topic.visibility == "public"})
FULL, BACKWARD = "FULL_TRANSITIVE", "BACKWARD_TRANSITIVE"
NULLABLE = {"name": "added", "type": ["null", "string"], "default": None}


def changed(record: str, change: Callable[[Any], None]) -> str:
    schema = json.loads(source(record))
    change(schema)
    return json.dumps(schema)


def field(schema: Any, *path: str) -> Any:
    """The field at a path, through arrays and nullable records."""
    for name in path:
        [found] = [one for one in schema["fields"] if one["name"] == name]
        schema = found["type"]
        schema = schema[1] if isinstance(schema, list) else schema
        schema = schema["items"] if isinstance(schema, dict) and schema["type"] == "array" else schema
    return found


def without(name: str) -> Callable[[Any], None]:
    return lambda schema: schema["fields"].remove(field(schema, name))


@pytest.mark.parametrize("record", PUBLIC)
def test_adding_a_nullable_field_to_a_public_record_is_compatible(record: str):
    """The one way in which public records grow is open for each of them, in both directions."""
    newer = changed(record, lambda schema: schema["fields"].append(NULLABLE))

    assert [] == differences(source(record), newer, FULL)


@pytest.mark.parametrize("record", PUBLIC)
def test_removing_a_field_without_default_is_refused_by_name(record: str):
    """Old readers could not do without it; the message says which field it is."""
    name = next(one["name"] for one in json.loads(source(record))["fields"] if "default" not in one)

    [told] = differences(source(record), changed(record, without(name)), FULL)

    assert told.startswith(f"{record}.{name} was removed and has no default")


@pytest.mark.parametrize("record", PUBLIC)
def test_a_new_field_without_default_is_refused_by_name(record: str):
    """New readers could not read what is already in the topic, whatever the mode."""
    newer = changed(record, lambda schema: schema["fields"].append({"name": "added", "type": "string"}))

    for mode in (FULL, BACKWARD):
        [told] = differences(source(record), newer, mode)
        assert told.startswith(f"{record}.added is new and has no default")


def test_an_internal_record_may_lose_a_field():
    """Our own readers go first, so what they no longer ask for may go."""
    newer = changed("LedgerEntry", without("source"))

    assert [] == differences(source("LedgerEntry"), newer, BACKWARD)
    assert [] != differences(source("LedgerEntry"), newer, FULL)


@pytest.mark.parametrize(
    ("record", "path", "change", "told"),
    [
        ("SalesOrder", ("lines", "quantity"), {"type": "string"}, "SalesOrder.lines[].quantity is long to the writer"),
        ("SalesOrder", ("lines", "location"), {"type": "string"}, "SalesOrder.lines[].location is null or string"),
        ("SalesOrder", ("priority",), {"type": ["null", "long"]}, "SalesOrder.priority is null or long to the writer"),
        ("SupplyEvent", ("order", "revision"), {"type": "string"}, "SupplyEvent.order.revision is long to the writer"),
        (
            "Availability",
            ("disposition",),
            {"type": {"type": "map", "values": "string"}},
            "Availability.disposition{} is long to the writer and string to the reader",
        ),
    ],
)
def test_a_change_of_type_is_refused_with_its_path(record: str, path: tuple[str, ...], change: Any, told: str):
    """However deep the field lies, in lists, maps or behind null, its whole path is named."""
    newer = changed(record, lambda schema: field(schema, *path).update(change))

    assert any(text.startswith(told) for text in differences(source(record), newer, FULL))


def test_a_new_symbol_of_a_code_list_is_refused_by_its_name():
    """Readers in the field would not know it."""
    newer = changed("SalesOrder", lambda schema: field(schema, "status")["type"]["symbols"].append("HELD"))

    [told] = differences(source("SalesOrder"), newer, FULL)

    assert "SalesOrder.status may hold HELD" in told


def test_another_record_under_the_same_subject_is_refused():
    """A subject never changes what it is about."""
    assert any(
        "Item is WarehouseScan" in text for text in differences(source("WarehouseScan"), source("Item"), BACKWARD)
    )


@pytest.mark.parametrize("record", PUBLIC)
def test_words_may_change_freely(record: str):
    """Documentation is not part of what readers and writers have to agree on."""
    newer = changed(record, lambda schema: [one.update(doc="other words") for one in schema["fields"]])

    assert [] == differences(source(record), newer, FULL)

"""The wire format: what is written, what is taken from other writers, and what every kind of damage is called."""

import io
import json
import struct
from typing import Any

import example_files
import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.catalogue import catalogue
from schemas.codec import Codec, SchemaUnavailable, Undecodable, UnknownTopic, parsed, source

SCANS, HEARTBEATS, OTHERS = "warehouse.scans", "feeds.heartbeats", 900
BEAT = {"source": "WMS-DC01", "location": "DC01", "sent_at": 1_773_281_700_000}
NOTE = {"name": "note", "type": ["null", "string"], "default": None, "doc": "Added in version 2."}
TOPIC = {topic.record: topic.name for topic in catalogue().for_channels(["webshop"])}


def new_codec() -> Codec:
    """Knows its own schemas under ids from 1."""
    codec = Codec()
    for number, topic in enumerate(TOPIC.values(), 1):
        codec.register(topic, number)
    return codec


@pytest.fixture
def codec() -> Codec:
    return new_codec()


def changed(record: str, *added: dict[str, Any], without: str = "") -> str:
    """A record's schema as another version has it."""
    schema = json.loads(source(record))
    schema["fields"] = [field for field in schema["fields"] if field["name"] != without] + list(added)
    return json.dumps(schema)


def under(schema_id: int, value: bytes) -> bytes:
    """The same bytes under another schema id."""
    return b"\0" + schema_id.to_bytes(4, "big") + value[5:]


def refusal(codec: Codec, topic: str, value: bytes) -> str:
    with pytest.raises(Undecodable) as refused:
        codec.decode(topic, value)
    assert str(refused.value)
    return refused.value.category


# ---- the header -------------------------------------------------------------------------------------------------


def test_a_value_begins_with_a_zero_byte_and_the_schema_id():
    """Confluent's wire format, big-endian, so that every client library reads it."""
    codec = Codec()
    codec.register(HEARTBEATS, 0x01020304)

    value = codec.encode(HEARTBEATS, BEAT)

    assert struct.unpack(">bI", value[:5]) == (0, 0x01020304)
    assert value[5:] == b"\x10WMS-DC01\x08DC01" + value[-6:]
    assert codec.decode(HEARTBEATS, value) == BEAT


def test_a_topic_without_a_schema_id_names_the_command():
    """Nothing is written under a made-up id."""
    with pytest.raises(UnknownTopic, match=r"feeds\.heartbeats.*stockstream schemas register"):
        Codec().encode(HEARTBEATS, BEAT)


@pytest.mark.parametrize("value", [b"", b"\0", b"\0\0\0\1", b"\1\0\0\0\1ab", b'{"source": "WMS-DC01"}'], ids=repr)
def test_what_has_no_header_is_not_avro(codec, value):
    """JSON, text and scraps are told from damaged Avro."""
    assert refusal(codec, HEARTBEATS, value) == "NOT_AVRO"


# ---- ids --------------------------------------------------------------------------------------------------------


def test_an_unknown_id_is_unavailable_until_the_registry_has_said_no(codec):
    """Nobody asked yet: it may be readable later. The registry has none: it never will be, until somebody adds it."""
    value = under(OTHERS, codec.encode(HEARTBEATS, BEAT))

    with pytest.raises(SchemaUnavailable) as waiting:
        codec.decode(HEARTBEATS, value)
    assert waiting.value.schema_id == OTHERS
    assert codec.unknown_ids([value, None, b"", b"{}"]) == {OTHERS}

    codec.learn(OTHERS, None)
    assert refusal(codec, HEARTBEATS, value) == "UNKNOWN_SCHEMA"
    assert codec.unknown_ids([value]) == set()

    codec.learn(OTHERS, source("FeedHeartbeat"))
    assert codec.decode(HEARTBEATS, value) == BEAT


def test_another_record_on_a_topic_is_the_wrong_schema(codec):
    """A value of a known schema of another record is named as such and never read as ours."""
    assert refusal(codec, SCANS, codec.encode(HEARTBEATS, BEAT)) == "WRONG_SCHEMA"


# ---- damage -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("record", sorted(TOPIC))
def test_a_cut_or_lengthened_value_is_malformed(codec, record):
    """Wherever a value of any record ends too early or too late, it is refused as a whole."""
    path = next(path for name, path in example_files.good() if name == record)
    topic, example = TOPIC[record], example_files.read(record, path)
    value = codec.encode(topic, example)
    damaged = [value[:end] for end in range(5, len(value))] + [value + b"\0", value + value[5:]]

    assert {refusal(codec, topic, each) for each in damaged} == {"MALFORMED"}


CODEC = new_codec()
CODEC.learn(OTHERS, changed("WarehouseScan", NOTE))
KNOWN = st.sampled_from([struct.pack(">bI", 0, number) for number in (*range(1, len(TOPIC) + 1), OTHERS)])


@settings(max_examples=300, deadline=None)
@given(topic=st.sampled_from(sorted(TOPIC.values())), head=KNOWN | st.binary(max_size=6), body=st.binary(max_size=200))
def test_no_bytes_do_worse_than_be_refused(topic, head, body):
    """Whatever stands in a topic, decoding gives a record or one of two exceptions: a partition never stops for it."""
    try:
        record = CODEC.decode(topic, head + body)
    except (Undecodable, SchemaUnavailable):
        return

    assert CODEC.decode(topic, CODEC.encode(topic, record)) == record


# ---- versions ---------------------------------------------------------------------------------------------------


def written(schema: str, record: dict[str, Any]) -> bytes:
    """A value of another writer, with its own schema under its own id."""
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, parsed(schema), record)
    return struct.pack(">bI", 0, OTHERS) + buffer.getvalue()


def a_scan() -> dict[str, Any]:
    return next(example_files.read(name, path) for name, path in example_files.good() if name == "WarehouseScan")


def test_a_newer_writer_is_read_without_what_is_new_to_us(codec):
    """A sender upgrades first: the field it added is passed over, all others arrive."""
    newer, scan = changed("WarehouseScan", NOTE), a_scan()
    codec.learn(OTHERS, newer)

    assert codec.decode(SCANS, written(newer, scan | {"note": "pallet broken"})) == scan
    assert codec.decode(SCANS, written(newer, scan | {"note": None})) == scan


def test_an_older_writer_is_read_with_null_for_what_it_does_not_know(codec):
    """We upgrade first: the nullable field added since then is null, all others arrive."""
    older, scan = changed("WarehouseScan", without="lot"), a_scan()
    codec.learn(OTHERS, older)

    assert codec.decode(SCANS, written(older, scan)) == scan | {"lot": None}


def test_another_writers_damage_is_malformed_too(codec):
    """Resolving between versions is no less strict: cut or lengthened values are refused."""
    newer = changed("WarehouseScan", NOTE)
    codec.learn(OTHERS, newer)
    value = written(newer, a_scan() | {"note": "x"})

    assert {refusal(codec, SCANS, value[:end]) for end in range(5, len(value))} == {"MALFORMED"}
    assert refusal(codec, SCANS, value + b"\0") == "MALFORMED"


def test_words_and_logical_types_do_not_make_another_schema(codec):
    """A writer with other documentation writes the same bytes: it is read on the fast path and alike."""
    schema = json.loads(source("WarehouseScan"))
    for field in schema["fields"]:
        field["doc"] = "other words"
    codec.learn(OTHERS, json.dumps(schema))

    assert codec.decode(SCANS, under(OTHERS, codec.encode(SCANS, a_scan()))) == a_scan()

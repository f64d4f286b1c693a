"""The generated codec against fastavro, over every schema: the same bytes, the same records, and damage is refused."""

import io
import json
import random
import time
from typing import Any

import fastavro
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from schemas import generated
from schemas.binary import long_bytes
from schemas.catalogue import CHANNEL, catalogue
from schemas.codec import AVRO, HEADER, Codec, Undecodable, _shape, parsed, source
from schemas.shapes import Array, Map, Optional, Plain, Record, Shape, Symbols, Unsupported, shape_of

TOPICS = {t.record: t.name.replace("{channel}", "WEB") for t in catalogue().topics}
RECORDS = sorted(path.stem for path in AVRO.glob("*.avsc"))
NOW = 1_790_000_000_000
EDGES = [0, -1, 63, 64, -64, -65, 8_191, 8_192, -8_192, -8_193, 32_767, 32_768, 1 << 31, -(1 << 63), (1 << 63) - 1]
LONGS = st.one_of(st.integers(-100, 40_000), st.sampled_from(EDGES), st.integers(-(1 << 63), (1 << 63) - 1))
TIMES = st.one_of(st.integers(NOW, NOW + 10**9), st.sampled_from([0, 1, -1, 8_191, 8_192, NOW]), LONGS)
STRINGS = st.one_of(
    st.sampled_from(["", "DC01", "WMS-DC01", "Größe", "倉庫", "x" * 63, "x" * 64, "é" * 40, "x" * 9_000]),
    st.text("ab|:0\0\x7f\x80éß\xff倉😀", max_size=12),
)
PLAIN = {
    Plain.BOOLEAN: st.booleans(),
    Plain.INT: st.one_of(st.integers(20_000, 25_000), st.integers(-(1 << 31), (1 << 31) - 1)),
    Plain.LONG: LONGS,
    Plain.TIME: TIMES,
    Plain.STRING: STRINGS,
    Plain.BYTES: st.binary(max_size=80),
}


def values(shape: Shape) -> st.SearchStrategy[Any]:
    match shape:
        case Plain():
            return PLAIN[shape]
        case Symbols(names):
            return st.sampled_from(names)
        case Optional(of):
            return st.none() | values(of)
        case Array(items):
            # The long ones have a count of two bytes.
            return st.lists(values(items), max_size=3) | values(items).map(lambda item: [item] * 70)
        case Map(parts):
            return st.dictionaries(STRINGS, values(parts), max_size=3)
        case Record(_, fields):
            return st.fixed_dictionaries({field.name: values(field.shape) for field in fields})
    raise AssertionError(shape)


def usual(shape: Shape) -> Any:
    """A value such as the product writes by the million."""
    match shape:
        case Plain():
            plain = {Plain.BOOLEAN: True, Plain.INT: 20_600, Plain.LONG: 12, Plain.STRING: "WMS-DC01"}
            return plain.get(shape, NOW if shape is Plain.TIME else b"raw")
        case Symbols(names):
            return names[-1]
        case Optional(of):
            return usual(of)
        case Array(items):
            return [usual(items)] * 2
        case Map(parts):
            return {"available": usual(parts)}
        case Record(_, fields):
            return {field.name: usual(field.shape) for field in fields}
    raise AssertionError(shape)


@pytest.fixture(scope="module")
def codec() -> Codec:
    known = Codec()
    for number, topic in enumerate(TOPICS.values(), 1):
        known.register(topic, number)
    return known


def shape(name: str) -> Record:
    found = _shape(source(name))
    assert found is not None, f"{name} is left to fastavro"
    return found


def by_fastavro(name: str, record: Any) -> bytes:
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, parsed(source(name)), record)
    return buffer.getvalue()


def agree_on(codec: Codec, name: str, value: bytes) -> None:
    """The value is refused, or read whole and as fastavro reads it."""
    try:
        record = codec.decode(TOPICS[name], value)
    except Undecodable as error:
        assert error.category == "MALFORMED"  # noqa: PT017 - acceptance is the other half of the test
        return
    buffer = io.BytesIO(value[5:])
    assert record == fastavro.schemaless_reader(buffer, parsed(source(name)), None)
    assert buffer.read() == b""


def test_every_record_has_a_topic() -> None:
    assert set(RECORDS) == set(TOPICS)
    assert CHANNEL not in TOPICS.values()


@pytest.mark.parametrize("name", RECORDS)
def test_writes_and_reads_as_fastavro_does(codec: Codec, name: str) -> None:
    @settings(max_examples=10, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(values(shape(name)), st.randoms(use_true_random=False))
    @example(usual(shape(name)), random.Random(1))
    def check(record: Any, rnd: random.Random) -> None:
        value = codec.encode(TOPICS[name], record)
        assert value[5:] == by_fastavro(name, record)
        assert codec.decode(TOPICS[name], value) == record
        ends = range(5, len(value)) if len(value) < 500 else sorted(rnd.sample(range(5, len(value)), 40))
        for end in ends:
            with pytest.raises(Undecodable):
                codec.decode(TOPICS[name], value[:end])
        with pytest.raises(Undecodable):
            codec.decode(TOPICS[name], value + b"\0")
        for _ in range(25):
            damaged = bytearray(value)
            for _ in range(rnd.randint(1, 3)):
                damaged[rnd.randrange(5, len(value))] = rnd.choice((0, 1, 2, 3, 127, 128, 255, rnd.randrange(256)))
            agree_on(codec, name, bytes(damaged))

    check()


@pytest.mark.parametrize("name", RECORDS)
def test_usual_records_never_need_the_strict_codec(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def strict(*_: Any) -> Any:
        raise AssertionError("left the generated code")

    monkeypatch.setattr(generated, "writer", lambda *_: strict)
    monkeypatch.setattr(generated, "reader", lambda *_: strict)
    encode, decode = generated.encoder(shape(name), b"\0\0\0\0\1"), generated.decoder(shape(name))
    record = usual(shape(name))
    assert decode(encode(record)) == record


@pytest.mark.parametrize("name", RECORDS)
def test_every_byte_replaced_in_turn(codec: Codec, name: str) -> None:
    value = codec.encode(TOPICS[name], usual(shape(name)))
    for at in range(5, len(value)):
        for byte in (0, 1, 2, 128, 255):
            agree_on(codec, name, value[:at] + bytes((byte,)) + value[at + 1 :])


def test_another_writers_value_is_read_as_strictly(codec: Codec) -> None:
    """Also in a field that we skip."""
    schema = json.loads(source("FeedHeartbeat"))
    schema["fields"].append({"name": "note", "type": "string"})
    codec.learn(900, json.dumps(schema))
    beat = usual(shape("FeedHeartbeat"))
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, parsed(json.dumps(schema)), beat | {"note": "something"})
    value = HEADER.pack(0, 900) + buffer.getvalue()
    assert codec.decode(TOPICS["FeedHeartbeat"], value) == beat
    for end in range(5, len(value)):
        with pytest.raises(Undecodable):
            codec.decode(TOPICS["FeedHeartbeat"], value[:end])
    with pytest.raises(Undecodable):
        codec.decode(TOPICS["FeedHeartbeat"], value + b"\0")


def test_fields_with_a_default_may_be_missing(codec: Codec) -> None:
    record = usual(shape("LedgerEntry"))
    full = codec.encode("inventory.ledger", record | {"claim": None, "corrects": None})
    del record["claim"], record["corrects"]
    assert codec.encode("inventory.ledger", record) == full


WRONG = [
    {"quantity": "5"}, {"quantity": 5.0}, {"quantity": 1e6}, {"quantity": None}, {"quantity": 1 << 63},
    {"quantity": -(1 << 63) - 1}, {"occurred_at": 1.5}, {"occurred_at": None}, {"occurred_at": 1 << 63},
    {"occurred_at": "now"}, {"source": None}, {"source": 7}, {"source": b"WMS"}, {"source": ["W"]}, {"source": "\ud800"},
    {"kind": "GIFT"}, {"kind": 0}, {"kind": None}, {"kind": []}, {"reference": 7}, {"reference": b"S1"},
    {"reference": "\ud800"}, {"claim": {}}, {"claim": []}, {"claim": "x"},
    {"policy": {"segment": "A", "safety_stock": None}}, {"policy": {"segment": "A", "safety_stock": "ab"}},
    {"policy": {"segment": "A", "safety_stock": [None]}}, {"policy": {"segment": "A", "safety_stock": {"a": 1}}},
]  # fmt: skip


@pytest.mark.parametrize("change", WRONG, ids=str)
def test_refuses_to_write_what_is_of_another_type(codec: Codec, change: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError), match=f"LedgerEntry.{next(iter(change))}|surrogates"):
        codec.encode("inventory.ledger", usual(shape("LedgerEntry")) | change)


def test_refuses_wrong_parts_of_other_types(codec: Codec) -> None:
    for name, change in (
        ("Availability", {"disposition": [("available", 1)]}),
        ("Availability", {"disposition": {"available": "1"}}),
        ("Availability", {"disposition": {1: 1}}),
        ("Availability", {"causes": "abc"}),
        ("Availability", {"causes": [b"a"]}),
        ("Availability", {"next_receipt": 1 << 31}),
        ("Availability", {"next_receipt": 1.5}),
        ("Item", {"active": 1}),
        ("Item", {"active": None}),
        ("Item", {"active": "true"}),
        ("DeadLetter", {"original": "text"}),
        ("DeadLetter", {"original": None}),
        ("WarehouseScan", {"item": None}),
        ("WarehouseScan", {"item": {"scheme": "SKU"}}),
    ):
        with pytest.raises((KeyError, TypeError, ValueError), match=f"{name}.{next(iter(change))}"):
            codec.encode(TOPICS[name], usual(shape(name)) | change)


@pytest.mark.parametrize("name", RECORDS)
def test_refuses_to_write_without_a_field(codec: Codec, name: str) -> None:
    for field in shape(name).fields:
        record = usual(shape(name))
        del record[field.name]
        if isinstance(field.shape, Optional):
            continue
        with pytest.raises(KeyError, match=f"{name}.{field.name} is missing"):
            codec.encode(TOPICS[name], record)


def test_false_lengths_and_counts_end_at_once(codec: Codec) -> None:
    name = "Availability"
    whole = codec.encode(TOPICS[name], usual(shape(name)) | {"expected": [], "schedule": [], "stamps": []})
    lists = whole.index(b"available") + len(b"available") + 4  # value, end of the map, two numbers
    began = time.perf_counter()
    for number in ((1 << 63) - 1, -(1 << 63), 1 << 40, -1, 64):
        for at in (5, lists):
            agree_on(codec, name, whole[:at] + long_bytes(number) + whole[at + 1 :])
            with pytest.raises(Undecodable):
                codec.decode(TOPICS[name], whole[:at] + long_bytes(number))
    for endless in (b"\x80" * 9, b"\x80" * 10_000, b"\xff" * 10 + b"\1"):
        with pytest.raises(Undecodable):
            codec.decode(TOPICS[name], whole[:5] + endless + whole[6:])
    assert time.perf_counter() - began < 1


def test_a_negative_length_does_not_lead_back(codec: Codec) -> None:
    """Five bytes back from the original stands the topic's one character, which then passes for the error's length."""
    record = usual(shape("DeadLetter")) | {"topic": "\x08", "partition": 1, "offset": 1, "key": None, "original": b""}
    value = codec.encode("dead-letters", record | {"error": ""})
    front = b"\2\x08\2\2\0"
    assert value.count(front + b"\0\0") == 1
    with pytest.raises(Undecodable, match="a length of -5"):
        codec.decode("dead-letters", value.replace(front + b"\0\0", front + long_bytes(-5)))


def test_a_list_in_several_blocks_is_read(codec: Codec) -> None:
    name = "AvailabilityDelta"
    record = usual(shape(name)) | {"reasons": ["RECEIPT", "ISSUE"]}
    value = codec.encode(TOPICS[name], record)
    one, two = b"\x0eRECEIPT", b"\x0aISSUE"
    sized = b"\1" + long_bytes(len(one)) + one + b"\2" + two + b"\0"  # a count of -1 is followed by the block's size
    plain = b"\4" + one + two + b"\0"
    assert plain in value
    assert codec.decode(TOPICS[name], value.replace(plain, sized)) == record


def test_remembered_times_stay_few() -> None:
    name = "FeedHeartbeat"
    encode, decode = generated.encoder(shape(name), HEADER.pack(0, 1)), generated.decoder(shape(name))
    written, read = encode.__globals__["high"], decode.__globals__["high"]  # type: ignore[attr-defined]
    for number in range(10_000):
        record = {"source": "A", "location": "B", "sent_at": NOW + number * 10_000}
        assert decode(encode(record)) == record
    assert 0 < len(written) <= 4_096
    assert 0 < len(read) <= 4_096


@pytest.mark.parametrize(
    "part",
    ["null", "float", ["null", "string", "long"], ["string", "long"], "R",
     {"type": "fixed", "name": "F", "size": 2}, {"type": "array", "items": {"type": "record", "name": "E", "fields": []}}],
    ids=str,
)  # fmt: skip
def test_other_schemas_are_left_to_fastavro(part: Any) -> None:
    with pytest.raises(Unsupported):
        shape_of({"type": "record", "name": "R", "fields": [{"name": "part", "type": part}]})

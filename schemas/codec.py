"""Confluent wire format (0, 4-byte schema id, Avro) to records and back: the hot path.

Schemas are used without logical types, so times stay integer milliseconds and dates integer days. Ids come from the
registry at start. Code generated from the schema does the work; fastavro only resolves from a writer's schema that
differs from ours, and serves schemas with parts the generator does not know.
"""

import io
import json
import struct
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import fastavro
from avro.errors import AvroException
from fastavro.read import SchemaResolutionError
from fastavro.schema import to_parsing_canonical_form

from schemas import generated
from schemas.binary import Malformed, read_whole, reader
from schemas.catalogue import catalogue
from schemas.compatibility import differences
from schemas.shapes import Record, Unsupported, shape_of

HEADER = struct.Struct(">bI")
AVRO = Path(__file__).parent / "avro"
Encoder = Callable[[Mapping[str, Any]], bytes]
Decoder = Callable[[bytes], Any]


FAULTS: Final = ("NOT_AVRO", "UNKNOWN_SCHEMA", "WRONG_SCHEMA", "INCOMPATIBLE", "MALFORMED")
"""Why a value cannot be read."""


class Undecodable(Exception):
    """A value that cannot be read; `category` is one of FAULTS."""

    def __init__(self, category: str, message: str) -> None:
        super().__init__(message)
        self.category = category


class SchemaUnavailable(Exception):
    """The value names a schema that nobody could be asked about yet; it may be readable later."""

    def __init__(self, schema_id: int) -> None:
        super().__init__(f"schema {schema_id} is not known here and the registry does not answer")
        self.schema_id = schema_id


class UnknownTopic(Exception):
    """A topic without a schema id: the schemas are not registered, or the topic is not in the catalogue."""


@cache
def source(record: str) -> str:
    """The text of a record's schema, as it is registered."""
    return json.dumps(json.loads((AVRO / f"{record}.avsc").read_text()))


@cache
def parsed(text: str) -> Any:
    """A schema ready for fastavro, without logical types."""
    return fastavro.parse_schema(_plain(json.loads(text)))


@cache
def _shape(text: str) -> Record | None:
    """A schema as the generator takes it; None when it does not know all of it."""
    try:
        return shape_of(json.loads(text))
    except Unsupported:
        return None


def _plain(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {name: _plain(value) for name, value in schema.items() if name != "logicalType"}
    if isinstance(schema, list):
        return [_plain(part) for part in schema]
    return schema


class Codec:
    """Encodes and decodes by topic. Give it ids with `register` (ours) and `learn` (other writers')."""

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}
        self._encoders: dict[str, Encoder] = {}
        self._decoders: dict[str, Decoder] = {}
        self._writers: dict[int, str] = {}
        self._absent: set[int] = set()

    # ---- ids ----------------------------------------------------------------------------------------------------

    def register(self, topic: str, schema_id: int) -> None:
        """The registry's id of our schema for a topic."""
        self._ids[topic] = schema_id
        self._writers[schema_id] = source(catalogue().topic(topic).record)

    def learn(self, schema_id: int, schema: str | None) -> None:
        """Another writer's schema; None: the registry has none under this id."""
        if schema is None:
            self._absent.add(schema_id)
        else:
            self._absent.discard(schema_id)
            self._writers[schema_id] = schema

    def unknown_ids(self, values: Iterable[bytes | None]) -> set[int]:
        """Ids in these values that the registry has not been asked about."""
        heads = {value[:5] for value in values if value}
        ids = {HEADER.unpack(head)[1] for head in heads if len(head) == HEADER.size and head[0] == 0}
        return ids - self._writers.keys() - self._absent

    # ---- encoding -----------------------------------------------------------------------------------------------

    def encode(self, topic: str, record: Mapping[str, Any]) -> bytes:
        encoder = self._encoders.get(topic)
        if encoder is None:
            encoder = self.encoder(topic)
        return encoder(record)

    def encoder(self, topic: str) -> Encoder:
        """The topic's encoder; raise UnknownTopic when its schema has no id yet."""
        if topic not in self._encoders:
            if topic not in self._ids:
                raise UnknownTopic(f"no schema id for {topic}: run `stockstream schemas register`")
            self._encoders[topic] = self._new_encoder(topic)
        return self._encoders[topic]

    def _new_encoder(self, topic: str) -> Encoder:
        name, header = catalogue().topic(topic).record, HEADER.pack(0, self._ids[topic])
        shape = _shape(source(name))
        if shape is not None:
            return generated.encoder(shape, header)
        schema, write, buffers = parsed(source(name)), fastavro.schemaless_writer, io.BytesIO

        def encode(record: Mapping[str, Any]) -> bytes:
            buffer = buffers(header)
            buffer.seek(5)
            write(buffer, schema, record)
            return buffer.getvalue()

        return encode

    # ---- decoding -----------------------------------------------------------------------------------------------

    def decode(self, topic: str, value: bytes) -> Any:
        """Read one value; raise Undecodable."""
        decoder = self._decoders.get(topic)
        if decoder is None:
            decoder = self.decoder(topic)
        return decoder(value)

    def decoder(self, topic: str) -> Decoder:
        """The topic's decoder."""
        if topic not in self._decoders:
            self._decoders[topic] = self._new_decoder(topic)
        return self._decoders[topic]

    def _new_decoder(self, topic: str) -> Decoder:
        name = catalogue().topic(topic).record
        readers: dict[bytes, Decoder] = {}

        def decode(value: bytes) -> Any:
            read = readers.get(value[:5])
            if read is None:
                read = readers[value[:5]] = self._reader(value[:5], name)
            try:
                return read(value)
            except Malformed as error:
                raise Undecodable("MALFORMED", f"not a {name}: {error}") from error

        return decode

    def _reader(self, head: bytes, name: str) -> Decoder:
        """Reads values that begin so; it raises Malformed."""
        theirs, ours = self._writer(head, name), source(name)
        shape = _shape(ours)
        if shape is None or to_parsing_canonical_form(parsed(theirs)) != to_parsing_canonical_form(parsed(ours)):
            return _resolving_reader(theirs, ours)
        return generated.decoder(shape)

    def _writer(self, head: bytes, name: str) -> str:
        """The schema that values which begin so were written with."""
        if len(head) < HEADER.size or head[0] != 0:
            raise Undecodable("NOT_AVRO", "no schema id: the value does not begin with a zero byte and four of an id")
        schema_id = HEADER.unpack(head)[1]
        text = self._writers.get(schema_id)
        if text is None:
            if schema_id not in self._absent:
                raise SchemaUnavailable(schema_id)
            raise Undecodable("UNKNOWN_SCHEMA", f"the registry has no schema {schema_id}")
        try:
            writer, _ = parsed(text), _shape(text)
        except Exception as error:
            # A registry also keeps JSON Schema, Protobuf, and Avro that refers to other subjects.
            raise Undecodable("WRONG_SCHEMA", f"schema {schema_id} is no Avro schema that stands alone") from error
        if _name(writer) != name:
            raise Undecodable("WRONG_SCHEMA", f"schema {schema_id} is a {_name(writer)}, this topic carries {name}")
        return text


def _resolving_reader(theirs: str, ours: str) -> Decoder:
    """Reads another writer's values as ours."""
    writer, wanted, shape = parsed(theirs), parsed(ours), _shape(theirs)
    read, buffers = fastavro.schemaless_reader, io.BytesIO
    strictly = None if shape is None else reader(shape)

    def resolve(value: bytes) -> Any:
        if strictly is not None:
            # fastavro does not notice when a string that it skips is cut off.
            read_whole(strictly, value, HEADER.size)
        buffer = buffers(value)
        buffer.seek(HEADER.size)
        try:
            record = read(buffer, writer, wanted)
        except SchemaResolutionError as error:  # by value: a symbol new to us is one only where it stands
            why = _conflict(theirs, ours) or str(error)
            raise Undecodable("INCOMPATIBLE", f"written with a schema ours cannot read: {why}") from error
        except Exception as error:  # damaged bytes make fastavro raise almost anything
            raise Malformed(f"{type(error).__name__}: {error}") from error
        if buffer.tell() != len(value):
            raise Malformed(f"{len(value) - buffer.tell()} bytes left over")
        return record

    return resolve


@cache
def _conflict(theirs: str, ours: str) -> str:
    """Where two schemas part, by field; empty when Avro's own library, stricter with names, does not take theirs."""
    try:
        return "; ".join(differences(theirs, ours, "BACKWARD"))
    except AvroException:
        return ""


def _name(schema: Any) -> str:
    return str(schema.get("name", "")).rpartition(".")[2] if isinstance(schema, dict) else str(schema)

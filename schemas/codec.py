"""Confluent wire format (0, 4-byte schema id, Avro) to records and back: the hot path.

Schemas are used without logical types, so times stay integer milliseconds and dates integer days. Ids come from the
registry at start; decoding resolves from the writer's schema to ours only where the two differ.
"""

import io
import json
import struct
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import fastavro
from fastavro.schema import to_parsing_canonical_form

from schemas.catalogue import catalogue

HEADER = struct.Struct(">bI")
AVRO = Path(__file__).parent / "avro"
Encoder = Callable[[Mapping[str, Any]], bytes]
Decoder = Callable[[bytes], Any]


class Undecodable(Exception):
    """A value that cannot be read; `category` is NOT_AVRO, UNKNOWN_SCHEMA, WRONG_SCHEMA, INCOMPATIBLE or MALFORMED."""

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
        schema = parsed(source(catalogue().topic(topic).record))
        header, write, buffers = HEADER.pack(0, self._ids[topic]), fastavro.schemaless_writer, io.BytesIO

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
        ours = parsed(source(name))
        plans: dict[bytes, tuple[Any, Any]] = {}
        read, buffers = fastavro.schemaless_reader, io.BytesIO

        def decode(value: bytes) -> Any:
            head = value[:5]
            plan = plans.get(head)
            if plan is None:
                plan = plans[head] = self._plan(head, name, ours)
            buffer = buffers(value)
            buffer.seek(5)
            try:
                record = read(buffer, *plan)
            except Exception as error:  # noqa: BLE001 - damaged bytes make fastavro raise almost anything
                raise Undecodable("MALFORMED", f"not a {name}: {type(error).__name__}: {error}") from error
            if buffer.tell() != len(value):
                raise Undecodable("MALFORMED", f"{len(value) - buffer.tell()} bytes left over after a {name}")
            return record

        return decode

    def _plan(self, head: bytes, name: str, ours: Any) -> tuple[Any, Any]:
        """Writer's and reader's schema for values that begin so."""
        if len(head) < HEADER.size or head[0] != 0:
            raise Undecodable("NOT_AVRO", "no schema id: the value does not begin with a zero byte and four of an id")
        schema_id = HEADER.unpack(head)[1]
        text = self._writers.get(schema_id)
        if text is None:
            if schema_id not in self._absent:
                raise SchemaUnavailable(schema_id)
            raise Undecodable("UNKNOWN_SCHEMA", f"the registry has no schema {schema_id}")
        writer = parsed(text)
        if _name(writer) != name:
            raise Undecodable("WRONG_SCHEMA", f"schema {schema_id} is a {_name(writer)}, this topic carries {name}")
        if to_parsing_canonical_form(writer) == to_parsing_canonical_form(ours):
            return writer, None
        return writer, ours


def _name(schema: Any) -> str:
    return str(schema.get("name", "")).rpartition(".")[2] if isinstance(schema, dict) else str(schema)

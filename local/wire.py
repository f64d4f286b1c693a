"""The demo's own end of the wire: values to and from the Confluent format with the ids and schemas of the registry.

It uses the registry and nothing of the product's codec, as any producer or consumer outside would, so the demo also
proves that what travels is what the registry says. Times stay integer milliseconds, dates integer days.
"""

import io
import struct
from collections.abc import Callable, Mapping
from typing import Any

import fastavro
import orjson
from confluent_kafka.schema_registry import SchemaRegistryClient

HEADER = struct.Struct(">bI")
Encode = Callable[[Mapping[str, Any]], bytes]


class Wire:
    """Encoders by topic and a decoder, both cached; raises the client's error where the registry has no schema."""

    def __init__(self, registry_url: str) -> None:
        self._registry = SchemaRegistryClient({"url": registry_url})
        self._schemas: dict[int, Any] = {}

    def encoder(self, topic: str) -> Encode:
        """The encoder for a topic's values, by the newest schema of its subject."""
        version = self._registry.get_latest_version(f"{topic}-value")
        header = HEADER.pack(0, version.schema_id)
        schema = self._schema(version.schema_id)
        write = fastavro.schemaless_writer

        def encode(record: Mapping[str, Any]) -> bytes:
            buffer = io.BytesIO()
            buffer.write(header)
            write(buffer, schema, record)
            return buffer.getvalue()

        return encode

    def decode(self, value: bytes) -> Any:
        """Read one value by its writer's schema."""
        _, schema_id = HEADER.unpack_from(value)
        return fastavro.schemaless_reader(io.BytesIO(value[HEADER.size :]), self._schema(schema_id), None)

    def _schema(self, schema_id: int) -> Any:
        schema = self._schemas.get(schema_id)
        if schema is None:
            text = self._registry.get_schema(schema_id).schema_str
            schema = self._schemas[schema_id] = fastavro.parse_schema(_plain(orjson.loads(text)))
        return schema


def _plain(schema: Any) -> Any:
    """The schema without logical types: times and dates stay the integers they are on the wire."""
    if isinstance(schema, dict):
        return {name: _plain(value) for name, value in schema.items() if name != "logicalType"}
    if isinstance(schema, list):
        return [_plain(part) for part in schema]
    return schema

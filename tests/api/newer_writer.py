"""A writer of a newer release: its schema has one field more than ours."""

import io
import json
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import fastavro
from confluent_kafka.schema_registry import Schema

from schemas.catalogue import catalogue
from schemas.codec import HEADER, parsed, source
from schemas.registry import client


def newer_writer(registry_url: str, topic: str) -> Callable[[Mapping[str, Any]], bytes]:
    """Register the schema, under a subject of its own, and return the encoder."""
    schema = json.loads(source(catalogue().topic(topic).record))
    added = f"added_{uuid.uuid4().hex[:8]}"
    schema["fields"].append({"name": added, "type": ["null", "string"], "default": None})
    text = json.dumps(schema)
    schema_id = client(registry_url).register_schema(f"{topic}.{added}-value", Schema(text, "AVRO"))

    def encode(record: Mapping[str, Any]) -> bytes:
        buffer = io.BytesIO()
        fastavro.schemaless_writer(buffer, parsed(text), {**record, added: "new"})
        return HEADER.pack(0, schema_id) + buffer.getvalue()

    return encode

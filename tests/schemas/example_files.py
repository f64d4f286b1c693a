"""The example records of the catalogue as Python values. Bytes stand in them as in Avro's JSON: text of latin-1."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from schemas.codec import parsed, source

EXAMPLES = Path(__file__).parents[2] / "schemas" / "examples"


def good() -> Iterator[tuple[str, Path]]:
    """Record name and file of every example that must be taken, of every version."""
    for path in sorted(EXAMPLES.glob("*/v*/*.json")):
        yield path.parts[-3], path


def refused() -> Iterator[tuple[str, Path]]:
    """Record name and file of every example that must not be."""
    for path in sorted(EXAMPLES.glob("*/v*/refused/*.json")):
        yield path.parts[-4], path


def read(record: str, path: Path) -> Any:
    return _with_bytes(parsed(source(record)), json.loads(path.read_text()))


def _with_bytes(schema: Any, value: Any) -> Any:
    """Replace the text of bytes fields at the top of a record; none of ours nests them."""
    for field in schema["fields"]:
        text = value.get(field["name"])
        if field["type"] in ("bytes", ["null", "bytes"]) and text is not None:
            value[field["name"]] = text.encode("latin-1")
    return value

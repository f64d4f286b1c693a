"""A later release as far as its neighbours can tell: every record it writes has one field more.

Run as `python next_release.py COMMAND…`, like `stockstream COMMAND…`.
"""

import json
from collections.abc import Mapping
from typing import Any

from schemas import codec

ADDED = "added_by_the_next_release"
_source, _new_encoder = codec.source, codec.Codec._new_encoder


def source(record: str) -> str:
    schema = json.loads(_source(record))
    schema["fields"].append({"name": ADDED, "type": ["null", "string"], "default": None})
    return json.dumps(schema)


def new_encoder(self: codec.Codec, topic: str) -> codec.Encoder:
    encode = _new_encoder(self, topic)

    def encode_more(record: Mapping[str, Any]) -> bytes:
        return encode({**record, ADDED: "next"})

    return encode_more


codec.source = source
codec.Codec._new_encoder = new_encoder  # type: ignore[method-assign]

from schemas import registry  # noqa: E402 - it takes the schemas' source by name

registry.source = source

if __name__ == "__main__":
    from cli.main import main

    main()

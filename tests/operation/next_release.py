"""A later release as far as its neighbours can tell: every record it writes has one field more.

Run as `python next_release.py COMMAND…`, like `stockstream COMMAND…`; imported, it changes nothing.
"""

import json
from collections.abc import Mapping
from typing import Any

from cli.main import main
from schemas import codec, registry

ADDED = "added_by_the_next_release"


def become_next() -> None:
    """Make this process one of the next release."""
    today, new_encoder = codec.source, codec.Codec._new_encoder

    def source(record: str) -> str:
        schema = json.loads(today(record))
        schema["fields"].append({"name": ADDED, "type": ["null", "string"], "default": None})
        return json.dumps(schema)

    def encoder_of_more(self: codec.Codec, topic: str) -> codec.Encoder:
        encode = new_encoder(self, topic)

        def encode_more(record: Mapping[str, Any]) -> bytes:
            return encode({**record, ADDED: "next"})

        return encode_more

    codec.source = registry.source = source
    codec.Codec._new_encoder = encoder_of_more  # type: ignore[method-assign]


if __name__ == "__main__":
    become_next()
    main()

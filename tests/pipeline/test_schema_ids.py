"""Schema ids that nobody could be asked about: every one of them is asked for again."""

import asyncio
import struct
from types import SimpleNamespace
from typing import Any

import pytest

from schemas import registry
from schemas.codec import Codec
from streams.schema_ids import SchemaIds

SCHEMA = '{"type": "record", "name": "Later", "fields": []}'


async def test_ids_met_while_the_registry_is_known_to_be_away_are_asked_for_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second is met within the seconds in which nobody asks; both are told once the registry is back."""
    away = [True]

    def schema_of(_: Any, schema_id: int) -> str:
        if away[0]:
            raise registry.RegistryError("away")
        return SCHEMA

    monkeypatch.setattr(registry, "schema_of", schema_of)
    monkeypatch.setattr(registry, "client", lambda *_, **__: None)
    monkeypatch.setattr(SchemaIds, "ASK_AGAIN", 0.1)
    ids = SchemaIds(SimpleNamespace(), Codec(), [])  # type: ignore[arg-type]
    missing, whole = {"schema|7001", "schema|7002"}, asyncio.Event()

    def found(keys: set[str]) -> None:
        missing.difference_update(keys)
        if not missing:
            whole.set()

    for schema_id in (7_001, 7_002):
        await ids.learn([SimpleNamespace(value=struct.pack(">bI", 0, schema_id) + b"later")])
    away[0] = False
    following = asyncio.ensure_future(ids.follow(found))
    try:
        await asyncio.wait_for(whole.wait(), 10)
    finally:
        following.cancel()

"""The window in which an event that a producer sends twice is taken once. It survives restarts in the intake table.

Each step adds one row with the ids it took; rows of ids are merged as they gather and dropped whole, an hour at a time.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from tables.outcome import pack_row, unpack_row
from tables.refusal import Refused

HOUR: Final = 3_600_000
PREFIX: Final = b"seen|"
ID_SIZE: Final = 16
MERGE_AT: Final = 64
"""Rows of one hour that gather before they are merged into one."""
MERGED_SIZE: Final = 32 << 10
"""A row of this many bytes is left as it is."""


def event_identity(event_id: str) -> bytes | None:
    """The 16 bytes of a UUID, however it is written; None for any other text."""
    try:
        identity = bytes.fromhex(event_id.replace("-", ""))
    except ValueError:
        return None
    return identity if len(identity) == ID_SIZE else None


def scoped_identity(event_id: str, *scope: str) -> bytes:
    """16 bytes for an id that is no UUID, and so is its sender's own: hashed with topic and sender."""
    return hashlib.blake2b("\x1f".join((*scope, event_id)).encode(), digest_size=ID_SIZE).digest()


def identity_of(topic: str, content: Mapping[str, Any]) -> bytes | None:
    """The 16 bytes an event is remembered by; None for reference data and heartbeats. Raise Refused for an empty id."""
    event_id = content.get("event_id")
    if event_id is None:
        return None
    known = event_identity(event_id)
    if known is not None:
        return known
    if not event_id.strip():
        raise Refused("MISSING_FIELD", ("record", topic), "event_id is empty")
    sender = content.get("source") or content.get("supplier") or content.get("carrier") or "ERP"
    return scoped_identity(content["event_id"], topic, sender)


class Window:
    """Ids seen, in a set; `rows` of the table hold the same ids in segments by hour."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self._hours: dict[int, list[bytes]] = {}  # hour → keys of its segments
        self._small: dict[int, list[bytes]] = {}  # hour → keys of segments that may be merged

    def recover(self, rows: Mapping[bytes, bytes]) -> None:
        """Read every segment back."""
        for key in sorted(key for key in rows if key.startswith(PREFIX)):
            payload = unpack_row(rows[key])[0]
            self.seen.update(_ids(payload))
            self._note(key, len(payload))

    def _note(self, key: bytes, size: int) -> None:
        hour = int(key.split(b"|", 2)[1])
        self._hours.setdefault(hour, []).append(key)
        if size < MERGED_SIZE:
            self._small.setdefault(hour, []).append(key)

    def segment(self, ids: list[bytes], coordinate: str, now: int, changed: dict[bytes, bytes | None]) -> None:
        """Write the ids one step took, already added to `seen`, as one row.

        No two steps may give one coordinate: the second row would take the first one's place.
        """
        key = b"seen|%d|%s" % (now // HOUR, coordinate.encode())
        payload = b"".join(ids)
        changed[key] = pack_row(payload, -1, 0)
        self._note(key, len(payload))

    def sweep(self, rows: Mapping[bytes, bytes], now: int, window: int, changed: dict[bytes, bytes | None]) -> None:
        """Forget the hours that ended longer ago than the window (ms), and merge small segments."""
        current = now // HOUR
        for hour in [hour for hour in self._hours if (hour + 1) * HOUR + window <= now]:
            for key in self._hours.pop(hour):
                self.seen.difference_update(_ids(unpack_row(rows[key])[0]))
                changed[key] = None
            self._small.pop(hour, None)
        for hour, keys in list(self._small.items()):
            if len(keys) >= MERGE_AT or (hour != current and len(keys) > 1):
                self._merge(hour, keys, rows, changed)
            elif hour != current:
                del self._small[hour]

    def _merge(
        self, hour: int, keys: list[bytes], rows: Mapping[bytes, bytes], changed: dict[bytes, bytes | None]
    ) -> None:
        """Rewrite segments as few larger ones, under the first of their keys."""
        gathered: list[bytes] = []
        size = 0
        groups: list[tuple[bytes, list[bytes]]] = []
        for key in keys:
            if size == 0 or size >= MERGED_SIZE:
                gathered, size = [], 0
                groups.append((key, gathered))
            payload = unpack_row(rows[key])[0]
            gathered.append(payload)
            size += len(payload)
            changed[key] = None
        merged = {key: b"".join(payloads) for key, payloads in groups}
        gone = set(keys) - merged.keys()
        self._hours[hour] = [key for key in self._hours[hour] if key not in gone]
        for key, payload in merged.items():
            changed[key] = pack_row(payload, -1, 0)
        left = [key for key, payload in merged.items() if len(payload) < MERGED_SIZE]
        self._small[hour] = left


def _ids(payload: bytes) -> list[bytes]:
    return [payload[at : at + ID_SIZE] for at in range(0, len(payload), ID_SIZE)]

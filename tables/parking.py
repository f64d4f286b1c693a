"""Records that wait for reference data: their rows in the intake table, and the index of what they wait for."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Final

import orjson

from tables.outcome import pack_row, unpack_row

PREFIX: Final = b"parked|"
_LENGTH: Final = 4


@dataclass(frozen=True, slots=True)
class Parked:
    """One record that waits, as its row keeps it; `original` are its bytes."""

    topic: str
    partition: int
    offset: int
    key: str
    timestamp: int | None  # of the log, ms
    parked_at: int  # business time of arrival: the record's times are judged by it, not by the time it gets in
    exception_id: str
    category: str
    subject: tuple[str, str]
    waits: tuple[str, ...]
    correlation_id: str
    identity: str  # of its event, hexadecimal; empty: the record has none
    original: bytes

    @property
    def coordinate(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.offset}"

    @property
    def row_key(self) -> bytes:
        return PREFIX + self.coordinate.encode()

    def row(self) -> bytes:
        """Frame it: length of the description, the description, the original bytes."""
        fields = asdict(self)
        original = fields.pop("original")
        text = orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)
        return pack_row(len(text).to_bytes(_LENGTH, "big") + text + original, -1, 0)


def read(row: bytes) -> Parked:
    """Read a row back; raise CorruptRow when it is damaged."""
    payload = unpack_row(row)[0]
    end = _LENGTH + int.from_bytes(payload[:_LENGTH], "big")
    fields = orjson.loads(payload[_LENGTH:end])
    fields["subject"], fields["waits"] = tuple(fields["subject"]), tuple(fields["waits"])
    return Parked(**fields, original=payload[end:])


class Parking:
    """Who waits for what. Rebuilt from the rows when a task takes its partition over."""

    def __init__(self) -> None:
        self.identities: dict[bytes, bytes] = {}
        """Events that wait, with their row keys: sent again meanwhile, they are duplicates."""
        self._places: dict[bytes, Parked] = {}  # without the original bytes: those stay in the row
        self._by_wait: dict[str, set[bytes]] = defaultdict(set)
        self._by_key: dict[tuple[str, str], dict[int, bytes]] = defaultdict(dict)

    def __len__(self) -> int:
        return len(self._places)

    def recover(self, rows: Mapping[bytes, bytes]) -> None:
        for key, row in rows.items():
            if key.startswith(PREFIX):
                self.add(read(row))

    def add(self, parked: Parked) -> None:
        """Note a record that waits, in place of what was noted about it before."""
        key = parked.row_key
        self.remove(key)
        self._places[key] = replace(parked, original=b"")
        if parked.identity:
            self.identities[bytes.fromhex(parked.identity)] = key
        for wait in parked.waits:
            self._by_wait[wait].add(key)
        self._by_key[parked.topic, parked.key][parked.offset] = key

    def remove(self, key: bytes) -> None:
        parked = self._places.pop(key, None)
        if parked is None:
            return
        self.identities.pop(bytes.fromhex(parked.identity), None)
        for wait in parked.waits:
            waiting = self._by_wait[wait]
            waiting.discard(key)
            if not waiting:
                del self._by_wait[wait]
        same = self._by_key[parked.topic, parked.key]
        del same[parked.offset]
        if not same:
            del self._by_key[parked.topic, parked.key]

    def waiting(self, changed: Iterable[str]) -> list[bytes]:
        """Row keys that wait for any of these, in the order their records came."""
        found = {key for wait in changed for key in self._by_wait.get(wait, ())}
        return self.in_order(found)

    def in_order(self, keys: Iterable[bytes]) -> list[bytes]:
        return sorted((key for key in keys if key in self._places), key=self._order)

    def _order(self, key: bytes) -> tuple[str, int]:
        parked = self._places[key]
        return parked.topic, parked.offset

    def ahead(self, topic: str, key: str, offset: int) -> Parked | None:
        """The first record of the same key that came earlier and still waits."""
        same = self._by_key.get((topic, key))
        first = min(same) if same else offset
        return self._places[same[first]] if same and first < offset else None

    def behind(self, topic: str, key: str) -> list[bytes]:
        """Row keys of all that wait with this key."""
        return self.in_order(self._by_key.get((topic, key), {}).values())

    def every(self) -> list[tuple[bytes, Parked]]:
        return list(self._places.items())

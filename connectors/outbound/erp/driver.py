"""What the connector asks of a way into a system, and the notes that go with its committed offsets."""

import time
from collections.abc import Mapping
from typing import Any, Final, Protocol

from connectors.outbound.erp.lanes import Entry
from schemas import redaction

FAULT_SHOWN: Final = 300
"""Characters of a fault's reason that /readyz tells."""


class Driver(Protocol):
    """How postings get into one system: over its API (attempts.py) or in files (batches.py)."""

    name: str

    def add(self, entry: Entry) -> None:
        """Take a posting."""

    def withdraw(self, entry: Entry) -> bool:
        """Give a posting back that is not under way and has nothing of its document behind it."""

    def urge(self, partition: int) -> None:
        """No more of the partition can be held."""

    def has(self, document: str) -> bool:
        """Whether postings of the document are held."""

    async def assigned(self, partition: int, note: list[int] | None) -> None:
        """A partition is ours; `note` went with its committed offset."""

    def notes(self, partition: int) -> list[int] | None:
        """What goes with the next commit."""

    def committed(self, partition: int, note: list[int] | None) -> None:
        """A note went with a commit."""

    async def drop(self, partition: int, within_s: float) -> None:
        """A partition goes to another instance: forget its postings, wait for those under way."""

    async def run(self) -> None:
        """Work until cancelled."""

    async def stop(self, within_s: float) -> None:
        """Start nothing more and wait for what is under way."""

    def state(self) -> dict[str, Any]:
        """For /readyz: `waiting`, `breaker`, and `last_fault` (see told_fault), which stays when all is well again."""


def told_fault(reason: str) -> dict[str, Any]:
    """A technical fault as /readyz tells it: no more than a log would, and when, in ms of the wall clock."""
    return {"reason": redaction.text(reason, FAULT_SHOWN), "at": time.time_ns() // 1_000_000}


def encode_notes(notes: Mapping[str, list[int] | None]) -> str:
    """What goes with a committed offset: `system=written,planned;…` of systems that take files."""
    return ";".join(f"{name}={','.join(map(str, note))}" for name, note in sorted(notes.items()) if note is not None)


def decode_notes(text: str | None) -> dict[str, list[int]]:
    """The inverse of encode_notes."""
    parts = (part.partition("=") for part in (text or "").split(";") if part)
    return {name: [int(number) for number in numbers.split(",")] for name, _, numbers in parts}

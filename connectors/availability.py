"""Reads one SKU's current answers from the compacted snapshots topic, for people at a terminal."""

from datetime import UTC, datetime
from typing import Final

from rich.table import Table

from connectors.as_they_stand import whole
from connectors.decoding import Decoding
from schemas.dates import iso_date
from schemas.environment import Shared
from schemas.records import Availability

SNAPSHOTS: Final = "availability.snapshots"


def read_availability(settings: Shared, sku: str, location: str | None = None) -> list[Availability]:
    """Return the newest answer of each location (or of the one named), sorted.

    Raise SettingError, TimeoutError or KafkaException where the broker fails, Away where the registry does.
    """
    decoding, found = Decoding(settings), dict[bytes, Availability]()
    prefix = f"{sku}|".encode()
    for run in whole(settings, SNAPSHOTS, "availability"):
        ours = [record for record in run if record.key.startswith(prefix)]
        for record, answer in decoding.decoded_here(ours):
            if answer is not None and location in (None, answer["location"]):
                found[record.key] = answer
    return [found[key] for key in sorted(found)]


def render(answers: list[Availability]) -> Table:
    """A table for people: what there is, what may be promised, and how old the knowledge is."""
    table = Table(
        "location", "on hand", "allocated", "safety", "ATP", "expected", "later", "as of", title=answers[0]["sku"]
    )
    for answer in answers:
        table.add_row(
            answer["location"],
            " ".join(f"{name} {count}" for name, count in answer["disposition"].items() if count) or "0",
            str(answer["allocated"]),
            str(answer["safety_stock"]),
            f"{answer['atp']} ({answer['atp_signed']})",
            str(sum(part["quantity"] for part in answer["expected"])),
            ", ".join(f"{iso_date(bucket['date'])}: {bucket['atp']}" for bucket in answer["schedule"][:4]),
            datetime.fromtimestamp(answer["as_of"] / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S"),
        )
    return table

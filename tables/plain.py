"""The short way of the commonest entry: a movement of a position that nothing is claimed of.

Works from row to row without the general fold, which knows every case and gives the same bytes; what is not plain is
left to it.
"""

# ruff: noqa: PLR1730 - max() is a call, and this is the hot path

from typing import Final

import orjson

from schemas.records import SELLABLE, Availability, AvailabilityDelta, LedgerEntry, Stamp
from tables import journal
from tables.availability import reasons_of
from tables.clocks import clock_after
from tables.materiality import SegmentMateriality, gate
from tables.outcome import seal
from tables.position import BIT, BODY, CAUSES, NO_DATE, ROW, SIGNS

_read: Final = ROW.unpack_from
_write: Final = BODY.pack
_SIZE: Final = ROW.size
_RECORD: Final = journal.SIZE
_CLAIMING: Final = ("PURCHASE_ORDER:", "SALES_ORDER:", "TRANSFER:")

Folded = tuple[bytes, Availability, AvailabilityDelta | None, bool]
"""The new row, the whole answer, the delta where it is material, whether the promise has changed."""


def fold_plain(row: bytes, offset: int, key: str, entry: LedgerEntry, rules: SegmentMateriality) -> Folded | None:
    """Fold a movement into a row; None where the general way must be taken."""
    kind = entry["kind"]
    sign = SIGNS.get(kind)
    if sign is None or entry["disposition"] != SELLABLE:
        return None
    reference = entry["reference"]
    if reference is not None and reference.startswith(_CLAIMING):
        return None
    (
        version, _, last_offset, _, last_atp, as_of, _, plain, segment_size, count, revision, clock, available,
        allocated, safety_stock, published_revision, published_at, published_atp, published_date, published_on_hand,
        dropped_at, reasons,
    ) = _read(row)  # fmt: skip
    at, quantity = entry["occurred_at"], sign * entry["quantity"]
    before, available = available, available + quantity
    if (
        not plain
        or version != 1
        or offset <= last_offset
        or not published_revision
        or at < as_of  # the journal is in order of time
        or count >= journal.LIMIT
        or (before < 0) is not (available < 0)
        or not -journal.MOST <= quantity <= journal.MOST
    ):
        return None
    recorded = entry["recorded_at"]
    clock = clock_after(clock, recorded)
    signed = available - allocated
    atp = signed - safety_stock
    if atp < 0:
        atp = 0
    movements = _SIZE + segment_size
    segment = row[_SIZE:movements]
    now = (clock, atp, NO_DATE)
    because, due = gate((published_at, published_atp, published_date), now, rules.of(segment.decode()))
    facts = movements + count * _RECORD
    causes, stamps = orjson.loads(row[facts:])
    source, coordinate = entry["source"], entry["coordinate"]
    told: list[Stamp] = []
    known = False
    for stamp in stamps:
        if stamp[0] == source:
            if at <= stamp[1]:
                return None
            stamp[1:] = at, recorded, coordinate
            known = True
        told.append({"source": stamp[0], "event_time": stamp[1], "ingested_at": stamp[2], "coordinate": stamp[3]})
    if not known:
        return None
    if published_revision == revision:
        reasons, causes = BIT[kind], [coordinate]
    else:
        reasons |= BIT[kind]
        causes.append(coordinate)
        if len(causes) > CAUSES:
            del causes[0]
    revision += 1
    sku, _, location = key.partition("|")
    correlation_id = entry["correlation_id"]
    delta: AvailabilityDelta | None = None
    if because is not None:
        delta = {
            "sku": sku,
            "location": location,
            "revision": revision,
            "previous_revision": published_revision,
            "atp": atp,
            "previous_atp": published_atp,
            "atp_signed": signed,
            "on_hand": available,
            "previous_on_hand": published_on_hand,
            "allocated": allocated,
            "safety_stock": safety_stock,
            "expected": 0,
            "reasons": reasons_of(reasons),
            "material_because": because,
            "schedule": [],
            "as_of": at,
            "computed_at": clock,
            "causes": causes,
            "correlation_id": correlation_id,
        }
        published_at, published_atp, published_date = now
        published_revision, published_on_hand = revision, available
    body = (
        _write(
            offset, due, atp, at, NO_DATE, True, segment_size, count + 1, revision, clock, available, allocated,
            safety_stock, published_revision, published_at, published_atp, published_date, published_on_hand,
            dropped_at, reasons,
        )
        + row[_SIZE:facts]
        + journal.record(at >> 32, at & 0xFFFFFFFF, quantity, 0)
        + orjson.dumps((causes, stamps))
    )  # fmt: skip
    snapshot: Availability = {
        "sku": sku,
        "location": location,
        "revision": revision,
        "on_hand": available,
        "disposition": {SELLABLE: available},
        "allocated": allocated,
        "safety_stock": safety_stock,
        "expected": [],
        "atp": atp,
        "atp_signed": signed,
        "schedule": [],
        "next_receipt": None,
        "as_of": at,
        "stamps": told,
        "computed_at": clock,
        "causes": causes,
        "correlation_id": correlation_id,
    }
    return seal(body), snapshot, delta, atp != last_atp

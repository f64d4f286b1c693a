"""What a position says to the world: its whole current answer, and the change since the answer before."""

from collections.abc import Sequence

from schemas.records import SELLABLE, Availability, AvailabilityDelta, Expected, PromiseBucket, Stamp
from tables.expected import Listed
from tables.position import CAUSES, KINDS, NO_DATE, Position


def snapshot(key: str, position: Position) -> Availability:
    """The whole answer of the position `sku|location`, just folded and derived."""
    sku, _, location = key.partition("|")
    stamps: list[Stamp] = []
    for source, event, ingested, coordinate in position.stamps:
        stamps.append({"source": source, "event_time": event, "ingested_at": ingested, "coordinate": coordinate})
    disposition: dict[str, int] = {SELLABLE: position.available}
    on_hand = position.available
    if position.others:
        disposition.update(position.others)
        on_hand = sum(disposition.values())
    date = position.next_receipt
    return {
        "sku": sku,
        "location": location,
        "revision": position.revision,
        "on_hand": on_hand,
        "disposition": disposition,
        "allocated": position.allocated,
        "safety_stock": position.safety_stock,
        "expected": _expected(position.expected) if position.expected else [],
        "atp": position.atp,
        "atp_signed": position.atp_signed,
        "schedule": _schedule(position.schedule) if position.schedule else [],
        "next_receipt": None if date == NO_DATE else date,
        "as_of": position.as_of,
        "stamps": stamps,
        "computed_at": position.clock,
        "causes": position.causes,
        "correlation_id": position.correlation_id,
    }


def delta(key: str, position: Position, because: str) -> AvailabilityDelta:
    """The change since the last delta; call it before the position is marked as published."""
    sku, _, location = key.partition("|")
    return {
        "sku": sku,
        "location": location,
        "revision": position.revision,
        "previous_revision": position.published_revision,
        "atp": position.atp,
        "previous_atp": position.published_atp,
        "atp_signed": position.atp_signed,
        "on_hand": position.on_hand(),
        "previous_on_hand": position.published_on_hand,
        "allocated": position.allocated,
        "safety_stock": position.safety_stock,
        "expected": position.counted,
        "reasons": reasons_of(position.reasons),
        "material_because": because,
        "schedule": _schedule(position.schedule) if position.schedule else [],
        "as_of": position.as_of,
        "computed_at": position.clock,
        "causes": position.causes,
        "correlation_id": position.correlation_id,
    }


def merged(first: AvailabilityDelta, last: AvailabilityDelta) -> AvailabilityDelta:
    """One delta for two in a row of the same key: a reader of either ends at the same figures and revision."""
    kinds = {*first["reasons"], *last["reasons"]}
    return {
        **last,
        "previous_revision": first["previous_revision"],
        "previous_atp": first["previous_atp"],
        "previous_on_hand": first["previous_on_hand"],
        "reasons": [kind for kind in KINDS if kind in kinds],
        "causes": [*first["causes"], *last["causes"]][-CAUSES:],
    }


_REASONS: dict[int, tuple[str, ...]] = {}


def reasons_of(bits: int) -> list[str]:
    """The ledger kinds a position's bits stand for, in the order of the ledger's own list."""
    known = _REASONS.get(bits)
    if known is None:
        known = _REASONS[bits] = tuple(kind for number, kind in enumerate(KINDS) if bits >> number & 1)
    return list(known)


def _expected(listed: Sequence[Listed]) -> list[Expected]:
    return [
        {
            "po_number": document,
            "line": line,
            "shipment": shipment,
            "quantity": quantity,
            "date": date,
            "state": state,
            "overdue": overdue,
        }
        for date, document, line, shipment, quantity, state, overdue in listed
    ]


def _schedule(buckets: Sequence[tuple[int, int]]) -> list[PromiseBucket]:
    return [{"date": date, "atp": atp} for date, atp in buckets]

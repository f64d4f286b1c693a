"""What a position says to the world: its whole current answer, and the change since the answer before."""

from typing import Any

from schemas.records import Availability, AvailabilityDelta
from tables.position import CAUSES, Position


def snapshot(sku: str, location: str, position: Position) -> Availability:
    """The whole answer of a position just folded and derived."""
    on_hand = position.on_hand
    return {
        "sku": sku,
        "location": location,
        "revision": position.revision,
        "on_hand": sum(on_hand.values()),
        "disposition": on_hand,
        "allocated": position.allocated,
        "safety_stock": position.safety_stock,
        "expected": [
            {
                "po_number": document,
                "line": line,
                "shipment": shipment,
                "quantity": quantity,
                "date": date,
                "state": state,
                "overdue": overdue,
            }
            for date, document, line, shipment, quantity, state, overdue in position.expected
        ]
        if position.expected
        else [],
        "atp": position.atp,
        "atp_signed": position.atp_signed,
        "schedule": [{"date": date, "atp": atp} for date, atp in position.schedule] if position.schedule else [],
        "next_receipt": position.next_receipt,
        "as_of": position.as_of,
        "stamps": [
            {"source": source, "event_time": event, "ingested_at": ingested, "coordinate": coordinate}
            for source, event, ingested, coordinate in position.stamps
        ],
        "computed_at": position.clock,
        "causes": position.causes,
        "correlation_id": position.correlation_id,
    }


def delta(sku: str, location: str, position: Position, because: str) -> AvailabilityDelta:
    """The change since the last delta; call it before the position is marked as published."""
    last: Any = position.published
    return {
        "sku": sku,
        "location": location,
        "revision": position.revision,
        "previous_revision": position.published_revision,
        "atp": position.atp,
        "previous_atp": last[1] if last else 0,
        "atp_signed": position.atp_signed,
        "on_hand": sum(position.on_hand.values()),
        "previous_on_hand": position.published_on_hand,
        "allocated": position.allocated,
        "safety_stock": position.safety_stock,
        "expected": position.counted,
        "reasons": position.reasons,
        "material_because": because,
        "schedule": [{"date": date, "atp": atp} for date, atp in position.schedule] if position.schedule else [],
        "as_of": position.as_of,
        "computed_at": position.clock,
        "causes": position.causes,
        "correlation_id": position.correlation_id,
    }


def merged(first: AvailabilityDelta, last: AvailabilityDelta) -> AvailabilityDelta:
    """One delta for two in a row of the same key: a reader of either pair ends at the same figures and revision."""
    return {
        **last,
        "previous_revision": first["previous_revision"],
        "previous_atp": first["previous_atp"],
        "previous_on_hand": first["previous_on_hand"],
        "reasons": list(dict.fromkeys([*first["reasons"], *last["reasons"]])),
        "causes": [*first["causes"], *last["causes"]][-CAUSES:],
    }

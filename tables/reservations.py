"""Reservations of a SKU: what a channel may hold, for how long, and what becomes of it. Pure decisions over the open ones.

The stage that owns the SKU's locations applies the changes a verdict names, all in the step that made it; nobody else
holds stock, so what is free when a request is decided is free indeed.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import orjson

from schemas.records import LedgerEntry, ReservationReply, ReservationTerms
from tables.channels import Channel
from tables.claims import RESERVATION, confirmed
from tables.order_events import order_event
from tables.outcome import Output

REPLIES: Final = "reservations.replies"
MOST_OPEN: Final = 2_000
"""Reservations of one SKU open at a time: its row must fit a record of the changelog with room to spare."""
MOST_BYTES: Final = 400_000
"""The same for those with long names."""
FEW: Final = 128
"""So many open ones are less than that, however long their names."""

Parts = list[list[Any]]
"""What is held where: location, quantity. As the row has it."""
Held = list[Any]
"""Channel, end (ms), correlation id, parts: a list, as the row has it."""
Open = dict[str, Held]
"""Open reservations by id."""
Change = tuple[str, str, int, str | None]
"""Location, reference of a hold, quantity held under it from now on (0: none), the order it is confirmed for."""
_CHANNEL, _END, _CORRELATION, _PARTS = range(4)


class Shelf(NamedTuple):
    """What a channel may take of a SKU at the moment."""

    places: Sequence[tuple[str, int]]
    """The locations it sells the SKU from, in its order, and what each promises."""
    buffer: int

    def free(self, location: str | None) -> int:
        """What is left over the channel's buffer, at most what a location named promises."""
        total = max(0, sum(promised for _, promised in self.places) - self.buffer)
        return total if location is None else min(total, dict(self.places).get(location, 0))


class Verdict(NamedTuple):
    """What became of a request or of a reservation."""

    reservation_id: str
    request_id: str
    action: str
    channel: str
    state: str
    quantity: int
    reason: str | None = None
    parts: Parts = []  # noqa: RUF012 - never changed
    location: str | None = None
    expires_at: int | None = None
    order_number: str | None = None
    line: str | None = None
    correlation_id: str | None = None  # null: the entry's
    changes: Sequence[Change] = ()


# ---- decisions --------------------------------------------------------------------------------------------------


def reserve(
    reservations: Open, asked: ReservationTerms, entry: LedgerEntry, channel: Channel | None, segment: str, shelf: Shelf
) -> Verdict:
    """Hold what is asked for, whole or not at all; asked again while it holds, tell what is held."""
    name, quantity = asked["reservation_id"], entry["quantity"]
    known = reservations.get(name)
    if known is not None and known[_CHANNEL] == asked["channel"]:
        return _about(asked, "HELD", known)
    reason = "INVALID" if known is not None else refusal(channel, segment, shelf, asked["location"], quantity)
    if reason is None and _full(reservations):
        reason = "TOO_MANY_OPEN"
    if reason is not None:
        return _verdict(asked, "REFUSED", quantity=quantity, reason=reason, location=asked["location"])
    parts = spread(shelf, asked["location"], quantity)
    held = reservations[name] = [
        asked["channel"],
        entry["recorded_at"] + asked["ttl_ms"],
        entry["correlation_id"],
        parts,
    ]
    changes = [(location, RESERVATION + name, part, None) for location, part in parts]
    return _about(asked, "HELD", held)._replace(changes=changes, location=asked["location"])


def _full(reservations: Open) -> bool:
    count = len(reservations)
    return count >= MOST_OPEN or (count >= FEW and len(orjson.dumps(reservations)) >= MOST_BYTES)


def refusal(channel: Channel | None, segment: str, shelf: Shelf, location: str | None, quantity: int) -> str | None:
    """Why the channel cannot have this quantity, or None."""
    if channel is None:
        return "UNKNOWN_CHANNEL"
    if not channel.sells(segment):
        return "NOT_SOLD"
    if location is not None and location not in channel.sourcing:
        return "LOCATION_NOT_SOURCED"
    return "INSUFFICIENT" if quantity > shelf.free(location) else None


def spread(shelf: Shelf, location: str | None, quantity: int) -> Parts:
    """Where to hold a quantity that is free: at the location named, at the first that has all of it, or in turn."""
    if location is not None:
        return [[location, quantity]]
    for place, promised in shelf.places:
        if promised >= quantity:
            return [[place, quantity]]
    parts: Parts = []
    for place, promised in shelf.places:
        taken = min(promised, quantity)
        if taken > 0:
            parts.append([place, taken])
            quantity -= taken
    return parts


def confirm(reservations: Open, asked: ReservationTerms, entry: LedgerEntry) -> list[Verdict]:
    """Make a hold an order's. One whose time is over is let go instead, clock entry or not."""
    held = _of(reservations, asked)
    if held is None:
        return [_verdict(asked, "NOT_OPEN", reason="NOT_OPEN")]
    name, order = asked["reservation_id"], asked["order_number"] or ""
    if entry["recorded_at"] >= held[_END]:
        over = _expire(reservations, name, f"expiry/{asked['request_id']}")
        return [over, _verdict(asked, "EXPIRED", quantity=over.quantity, reason="EXPIRED")]
    del reservations[name]
    changes: list[Change] = []
    for location, quantity in held[_PARTS]:
        changes += (location, RESERVATION + name, 0, None), (location, confirmed(order, name), quantity, order)
    verdict = _about(asked, "CONFIRMED", held)
    return [verdict._replace(expires_at=None, order_number=order, line=asked["line"], changes=changes)]


def cancel(reservations: Open, asked: ReservationTerms) -> Verdict:
    """Let a hold go."""
    held = _of(reservations, asked)
    if held is None:
        return _verdict(asked, "NOT_OPEN", reason="NOT_OPEN")
    del reservations[asked["reservation_id"]]
    changes = _released(asked["reservation_id"], held)
    return _verdict(asked, "CANCELLED", quantity=_quantity(held), changes=changes)


def expire(reservations: Open, now: int) -> list[Verdict]:
    """Let every hold go whose time is over (now: ms)."""
    over = [name for name, held in reservations.items() if held[_END] <= now]
    return [_expire(reservations, name, f"expiry/{name}/{reservations[name][_END]}") for name in over]


def earliest(reservations: Open) -> int:
    """When the first hold ends, ms; 0: none is open."""
    return min([held[_END] for held in reservations.values()], default=0)


def _expire(reservations: Open, name: str, request_id: str) -> Verdict:
    held = reservations.pop(name)
    return Verdict(
        name,
        request_id,
        "EXPIRE",
        held[_CHANNEL],
        "EXPIRED",
        _quantity(held),
        correlation_id=held[_CORRELATION],
        changes=_released(name, held),
    )


def _of(reservations: Open, asked: ReservationTerms) -> Held | None:
    """The reservation asked about, if it is open and the channel's own."""
    held = reservations.get(asked["reservation_id"])
    return held if held is not None and held[_CHANNEL] == asked["channel"] else None


def _released(name: str, held: Held) -> list[Change]:
    return [(location, RESERVATION + name, 0, None) for location, _ in held[_PARTS]]


def _quantity(held: Held) -> int:
    return sum(quantity for _, quantity in held[_PARTS])


def _about(asked: ReservationTerms, state: str, held: Held) -> Verdict:
    return _verdict(asked, state, quantity=_quantity(held), parts=held[_PARTS], expires_at=held[_END])


def _verdict(asked: ReservationTerms, state: str, *, quantity: int = 0, **more: Any) -> Verdict:
    return Verdict(
        asked["reservation_id"], asked["request_id"], asked["action"], asked["channel"], state, quantity, **more
    )


# ---- what is said of it -----------------------------------------------------------------------------------------


def by_location(verdicts: Sequence[Verdict]) -> Mapping[str, list[tuple[str, int, str | None]]]:
    """The changes of all verdicts of one entry, for each position at once."""
    changes: dict[str, list[tuple[str, int, str | None]]] = {}
    for verdict in verdicts:
        for location, reference, quantity, order in verdict.changes:
            changes.setdefault(location, []).append((reference, quantity, order))
    return changes


def reply(verdict: Verdict, sku: str, available: int, offset: int, entry: LedgerEntry) -> Output:
    """The answer; `available` is what the channel could reserve after it, `offset` that of the entry in the ledger."""
    record: ReservationReply = {
        "reservation_id": verdict.reservation_id,
        "request_id": verdict.request_id,
        "action": verdict.action,  # type: ignore[typeddict-item]
        "accepted": verdict.reason is None,
        "reason": verdict.reason,
        "state": verdict.state,  # type: ignore[typeddict-item]
        "channel": verdict.channel,
        "sku": sku,
        "quantity": verdict.quantity,
        "parts": [{"location": location, "quantity": quantity} for location, quantity in verdict.parts],
        "available": available,
        "expires_at": verdict.expires_at,
        "order_number": verdict.order_number,
        "revision": offset,
        "decided_at": entry["recorded_at"],
        "correlation_id": verdict.correlation_id or entry["correlation_id"],
    }
    return REPLIES, verdict.reservation_id, record


def reserved(verdict: Verdict, sku: str, entry: LedgerEntry) -> list[Output]:
    """Of a confirmed reservation, each location's share for the order to take over."""
    if verdict.state != "CONFIRMED" or verdict.order_number is None:
        return []
    return [
        order_event(
            "RESERVED",
            verdict.order_number,
            entry,
            f"{verdict.request_id}/{location}",
            reserved={
                "reservation_id": verdict.reservation_id,
                "channel": verdict.channel,
                "line": verdict.line,
                "sku": sku,
                "location": location,
                "quantity": quantity,
            },
        )
        for location, quantity in verdict.parts
    ]

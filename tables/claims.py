"""What documents claim of a position: supply a purchase order expects, demand a sales order holds, stock on its way.

A claim is absolute, written by the stage that owns the document, and knows what it has `settled`; the position counts
what has `moved` against the document. The difference is taken out of the claim, so one quantity is never both on hand
and expected, nor both gone and held, whichever entry comes first.
"""

from collections.abc import Sequence
from typing import Any, Final

from schemas.records import Claim

DateKey = tuple[bool, int, str, str]
Part = tuple[str, str | None, int, int | None, str]
"""Line, shipment, quantity, date (days since the epoch; none: now), state. A list where it comes from a row.

A hold's line is the coordinate of the request, its shipment the order it is confirmed for.
"""

ClaimFacts = list[Any]
"""Settled, moved, fence_days, offset_days, parts: a list, as the row has it."""
Transit = list[Any]
"""Sellable quantity left but not arrived (negative: more arrived than is known to have left), arrival date or none; then,
where there is any of it, the same of stock that is not sellable, and whether somebody was told that it is overdue.
"""
RESERVATION: Final = "RESERVATION:"
CONFIRMED: Final = "CONFIRMED:"
"""What stock is held for, as references of demand claims: a reservation, and one an order is to take over."""
RESERVED: Final = "RESERVED"
BACKORDERED: Final = "BACKORDERED"
"""State of demand that nothing is held for; tables/backorders.py keeps it."""
SETTLED: Final = 0
MOVED: Final = 1
FENCE: Final = 2
OFFSET: Final = 3
PARTS: Final = 4

TRANSFER_DAYS: Final = 2  # from the goods' leaving to their expected arrival
TRANSFER_FENCE: Final = 7
TRANSFER_OFFSET: Final = 1
_DAY: Final = 86_400_000


def restate(claims: dict[str, ClaimFacts], reference: str, claim: Claim) -> None:
    """Fold what the document's owner says now; movements already seen stay counted."""
    known = claims.get(reference)
    parts: list[list[Any]] = [
        [part["line"], part["shipment"], part["quantity"], part["date"], part["state"]]
        for part in claim["parts"]
        if part["quantity"] > 0 and part["state"] != BACKORDERED
    ]
    parts.sort(key=_order)
    moved = known[MOVED] if known else 0
    if not parts and moved <= claim["settled"]:
        claims.pop(reference, None)
    else:
        claims[reference] = [claim["settled"], moved, claim["fence_days"], claim["offset_days"], parts]


def move(claims: dict[str, ClaimFacts], reference: str, quantity: int) -> None:
    """Count a movement against the document, whose claim may be yet to come."""
    claim = claims.get(reference)
    if claim is None:
        claims[reference] = [0, quantity, 0, 0, []]
        return
    claim[MOVED] += quantity
    if not claim[PARTS] and claim[MOVED] <= claim[SETTLED]:
        del claims[reference]


def remaining(claim: ClaimFacts) -> list[Part]:
    """The parts still open, in order of date (none first), line and shipment; each with a quantity above 0."""
    settled, moved, _, _, parts = claim
    excess = moved - settled
    if excess <= 0:
        return parts  # type: ignore[no-any-return]
    left: list[Part] = []
    for line, shipment, quantity, date, state in parts:
        if quantity > excess:
            left.append((line, shipment, quantity - excess, date, state))
            excess = 0
        else:
            excess -= quantity
    return left


def outstanding(claim: ClaimFacts | None) -> int:
    """The sum of what remains."""
    if claim is None:
        return 0
    total: int = sum([part[2] for part in claim[PARTS]])
    excess: int = claim[MOVED] - claim[SETTLED]
    return max(0, total - excess) if excess > 0 else total


def confirmed(order: str, reservation_id: str) -> str:
    """The reference of a confirmed reservation's hold."""
    return f"{CONFIRMED}{order}:{reservation_id}"


def hold(claims: dict[str, ClaimFacts], reference: str, quantity: int, order: str | None, coordinate: str) -> int:
    """Hold a quantity for a reservation, of which an order may be known; 0 lets go. Return by how much more is held.

    `coordinate` is that of the request, for those who look at the row.
    """
    before = outstanding(claims.pop(reference, None))
    if quantity:
        claims[reference] = [0, 0, 0, 0, [[coordinate, order, quantity, None, RESERVED]]]
    return quantity - before


def lapse(claims: dict[str, ClaimFacts], reference: str, reservations: Sequence[str] | None) -> int:
    """Let go what was held for the order that now claims it itself; return how much that was.

    `reservations` are those it has taken over, of an order that is not known yet: a hold it has not heard of stays.
    """
    order = reference.partition(":")[2]
    prefix, gone = f"{CONFIRMED}{order}:", 0
    for held in [name for name in claims if name.startswith(prefix)]:
        of = claims[held][PARTS][0][1]
        if of == order and (reservations is None or held[len(prefix) :] in reservations):
            gone += outstanding(claims.pop(held))
    return gone


def transfer(
    transit: dict[str, Transit], reference: str, quantity: int, left_at: int | None, *, sellable: bool = True
) -> None:
    """Add one leg of a transfer to what is on its way here; `left_at` (ms) is known from the leaving leg only.

    The arrival date (days since the epoch) is two days after the first leg that left.
    """
    sound, date, other, told = _legs(transit.get(reference))
    if sellable:
        sound += quantity
    else:
        other += quantity
    if not sound + other:
        transit.pop(reference, None)
        return
    if left_at is not None:
        arrival = left_at // _DAY + TRANSFER_DAYS
        date = arrival if date is None else min(date, arrival)
    transit[reference] = _transit(sound, date, other, told)


def in_transit(facts: Transit) -> tuple[int, int]:
    """What is still on its way, sellable and not: what arrived in another state than it left in is off the rest."""
    sound, _, other, _ = _legs(facts)
    if sound < 0 < other:
        return 0, sound + other
    if other < 0 < sound:
        return sound + other, 0
    return sound, other


def overdue(transit: dict[str, Transit], today: int) -> list[tuple[str, int, int]]:
    """Transfers past their fence of which nobody was told yet: reference, quantity, date. They count as told now."""
    found: list[tuple[str, int, int]] = []
    for reference, facts in transit.items():
        sound, date, other, told = _legs(facts)
        if not told and date is not None and today - date > TRANSFER_FENCE and sound + other > 0:
            found.append((reference, sound + other, date))
            transit[reference] = _transit(sound, date, other, True)
    return found


def settle(transit: dict[str, Transit], reference: str) -> None:
    """Nobody has to do anything about a transfer any more: told of again, it is news."""
    sound, date, other, _ = _legs(transit[reference])
    transit[reference] = _transit(sound, date, other, False)


def is_told(facts: Transit | None) -> bool:
    """Whether somebody was told that a transfer is overdue."""
    return bool(_legs(facts)[3])


def _legs(facts: Transit | None) -> tuple[int, int | None, int, bool]:
    if facts is None:
        return 0, None, 0, False
    sound, date, *more = facts
    return (sound, date, more[0], more[1]) if more else (sound, date, 0, False)


def _transit(sound: int, date: int | None, other: int, told: bool) -> Transit:
    return [sound, date, other, told] if other or told else [sound, date]


def _order(part: list[Any]) -> DateKey:
    line, shipment, _, date, _ = part
    return (date is not None, date or 0, line, shipment or "")

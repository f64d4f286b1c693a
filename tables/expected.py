"""Supply on its way to a position: what is still open, what of it is promised and from when, overdue or not."""

from collections.abc import Mapping
from typing import Final

from tables import claims

COUNTED: Final = frozenset({"ORDERED", "ACKNOWLEDGED", "IN_TRANSIT", "TRANSFER"})
"""States of supply that count towards ATP; TENTATIVE and TRANSFER_UNSELLABLE are only shown."""

Listed = tuple[int, str, str, str | None, int, str, bool]
"""Date, document, line, shipment, quantity, state, overdue."""


def expected(
    supply: Mapping[str, claims.ClaimFacts], transit: Mapping[str, claims.Transit], today: int
) -> tuple[list[Listed], list[tuple[int, int]], list[int]]:
    """All supply still open; what of it counts, at the date it counts on; the days when that next changes.

    Overdue supply inside its fence counts from `offset` days on, so it moves every day; outside it is only shown.
    """
    listed: list[Listed] = []
    counted: list[tuple[int, int]] = []
    days: list[int] = []

    def place(part: Listed, fence: int, offset: int) -> None:
        listed.append(part)
        date, quantity, counts = part[0], part[4], part[5] in COUNTED
        if date >= today:
            days.append(max(date, today + 1))
        elif counts and today - date <= fence:
            date = today + offset
            days.append(today + 1)
        else:
            return
        if counts:
            counted.append((date, quantity))

    for reference, claim in supply.items():
        document, fence, offset = reference.partition(":")[2], claim[claims.FENCE], claim[claims.OFFSET]
        for line, shipment, quantity, date, state in claims.remaining(claim):
            day = today if date is None else date
            place((day, document, line, shipment, quantity, state, day < today), fence, offset)
    for reference, facts in transit.items():
        date, document = facts[1], reference.partition(":")[2]
        if date is None:
            continue
        for quantity, state in zip(claims.in_transit(facts), ("TRANSFER", "TRANSFER_UNSELLABLE"), strict=True):
            if quantity > 0:
                part = (date, document, "", None, quantity, state, date < today)
                place(part, claims.TRANSFER_FENCE, claims.TRANSFER_OFFSET)
                if today - date <= claims.TRANSFER_FENCE and not claims.is_told(facts):
                    days.append(max(today, date + claims.TRANSFER_FENCE) + 1)  # when somebody has to be told of it
    return sorted(listed, key=_order), counted, days


def _order(part: Listed) -> tuple[int, str, str, str, str]:
    return part[0], part[1], part[2], part[3] or "", part[5]

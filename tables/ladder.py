"""The supply ladder: from the facts of one purchase order to what is still to come, line by line.

ordered → acknowledged → shipped → received: a quantity counts once, on its furthest rung. Pure derivation; the facts
and their order of arrival are `tables/supply.py`'s, which line has shipped and received what is `tables/placing.py`'s.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tables.acknowledgement import UNANSWERED, Amounts, answer, header_answer
from tables.ledger_entry import Part, Told
from tables.placing import Line, Named, Placing

DEFAULT_FENCE_DAYS, DEFAULT_OFFSET_DAYS = 7, 1  # until the purchase order brings the supplier's


@dataclass(slots=True)
class Ladder:
    lines: dict[str, Line]
    """Of the order, by number."""
    unlisted: list[Line]
    """What has come or is under way that the order has no line for."""
    unknown: set[str]
    """Lines that were named and are not the order's, and SKUs of which it has none."""
    given: dict[Named, dict[str, int]]
    """What was received and does not stand on the line it names: the lines it was given to, and how much."""
    claims: Told
    """Parts stand in line order, furthest rung first."""


def derive(row: Mapping[str, Any]) -> Ladder:
    """Climb every line of the order in the row (shape: tables.supply.Row)."""
    order = row["order"]
    placing = Placing(_ordered_lines(row, order))
    placing.place(row["shipped"], row["received"])
    lines, unlisted = placing.lines, list(placing.unlisted.values())
    status, ship_to = (order["status"], order["ship_to"]) if order else ("UNKNOWN", "")
    fence, offset = (order["fence"], order["offset"]) if order else (DEFAULT_FENCE_DAYS, DEFAULT_OFFSET_DAYS)
    claims: Told = {}
    if status != "CLOSED":
        for line in (*lines.values(), *unlisted):
            _sail(line, fence, offset, claims)
            if line.known and status == "OPEN":
                _await(line, ship_to, fence, offset, claims)
    for key, quantity in placing.settled.items():
        if quantity > 0:
            claims.setdefault(key, [0, fence, offset, []])[0] = quantity
    return Ladder(lines, unlisted, placing.unknown, placing.given, claims)


def _ordered_lines(row: Mapping[str, Any], order: Mapping[str, Any] | None) -> dict[str, Line]:
    lines: dict[str, Line] = {}
    if order is None:
        return lines
    acks, header = row["acks"], row["header"]
    for name, sku, ordered, requested, over, under in order["lines"]:
        ack = acks.get(name)
        if header is not None and (ack is None or ack[:2] < header[:2]):
            reply = header_answer(header[2], ordered)
        elif ack is not None:
            reply = answer(ack[3], ordered, backorder_in_ack=ack[2])
            if reply.substitute == sku:
                reply = reply._replace(substitute=None)
        else:
            reply = UNANSWERED
        lines[name] = Line(name, sku, ordered, requested, over, under, reply)
    return lines


def _sail(line: Line, fence: int, offset: int, claims: Told) -> None:
    """Expect what is still in each shipment, after the receipts that named only the order."""
    landed = line.direct
    for shipment, location, sku, date, quantity, received in line.voyages:
        left = quantity - received
        if left > 0 and landed:
            taken = min(left, landed)
            left -= taken
            landed -= taken
        if left > 0:
            _expect(line, f"{sku}|{location}", [line.line, shipment, left, date, "IN_TRANSIT"], fence, offset, claims)


def _await(line: Line, ship_to: str, fence: int, offset: int, claims: Told) -> None:
    """Expect what the supplier still has: acknowledged, tentative, and the rest as ordered."""
    reply, received = line.reply, line.direct + line.by_shipment
    gone = further = max(received, line.shipped)
    key = f"{reply.substitute or line.sku}|{ship_to}"
    promised = 0
    for state, amounts in (("ACKNOWLEDGED", reply.firm), ("TENTATIVE", reply.tentative)):
        for quantity, date in amounts if len(amounts) < 2 else _by_date(amounts, line.requested):
            promised += quantity
            left = quantity - further
            further = 0 if left > 0 else -left
            if left > 0:
                part = [line.line, None, left, line.requested if date is None else date, state]
                _expect(line, key, part, fence, offset, claims)
    left = line.ordered - reply.zero - (max(gone, promised))
    if left > 0:
        _expect(line, key, [line.line, None, left, line.requested, "ORDERED"], fence, offset, claims)


def _expect(line: Line, key: str, part: Part, fence: int, offset: int, claims: Told) -> None:
    line.parts.append(part)
    claim = claims.get(key)
    if claim is None:
        claims[key] = [0, fence, offset, [part]]
    else:
        claim[3].append(part)


def _by_date(amounts: Amounts, requested: int) -> Amounts:
    """A schedule without a date stands at the requested one."""
    return sorted(amounts, key=lambda amount: requested if amount[1] is None else amount[1])

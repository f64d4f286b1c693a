"""The supply ladder: from the facts of one purchase order to what is still to come, line by line.

ordered → acknowledged → shipped → received: a quantity counts once, on its furthest rung. Pure derivation; the facts
and their order of arrival are `tables/supply.py`'s.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tables.acknowledgement import UNANSWERED, Answer, answer, header_answer
from tables.ledger_entry import Part, Told

DEFAULT_FENCE_DAYS, DEFAULT_OFFSET_DAYS = 7, 1  # until the purchase order brings the supplier's


class Voyage(NamedTuple):
    """One shipment as far as one line is concerned."""

    date: int
    shipment: str
    state: str
    location: str
    sku: str
    quantity: int
    received: int


@dataclass(slots=True)
class Line:
    """One line with everything said about it. Without an order line, `known` is false and only voyages are expected."""

    line: str
    sku: str
    known: bool = False
    ordered: int = 0
    requested: int = 0
    over: int = 0
    under: int = 0
    reply: Answer = UNANSWERED
    voyages: list[Voyage] = field(default_factory=list)
    direct: int = 0
    """Received against the purchase order itself, not against a shipment."""
    shipped: int = 0
    """Shipped; of an over-received shipment, what came."""
    by_shipment: int = 0
    parts: list[Part] = field(default_factory=list)

    @property
    def received(self) -> int:
        return self.direct + self.by_shipment

    @property
    def expected_sku(self) -> str:
        return self.reply.substitute or self.sku


@dataclass(slots=True)
class Ladder:
    lines: dict[str, Line]
    strays: dict[str, int]
    """Received without a line, by SKU, where no line has that SKU."""
    claims: Told


def derive(row: Mapping[str, Any]) -> Ladder:
    """Climb every line of the order in the row (shape: tables.supply.Row)."""
    order = row["order"]
    lines = _ordered_lines(row, order)
    settled: dict[str, int] = {}
    _ship(lines, row["shipped"], settled)
    strays = _receive(lines, row["received"], settled) if row["received"] else {}
    status, ship_to = (order["status"], order["ship_to"]) if order else ("UNKNOWN", "")
    fence, offset = (order["fence"], order["offset"]) if order else (DEFAULT_FENCE_DAYS, DEFAULT_OFFSET_DAYS)
    claims: Told = {}
    for line in lines.values():
        for key, part in _climb(line, status, ship_to):
            line.parts.append(part)
            claim = claims.get(key)
            if claim is None:
                claims[key] = [0, fence, offset, [part]]
            else:
                claim[3].append(part)
    for key, quantity in settled.items():
        if quantity > 0:
            claims.setdefault(key, [0, fence, offset, []])[0] = quantity
    return Ladder(lines, strays, claims)


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
        lines[name] = Line(name, sku, True, ordered, requested, over, under, reply)
    return lines


def _ship(lines: dict[str, Line], shipped: Mapping[str, Any], settled: dict[str, int]) -> None:
    """Hand every line its voyages, earliest arrival first."""
    voyages = sorted((date, shipment, state, location, at) for shipment, (state, location, date, at) in shipped.items())
    for date, shipment, state, location, shipped_lines in voyages:
        for name, sku, quantity, received in shipped_lines:
            line = lines.get(name)
            if line is None:
                line = lines[name] = Line(name, sku)
            line.voyages.append(Voyage(date, shipment, state, location, sku, quantity, received))
            line.shipped += max(quantity, received)
            if received:
                line.by_shipment += received
                key = f"{sku}|{location}"
                settled[key] = settled.get(key, 0) + received


def _receive(lines: dict[str, Line], received: Mapping[str, int], settled: dict[str, int]) -> dict[str, int]:
    """Hand every line its receipts; one that names no line goes to the lines of its SKU. Returns what found none."""
    loose: dict[str, int] = {}
    for place, quantity in sorted(received.items()):
        sku, location, name = place.split("|", 2)
        key = f"{sku}|{location}"
        settled[key] = settled.get(key, 0) + quantity
        if not name:
            loose[sku] = loose.get(sku, 0) + quantity
            continue
        line = lines.get(name)
        if line is None:
            line = lines[name] = Line(name, sku)
        line.direct += quantity
    strays = {sku: quantity for sku, quantity in loose.items() if not _spread(lines.values(), sku, quantity)}
    for line in lines.values():
        line.direct = max(0, line.direct)  # a correction may come before the receipt it corrects
    return strays


def _spread(lines: Iterable[Line], sku: str, quantity: int) -> bool:
    """Fill the lines of a SKU in order up to what they ordered, the surplus to the last; False when none has it."""
    takers = [line for line in lines if line.known and sku in (line.sku, line.expected_sku)]
    if not takers:
        takers = [line for line in lines if any(voyage.sku == sku for voyage in line.voyages)]
    if not takers:
        return False
    for line in takers[:-1]:
        room = (line.ordered if line.known else line.shipped) - line.received
        taken = max(0, min(room, quantity))
        line.direct += taken
        quantity -= taken
    takers[-1].direct += quantity
    return True


def _climb(line: Line, status: str, ship_to: str) -> Iterable[tuple[str, Part]]:
    """What is still to come of a line, furthest rung first, with its `sku|location`."""
    if status == "CLOSED":
        return
    landed = line.direct
    for voyage in line.voyages:
        left = voyage.quantity - voyage.received
        if left > 0 and landed:
            taken = min(left, landed)
            left -= taken
            landed -= taken
        if left > 0:
            yield (
                f"{voyage.sku}|{voyage.location}",
                [line.line, voyage.shipment, left, voyage.date, "IN_TRANSIT"],
            )
    if not line.known or status == "CANCELLED":
        return
    key = f"{line.expected_sku}|{ship_to}"
    reached = further = max(line.shipped, line.direct + line.by_shipment)
    promised = 0
    for state, amounts in (("ACKNOWLEDGED", line.reply.firm), ("TENTATIVE", line.reply.tentative)):
        for quantity, date in _by_date(amounts, line.requested):
            promised += quantity
            left = quantity - further
            further = max(0, -left)
            if left > 0:
                yield key, [line.line, None, left, date, state]
    left = line.ordered - line.reply.zero - max(promised, reached)
    if left > 0:
        yield key, [line.line, None, left, line.requested, "ORDERED"]


def _by_date(amounts: list[tuple[int, int | None]], requested: int) -> list[tuple[int, int]]:
    dated = [(quantity, requested if date is None else date) for quantity, date in amounts]
    if len(dated) > 1:
        dated.sort(key=lambda amount: amount[1])
    return dated

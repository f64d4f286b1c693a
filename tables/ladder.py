"""The supply ladder: from the facts of one purchase order to what is still to come, line by line.

ordered → acknowledged → shipped → received: a quantity counts once, on its furthest rung. Pure derivation; the facts
and their order of arrival are `tables/supply.py`'s.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tables.acknowledgement import UNANSWERED, Amounts, Answer, answer, header_answer
from tables.ledger_entry import Part, Told

DEFAULT_FENCE_DAYS, DEFAULT_OFFSET_DAYS = 7, 1  # until the purchase order brings the supplier's


Voyage = tuple[str, str, str, int, int, int]
"""One shipment as far as one line is concerned: shipment, location, sku, arrival date, quantity, received."""


class Line:
    """One line with everything said about it. Without an order line, `known` is false and only voyages are expected.

    `direct` is received against the order itself, `by_shipment` against shipments; `shipped` counts of an
    over-received shipment what came; tolerances are percent of `ordered`.
    """

    __slots__ = (
        "by_shipment", "direct", "known", "line", "ordered", "over", "parts", "reply", "requested", "shipped", "sku",
        "under", "voyages",
    )  # fmt: skip

    def __init__(
        self,
        line: str,
        sku: str,
        ordered: int = 0,
        requested: int = 0,
        over: int = 0,
        under: int = 0,
        reply: Answer | None = None,
    ) -> None:
        self.line, self.sku = line, sku
        self.known = reply is not None
        self.reply = reply or UNANSWERED
        self.ordered, self.requested = ordered, requested
        self.over, self.under = over, under
        self.voyages: list[Voyage] = []
        self.direct = self.shipped = self.by_shipment = 0
        self.parts: list[Part] = []

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
    loose: dict[str, list[tuple[str, int]]]
    """What was received without a line, by SKU: the lines it was given to, and how much."""
    claims: Told
    """Parts stand in line order, furthest rung first."""


def derive(row: Mapping[str, Any]) -> Ladder:
    """Climb every line of the order in the row (shape: tables.supply.Row)."""
    order = row["order"]
    lines = _ordered_lines(row, order)
    settled: dict[str, int] = {}
    _ship(lines, row["shipped"], settled)
    loose: dict[str, list[tuple[str, int]]] = {}
    strays = _receive(lines, row["received"], settled, loose) if row["received"] else {}
    status, ship_to = (order["status"], order["ship_to"]) if order else ("UNKNOWN", "")
    fence, offset = (order["fence"], order["offset"]) if order else (DEFAULT_FENCE_DAYS, DEFAULT_OFFSET_DAYS)
    claims: Told = {}
    if status != "CLOSED":
        for line in lines.values():
            _sail(line, fence, offset, claims)
            if line.known and status == "OPEN":
                _await(line, ship_to, fence, offset, claims)
    for key, quantity in settled.items():
        if quantity > 0:
            claims.setdefault(key, [0, fence, offset, []])[0] = quantity
    return Ladder(lines, strays, loose, claims)


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


def _ship(lines: dict[str, Line], shipped: Mapping[str, Any], settled: dict[str, int]) -> None:
    """Hand every line its voyages, earliest arrival first."""
    voyages = shipped.items()
    if len(shipped) > 1:
        voyages = sorted(voyages, key=lambda voyage: (voyage[1][2], voyage[0]))  # type: ignore[assignment]
    for shipment, (_, location, date, shipped_lines) in voyages:
        for name, sku, quantity, received, *_ in shipped_lines:
            line = lines.get(name)
            if line is None:
                line = lines[name] = Line(name, sku)
            line.voyages.append((shipment, location, sku, date, quantity, received))
            line.shipped += max(received, quantity)
            if received:
                line.by_shipment += received
                key = f"{sku}|{location}"
                settled[key] = settled.get(key, 0) + received


def _receive(
    lines: dict[str, Line],
    received: Mapping[str, int],
    settled: dict[str, int],
    spread: dict[str, list[tuple[str, int]]],
) -> dict[str, int]:
    """Hand every line its receipts; one that names no line goes to the lines of its SKU. Returns what found none."""
    loose: dict[str, int] = {}
    for place, quantity in sorted(received.items()) if len(received) > 1 else received.items():
        sku, location, _, name = place.split("|", 3)
        key = f"{sku}|{location}"
        settled[key] = settled.get(key, 0) + quantity
        if not name:
            loose[sku] = loose.get(sku, 0) + quantity
            continue
        line = lines.get(name)
        if line is None:
            line = lines[name] = Line(name, sku)
        line.direct += quantity
    strays: dict[str, int] = {}
    for sku, quantity in loose.items():
        given = _spread(lines.values(), sku, quantity)
        if given:
            spread[sku] = given
        elif quantity:
            strays[sku] = quantity
    for line in lines.values():
        line.direct = max(line.direct, 0)  # a correction may come before the receipt it corrects
    return strays


def _spread(lines: Iterable[Line], sku: str, quantity: int) -> list[tuple[str, int]]:
    """Fill the lines of a SKU in order up to what they ordered, the surplus to the last; nothing when none has it."""
    takers = [line for line in lines if line.known and sku in (line.sku, line.expected_sku)]
    if not takers:
        takers = [line for line in lines if any(voyage[2] == sku for voyage in line.voyages)]
    given: list[tuple[str, int]] = []
    for line in takers:
        room = (line.ordered if line.known else line.shipped) - line.received
        taken = quantity if line is takers[-1] else max(0, min(room, quantity))
        line.direct += taken
        quantity -= taken
        given.append((line.line, taken))
    return given


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

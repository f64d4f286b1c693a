"""The judge's lines: which line of its purchase order gets what a ship notice or a receipt says.

What names a line of the order is that line's. Everything else is shared among the lines of its SKU, one after the
other, the last of them taking what is left over:
- of a box, what came in by it fills what a line ordered and neither has nor is sent; what is still in it stands first
  for what came in on a line unannounced, then fills what a line ordered and neither has nor is sent;
- a receipt fills what a line ordered and does not have.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from local.oracle_intake import Intake

Box = dict[str, Any]
"""What one shipment brings for one line: order, line, shipment, sku, location, date, quantity, received."""
At = tuple[str, str]
"""PO number and line."""


class OrderLine(NamedTuple):
    name: str
    skus: set[str]
    """Its own, and the substitute the supplier offers."""
    ordered: int


@dataclass(slots=True)
class Placed:
    """What belongs to each line of each order."""

    boxes: dict[At, list[Box]] = field(default_factory=lambda: defaultdict(list))
    direct: dict[At, int] = field(default_factory=lambda: defaultdict(int))
    """What came in against the order itself."""
    goods: dict[At, dict[tuple[str, str], int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))
    """The same by SKU and location."""

    def received(self, at: At) -> int:
        return self.direct[at] + sum([int(box["received"]) for box in self.boxes[at]])

    def sent(self, at: At) -> int:
        return sum([max(int(box["quantity"]), int(box["received"])) for box in self.boxes[at]])

    def add(self, at: At, sku: str, location: str, quantity: int) -> None:
        self.direct[at] += quantity
        self.goods[at][sku, location] += quantity


def place(intake: Intake, orders: dict[str, list[OrderLine]], boxes: Iterable[Box]) -> Placed:
    """First whatever names its line, then boxes by arrival, then receipts."""
    placed = Placed()
    names = {(number, line.name) for number, lines in orders.items() for line in lines}
    loose_boxes: list[Box] = []
    loose: dict[tuple[str, str, str, str], int] = defaultdict(int)
    for box in boxes:
        if (box["order"], box["line"]) in names:
            placed.boxes[box["order"], box["line"]].append(box)
        else:
            loose_boxes.append(box)
    for scan in intake.scans:
        if scan.kind == "RECEIPT" and scan.reference == "PURCHASE_ORDER":
            if (scan.number, scan.line) in names:
                placed.add((scan.number, scan.line or ""), scan.sku, scan.location, scan.quantity)
            else:
                loose[scan.number, scan.line or "", scan.sku, scan.location] += scan.quantity
    for box in sorted(loose_boxes, key=lambda box: (box["date"], box["shipment"])):
        _share_box(placed, box, _takers(orders, box["order"], box["sku"]))
    for (number, _, sku, location), quantity in sorted(loose.items()):
        takers = _takers(orders, number, sku)
        room = [max(0, line.ordered - placed.received((number, line.name))) for line in takers]
        for line, share in zip(takers, _fill(quantity, room), strict=True):
            placed.add((number, line.name), sku, location, share)
    for found in placed.boxes.values():
        found.sort(key=lambda box: (box["date"], box["shipment"]))
    return placed


def _takers(orders: dict[str, list[OrderLine]], number: str, sku: str) -> list[OrderLine]:
    return [line for line in orders.get(number, ()) if sku in line.skus]


def _share_box(placed: Placed, box: Box, takers: list[OrderLine]) -> None:
    if not takers:
        placed.boxes[box["order"], box["line"]].append(box)
        return
    places = [(box["order"], line.name) for line in takers]
    received = [placed.received(at) for at in places]
    sent = [placed.sent(at) for at in places]
    lacking = [max(0, line.ordered - max(has, comes)) for line, has, comes in zip(takers, received, sent, strict=True)]
    inside = max(0, box["quantity"] - box["received"])
    came = _fill(box["received"], lacking)
    unannounced = []
    for has, comes in zip(received, sent, strict=True):
        unannounced.append(min(inside, max(0, has - comes)))
        inside -= unannounced[-1]
    coming = _fill(inside, [lack - arrived for lack, arrived in zip(lacking, came, strict=True)])
    in_notice = box["quantity"]
    for at, arrived, announced, more in zip(places, came, unannounced, coming, strict=True):
        quantity = min(arrived, in_notice) + announced + more
        in_notice -= quantity
        if quantity or arrived:
            placed.boxes[at].append({**box, "line": at[1], "quantity": quantity, "received": arrived})


def _fill(quantity: int, room: list[int]) -> list[int]:
    shares = []
    for most in room:
        shares.append(min(quantity, most))
        quantity -= shares[-1]
    if shares:
        shares[-1] += quantity
    return shares

"""Which line of a purchase order what was shipped and received belongs to, however the papers name the line. Pure.

By the line they name. Where they name none, or one that the order does not have, the order's lines of the SKU share it:
so a quantity is not expected of the order beside the shipment that brings it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tables.acknowledgement import UNANSWERED, Answer
from tables.ledger_entry import Part

Voyage = tuple[str, str, str, int, int, int]
"""One shipment as far as one line is concerned: shipment, location, sku, arrival date, quantity, received."""
Named = tuple[str, str]
"""A line as it was named (empty: it was not), and the SKU."""


class Line:
    """One line with everything said about it. Of one that is not the order's only voyages are expected.

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

    def ship(self, voyage: Voyage) -> None:
        _, _, _, _, quantity, received = voyage
        self.voyages.append(voyage)
        self.shipped += max(received, quantity)
        self.by_shipment += received


class Placing:
    """Hands shipments and receipts to the lines of an order, which are changed by it."""

    def __init__(self, lines: dict[str, Line]) -> None:
        self.lines = lines
        """Of the order, by number."""
        self.unlisted: dict[Named, Line] = {}
        """What has come or is under way that the order has no line for."""
        self.given: dict[Named, dict[str, int]] = {}
        """What was received and does not stand on the line it names: the lines it was given to, the surplus on the
        last, and how much."""
        self.unknown: set[str] = set()
        """Lines that were named and are not the order's, and SKUs of which it has none."""
        self.settled: dict[str, int] = {}
        """Received by `sku|location`, where the stock names the order."""
        self._by_sku: dict[str, list[Line]] = {}
        self._voyages: dict[str, list[Line]] | None = None

    def place(self, shipped: Mapping[str, Any], received: Mapping[str, int]) -> None:
        """Hand every line its shipments, and what names the order and no shipment; then what names no line of it."""
        voyages = self._ship(shipped)
        receipts = self._receive(received) if received else {}
        for name, voyage in voyages:
            self._ship_unnamed(name, voyage)
        for line in self.lines.values() if voyages else ():
            line.voyages.sort(key=lambda voyage: (voyage[3], voyage[0]))
        for (name, sku), quantity in sorted(receipts.items()):
            self._receive_unnamed(name, sku, quantity)
        for line in (*self.lines.values(), *self.unlisted.values()) if received else ():
            line.direct = max(line.direct, 0)  # a correction may come before the receipt it corrects

    def _ship(self, shipped: Mapping[str, Any]) -> list[tuple[str, Voyage]]:
        """Earliest arrival first. Returns what names no line of the order."""
        voyages = shipped.items()
        if len(shipped) > 1:
            voyages = sorted(voyages, key=lambda voyage: (voyage[1][2], voyage[0]))  # type: ignore[assignment]
        loose: list[tuple[str, Voyage]] = []
        for shipment, (_, location, date, shipped_lines) in voyages:
            for name, sku, quantity, received, held, *_ in shipped_lines:
                voyage = (shipment, location, sku, date, quantity, received)
                line = self.lines.get(name)
                if line is None:
                    loose.append((name, voyage))
                else:
                    line.ship(voyage)
                if received:
                    self._settle(sku, location, received - sum(held[at] for at in held if "|" in at))
        return loose

    def _receive(self, received: Mapping[str, int]) -> dict[Named, int]:
        """Returns what names no line of the order."""
        loose: dict[Named, int] = {}
        for place, quantity in received.items():
            sku, location, _, name = place.split("|", 3)
            self._settle(sku, location, quantity)
            line = self.lines.get(name)
            if line is None:
                loose[name, sku] = loose.get((name, sku), 0) + quantity
            else:
                line.direct += quantity
        return loose

    def _settle(self, sku: str, location: str, quantity: int) -> None:
        """What was unloaded elsewhere than where its shipment was sent settles nothing: its stock names no order."""
        key = f"{sku}|{location}"
        self.settled[key] = self.settled.get(key, 0) + quantity

    def _ship_unnamed(self, name: str, voyage: Voyage) -> None:
        """Share a voyage among the lines of its SKU, in order, the surplus to the last.

        What has come by it fills what they still lack. What is under way is first what came in on them unannounced.
        """
        shipment, location, sku, date, quantity, received = voyage
        takers = self._lines_of(sku)
        if name or not takers:
            self.unknown.add(name or sku)
        if not takers:
            self._unlisted(name, sku).ship(voyage)
            return
        under_way = max(0, quantity - received)
        lacking = [max(0, line.ordered - max(line.shipped, line.received)) for line in takers]
        came = _fill(received, lacking)
        unannounced = [max(0, line.received - line.shipped) for line in takers]
        covered = _fill(under_way, unannounced, surplus=False)
        room = [most - taken for most, taken in zip(lacking, came, strict=True)]
        coming = _fill(under_way - sum(covered), room)
        given = self.given.setdefault((name, sku), {})
        for line, arrived, *open_ in zip(takers, came, covered, coming, strict=True):
            share = min(arrived, quantity) + sum(open_)
            if share or arrived:
                line.ship((shipment, location, sku, date, share, arrived))
            quantity -= share
            given[line.line] = given.get(line.line, 0) + arrived

    def _receive_unnamed(self, name: str, sku: str, quantity: int) -> None:
        """Fill the lines of the SKU in order up to what they ordered, the surplus to the last.

        Where the order has none, what was shipped of the SKU, first by that name.
        """
        takers = self._lines_of(sku)
        if not takers:
            takers = sorted(self._sailing(sku), key=lambda line: line.line != name)
        if quantity and (name or not takers):
            self.unknown.add(name or sku)
        if not takers:
            self._unlisted(name, sku).direct += quantity
            return
        given = self.given.setdefault((name, sku), {})
        for line in takers:
            room = (line.ordered if line.known else line.shipped) - line.received
            taken = quantity if line is takers[-1] else max(0, min(room, quantity))
            line.direct += taken
            quantity -= taken
            given[line.line] = given.get(line.line, 0) + taken

    def _unlisted(self, name: str, sku: str) -> Line:
        return self.unlisted.setdefault((name, sku), Line(name, sku))

    def _lines_of(self, sku: str) -> list[Line]:
        """The order's lines of a SKU, and those for which the supplier offers it."""
        if not self._by_sku:
            for line in self.lines.values():
                for of in {line.sku, line.expected_sku}:
                    self._by_sku.setdefault(of, []).append(line)
        return self._by_sku.get(sku, [])

    def _sailing(self, sku: str) -> list[Line]:
        """The lines that have shipments of a SKU, once all of those are placed."""
        if self._voyages is None:
            self._voyages = {}
            for line in (*self.lines.values(), *self.unlisted.values()):
                for of in {voyage[2] for voyage in line.voyages}:
                    self._voyages.setdefault(of, []).append(line)
        return self._voyages.get(sku, [])


def _fill(quantity: int, room: Sequence[int], *, surplus: bool = True) -> list[int]:
    """Shares of a quantity by place, in order; what finds no room goes to the last, or nowhere."""
    shares: list[int] = []
    for most in room:
        shares.append(min(quantity, most))
        quantity -= shares[-1]
    if surplus:
        shares[-1] += quantity
    return shares

"""The buying side of the demo: purchase orders and acknowledgements with partials, slips, substitutions and refusals.

What the supplier then ships is in `inbound.py`.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from local.inbound import Inbound
from local.network import DAY, HOUR, Product
from schemas.records import AckLine, ItemCode, PurchaseOrder, PurchaseOrderLine, SupplierAck

if TYPE_CHECKING:
    from local.simulator import Simulation

MINUTE = 60_000
ORDERS = 0.008  # purchase orders, share of all events
BACKLOG = 0.25  # of them already open when the simulation starts


@dataclass(slots=True)
class OpenLine:
    """One PO line as buyer and supplier know it."""

    line: str
    product: Product
    quantity: int
    requested: int
    promised: int  # what the supplier will ship, base units
    date: int  # and when it will arrive, days
    shipped: int = 0
    received: int = 0
    substituted: bool = False


@dataclass(slots=True)
class OpenOrder:
    number: str
    supplier: str
    ship_to: str
    ordered_at: int
    lines: list[OpenLine] = field(default_factory=list)
    revision: int = 1
    status: str = "OPEN"


class Purchasing:
    def __init__(self, sim: "Simulation") -> None:
        self._sim = sim
        self._orders = 0
        self._inbound = Inbound(sim, self)
        self._by_supplier: dict[str, list[Product]] = {}
        for product in sim.network.products:
            self._by_supplier.setdefault(product.supplier, []).append(product)

    def plan(self) -> None:
        """Orders through the days, a backlog of older ones at the start, acknowledgements nobody ordered."""
        sim = self._sim
        count = max(4, int(sim.events * ORDERS))
        for n in range(count):
            if n < count * BACKLOG:
                sim.at(sim.after(0, HOUR), self._order, sim.rng.randint(1, 9) * DAY)
            else:
                day = sim.start + sim.rng.randrange(sim.days) * DAY
                sim.at(day + sim.rng.randint(HOUR, 11 * HOUR), self._order, 0)
        for n in range(max(1, count // 100)):
            sim.at(sim.after(HOUR, sim.end - sim.start - HOUR), self._orphan, n)

    def _order(self, age: int) -> None:
        """Order what is short at one warehouse from one supplier; `age` ms ago."""
        sim, rng = self._sim, self._sim.rng
        self._orders += 1
        supplier = rng.choice(sorted(self._by_supplier))
        products = self._by_supplier[supplier]
        ship_to = rng.choice(rng.choice(products).locations)
        short = sorted(
            (p for p in products if ship_to in p.locations),
            key=lambda p: (sim.free(p.sku, ship_to) + sim.incoming[p.sku, ship_to]) / sim.warehouse.cover(p),
        )
        order = OpenOrder(f"PO{self._orders:06d}", supplier, ship_to, sim.now - age)
        first = (order.ordered_at // DAY) + rng.randint(1, 4) + (2 if age else 0)
        for n, product in enumerate(short[: rng.randint(1, 5)], 1):
            quantity = int(sim.warehouse.cover(product) * rng.uniform(0.8, 2.5)) + 2
            if quantity > product.case:
                quantity -= quantity % product.case
            requested = first + rng.randint(0, 2)
            order.lines.append(OpenLine(str(n), product, quantity, requested, quantity, requested))
            sim.incoming[product.sku, ship_to] += quantity
        self.say(order, "PURCHASE_ORDER")
        chance = rng.random()
        if chance < 0.01:
            sim.at(sim.after(2 * HOUR, 30 * HOUR), self._cancel, order)
            return
        if chance < 0.05:
            sim.at(sim.after(10 * MINUTE, 2 * HOUR), self._change, order)
        sim.at(sim.after(2 * HOUR, 9 * HOUR) if not age else sim.after(MINUTE, HOUR), self._acknowledge, order)

    def say(self, order: OpenOrder, label: str) -> None:
        """Send the whole document as it stands."""
        lines: list[PurchaseOrderLine] = []
        for line in order.lines:
            cases, rest = divmod(line.quantity, line.product.case)
            lines.append(
                {
                    "line": line.line,
                    "item": {"scheme": "SKU", "code": line.product.sku},
                    "quantity": cases if not rest else line.quantity,
                    "uom": "CA" if not rest else "EA",
                    "requested_date": line.requested,
                    "tolerance_over": 0,
                    "tolerance_under": 0,
                }
            )
        record: PurchaseOrder = {
            "event_id": self._sim.uuid(),
            "po_number": order.number,
            "revision": order.revision,
            "supplier": order.supplier,
            "ship_to": order.ship_to,
            "ordered_at": order.ordered_at,
            "status": order.status,  # type: ignore[typeddict-item]
            "lines": lines,
            "correlation_id": order.number,
        }
        self._sim.document("erp.purchase-orders", order.number, record, label)

    def _cancel(self, order: OpenOrder) -> None:
        order.revision += 1
        order.status = "CANCELLED"
        for line in order.lines:
            self._sim.incoming[line.product.sku, order.ship_to] -= line.quantity
        self.say(order, "PO_CANCEL")

    def _change(self, order: OpenOrder) -> None:
        """The buyer changes a quantity and a date before the supplier has answered."""
        line = self._sim.rng.choice(order.lines)
        order.revision += 1
        line.quantity += line.product.case
        line.promised = line.quantity
        line.requested += self._sim.rng.choice((-1, 1, 2))
        line.date = line.requested
        self.say(order, "PO_CHANGE")

    def close(self, order: OpenOrder) -> None:
        """All that will come has come."""
        if order.status == "OPEN":
            order.revision += 1
            order.status = "CLOSED"
            self.say(order, "PO_CLOSE")

    # ---- acknowledgements -----------------------------------------------------------------------------------------

    def _acknowledge(self, order: OpenOrder) -> None:
        sim, rng = self._sim, self._sim.rng
        chance = rng.random()
        if chance < 0.10:
            self._say_ack(order, "AT", [])
        elif chance < 0.12:
            self._say_ack(order, "RJ", [])
            for line in order.lines:
                line.promised = 0
        else:
            self._say_ack(order, "AC", [entry for line in order.lines for entry in self._answer(line)])
            if rng.random() < 0.12:
                sim.at(sim.after(3 * HOUR, 20 * HOUR), self._slip, order)
        if any(line.promised for line in order.lines):
            self._inbound.expect(order)

    def _answer(self, line: OpenLine) -> list[AckLine]:
        """What the supplier says to one line."""
        rng = self._sim.rng
        chance = rng.random()
        if chance < 0.70:
            return [self._ack_line(line, rng.choice(("IA", "AC", "AR")), line.quantity, line.requested)]
        if chance < 0.78 and line.quantity > 4:
            line.promised = line.quantity // 2
            return [self._ack_line(line, "BP", line.promised, line.requested)]
        if chance < 0.86:
            line.date = line.requested + rng.randint(1, 4)
            return [self._ack_line(line, "DR", line.quantity, line.date)]
        if chance < 0.90 and line.quantity > 4:
            half = line.quantity // 2
            line.date = line.requested + 2
            return [
                self._ack_line(line, "IA", half, line.requested),
                self._ack_line(line, "IA", line.quantity - half, line.requested + 2),
            ]
        if chance < 0.94:
            others = [p for p in self._by_supplier[line.product.supplier] if p.sku != line.product.sku]
            if others:
                substitute = rng.choice(others)
                answer = self._ack_line(line, "IS", line.quantity, line.requested)
                answer["substitute"] = {"scheme": "VENDOR_PART", "code": substitute.vendor_part}
                line.product, line.substituted = substitute, True
                return [answer]
        if chance < 0.97:
            line.promised = 0
            return [self._ack_line(line, rng.choice(("IR", "R2", "ID")), None, None)]
        return [self._ack_line(line, "SP", line.quantity, line.requested + 3)]

    def _slip(self, order: OpenOrder) -> None:
        """A later acknowledgement moves one line's date; it supersedes the earlier answer for that line."""
        line = self._sim.rng.choice(order.lines)
        if line.promised and not line.substituted:
            line.date += self._sim.rng.randint(1, 3)
            self._say_ack(order, "AC", [self._ack_line(line, "DR", line.promised, line.date)])

    def _ack_line(self, line: OpenLine, status: str, quantity: int | None, date: int | None) -> AckLine:
        return {
            "line": line.line,
            "item": self.item_code(line.product),
            "status": status,
            "quantity": quantity,
            "uom": None if quantity is None else "EA",
            "date_kind": None if date is None else "017",
            "date": date,
            "substitute": None,
            "note": None,
        }

    def item_code(self, product: Product) -> ItemCode:
        """How a supplier names an item."""
        if self._sim.rng.random() < 0.6:
            return {"scheme": "VENDOR_PART", "code": product.vendor_part}
        return {"scheme": "GTIN", "code": product.gtin}

    def _say_ack(self, order: OpenOrder, kind: str, lines: list[AckLine]) -> None:
        sim = self._sim
        record: SupplierAck = {
            "event_id": sim.uuid(),
            "supplier": order.supplier,
            "po_number": order.number,
            "po_revision": None,
            "ack_type": kind,
            "acknowledged_at": sim.now,
            "lines": lines,
            "document": f"855-{sim.rng.randint(1, 999_999_999):09d}",
            "correlation_id": order.number,
        }
        sim.document("supplier.acks", order.number, record, f"ACK_{kind}")

    def _orphan(self, number: int) -> None:
        """An acknowledgement of an order this system never saw."""
        product: Any = self._sim.rng.choice(self._sim.network.products)
        stray = OpenOrder(f"PX{number:06d}", product.supplier, product.locations[0], self._sim.now)
        line = OpenLine("1", product, 12, self._sim.now // DAY + 2, 12, self._sim.now // DAY + 2)
        self._say_ack(stray, "AC", [self._ack_line(line, "IA", 12, line.date)])

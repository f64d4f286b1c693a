"""Goods on their way in the demo: ship notices, carrier milestones, delays, returns, receipts, putaways."""

from typing import TYPE_CHECKING, Literal

from local.network import DAY, HOUR, Product
from schemas.records import AdvanceShipNotice, AsnLine, CarrierMilestone

if TYPE_CHECKING:
    from local.purchasing import OpenLine, OpenOrder, Purchasing
    from local.simulator import Simulation

MINUTE = 60_000
Cargo = list[tuple["OpenLine", Product, int]]  # the PO line, what is in the box, base units


class Inbound:
    def __init__(self, sim: "Simulation", purchasing: "Purchasing") -> None:
        self._sim = sim
        self._purchasing = purchasing
        self._shipments = 0

    def expect(self, order: "OpenOrder") -> None:
        """The supplier ships all it promised, or the first half of it and the rest a day later."""
        sim, rng = self._sim, self._sim.rng
        leave = max(
            sim.after(2 * HOUR, 10 * HOUR), min(line.date for line in order.lines) * DAY - rng.randint(8, 40) * HOUR
        )
        if rng.random() < 0.15 and len(order.lines) > 1:
            sim.at(leave, self._ship, order, order.lines[:1])
            sim.at(leave + 20 * HOUR, self._ship, order, order.lines[1:])
        else:
            sim.at(leave, self._ship, order, order.lines)

    # ---- ship notices ---------------------------------------------------------------------------------------------

    def _ship(self, order: "OpenOrder", lines: "list[OpenLine]") -> None:
        sim, rng = self._sim, self._sim.rng
        cargo: Cargo = []
        for line in lines:
            quantity = line.promised - line.shipped
            if quantity > 6 and rng.random() < 0.06:
                quantity -= rng.randint(1, 3)
            if quantity > 0:
                line.shipped += quantity
                cargo.append((line, line.product, quantity))
        if not cargo or order.status != "OPEN":
            return
        self._shipments += 1
        shipment = f"SH{self._shipments:06d}"
        carrier = rng.choice(sim.network.carriers)
        hours = rng.randint(8, 44)
        eta = sim.now + hours * HOUR
        changed = rng.random() < 0.04
        self._notice(order, shipment, carrier, eta, cargo, "ORIGINAL", punctual=changed)
        if changed and cargo[-1][2] > 2:
            cargo = [*cargo[:-1], (cargo[-1][0], cargo[-1][1], cargo[-1][2] - 1)]
            sim.at(sim.after(10 * MINUTE, HOUR), self._notice, order, shipment, carrier, eta, cargo, "REPLACE")
        elif changed and rng.random() < 0.5:
            sim.at(sim.after(10 * MINUTE, HOUR), self._notice, order, shipment, carrier, eta, cargo, "CANCEL")
            for line, _, quantity in cargo:
                line.shipped -= quantity
            sim.at(sim.after(4 * HOUR, 9 * HOUR), self._ship, order, lines)
            return
        self._travel(order, shipment, carrier, eta, cargo)

    def _notice(
        self,
        order: "OpenOrder",
        shipment: str,
        carrier: str,
        eta: int,
        cargo: Cargo,
        purpose: str,
        *,
        punctual: bool = True,
    ) -> None:
        sim = self._sim
        lines: list[AsnLine] = [
            {
                "po_number": order.number,
                "po_line": _named(line, order.supplier),
                "item": self._purchasing.item_code(product),
                "quantity": quantity // product.case if quantity % product.case == 0 else quantity,
                "uom": "CA" if quantity % product.case == 0 else "EA",
                "shipped_to_date": None,
                "sscc": None,
                "lot": None,
                "expires": None,
            }
            for line, product, quantity in cargo
        ]
        record: AdvanceShipNotice = {
            "event_id": sim.uuid(),
            "supplier": order.supplier,
            "shipment_id": shipment,
            "purpose": purpose,  # type: ignore[typeddict-item]
            "carrier": carrier,
            "tracking": f"1Z{shipment}",
            "ship_from": order.supplier,
            "ship_to": order.ship_to,
            "shipped_at": sim.now,
            "estimated_arrival": eta if sim.rng.random() < 0.8 else None,
            "lines": lines,
            "document": f"856-{sim.rng.randint(1, 999_999_999):09d}",
            "correlation_id": order.number,
        }
        sim.document("supplier.asns", shipment, record, f"ASN_{purpose}", punctual=punctual)

    # ---- milestones -----------------------------------------------------------------------------------------------

    def _travel(self, order: "OpenOrder", shipment: str, carrier: str, eta: int, cargo: Cargo) -> None:
        """Milestones to the dock; one trip in ten is delayed, few never arrive."""
        sim, rng = self._sim, self._sim.rng
        sim.at(sim.after(10 * MINUTE, 90 * MINUTE), self._milestone, shipment, carrier, "AF", None)
        fate = rng.random()
        if fate < 0.015:
            status = rng.choice(("A3", "A7", "CA"))
            sim.at(eta - rng.randint(0, 2) * HOUR, self._milestone, shipment, carrier, status, None)
            return
        if fate < 0.12:
            late = eta + rng.randint(12, 60) * HOUR
            sim.at((sim.now + eta) // 2, self._milestone, shipment, carrier, "SD", late)
            eta = late
        else:
            sim.at((sim.now + eta) // 2, self._milestone, shipment, carrier, "X6", eta if rng.random() < 0.5 else None)
        if fate > 0.99:
            sim.at(eta - 20 * MINUTE, self._milestone, shipment, carrier, "A9", None)
        arrival = sim.working(eta + rng.randint(-HOUR, 4 * HOUR))
        sim.at(arrival, self._milestone, shipment, carrier, rng.choice(("D1", "X1")), None)
        for _ in cargo:
            if arrival < sim.end - 5 * HOUR:
                sim.planned += 2
        sim.at(arrival + rng.randint(10 * MINUTE, 2 * HOUR), self._unload, order, shipment, cargo)

    def _milestone(self, shipment: str, carrier: str, status: str, eta: int | None) -> None:
        sim = self._sim
        record: CarrierMilestone = {
            "event_id": sim.uuid(),
            "carrier": carrier,
            "shipment_id": shipment,
            "status": status,
            "reason": "AO" if status == "SD" else "NS",
            "place": None,
            "occurred_at": sim.now,
            "estimated_arrival": eta,
            "document": f"214-{sim.rng.randint(1, 999_999_999):09d}",
            "correlation_id": shipment,
        }
        sim.document("carrier.milestones", shipment, record, f"MILESTONE_{status}")

    # ---- the dock -------------------------------------------------------------------------------------------------

    def _unload(self, order: "OpenOrder", shipment: str, cargo: Cargo) -> None:
        """Scan the goods in: against the notice, or against the purchase order, with or without its line."""
        sim, rng = self._sim, self._sim.rng
        way = rng.random()
        lineless = way > 0.9 and not any(line.substituted for line in order.lines)
        for line, product, quantity in cargo:
            if way < 0.5:
                reference: tuple[str, str, str | None] = ("ASN", shipment, None)
            else:
                reference = ("PURCHASE_ORDER", order.number, None if lineless else line.line)
            moment = sim.working(sim.after(MINUTE, 3 * HOUR))
            sim.at(moment, self._receive, order, line, product, quantity, reference)
        sim.at(sim.working(sim.after(4 * HOUR, 9 * HOUR)), self._finish, order)

    def _receive(
        self,
        order: "OpenOrder",
        line: "OpenLine",
        product: Product,
        quantity: int,
        reference: tuple[str, str, str | None],
    ) -> None:
        """One line at the dock: sometimes short, over, damaged, in two parts, held for inspection."""
        sim, rng = self._sim, self._sim.rng
        chance, good, damaged = rng.random(), quantity, 0
        if chance < 0.05 and quantity > 3:
            good -= rng.randint(1, 2)
        elif chance < 0.06:
            good += 1
        elif chance < 0.09 and quantity > 3:
            damaged = rng.randint(1, 2)
            good -= damaged
        line.received += good + damaged
        sim.incoming[product.sku, order.ship_to] -= quantity
        held = rng.random() < 0.04
        parts = [good] if good < 8 or rng.random() < 0.8 else [good // 2, good - good // 2]
        for part in parts:
            scan = sim.scan(
                "RECEIPT",
                product,
                order.ship_to,
                part,
                reference=reference,
                disposition="quality_hold" if held else None,
            )
            sim.at(
                sim.working(sim.after(5 * MINUTE, 2 * HOUR)),
                self._put_away,
                product,
                order.ship_to,
                part,
                held and reference,
            )
        if damaged:
            sim.scan("RECEIPT", product, order.ship_to, damaged, reference=reference, disposition="damaged")
        elif not held and reference[0] == "PURCHASE_ORDER" and rng.random() < 0.01:
            sim.at(
                sim.after(5 * MINUTE, HOUR),
                lambda: sim.scan("RECEIPT", product, order.ship_to, -1, reference=reference, corrects=scan),
            )

    def _put_away(
        self, product: Product, location: str, quantity: int, inspected: "Literal[False] | tuple[str, str, str | None]"
    ) -> None:
        """Out of inspection the scan names the document, so that the ERP hears of it; one in ten is forgotten."""
        if inspected:
            self._sim.scan(
                "PUTAWAY",
                product,
                location,
                quantity,
                disposition="quality_hold",
                to_disposition="available" if self._sim.rng.random() < 0.9 else "damaged",
                reference=inspected if self._sim.rng.random() < 0.9 else ("NONE", "", None),
            )
        else:
            self._sim.scan("PUTAWAY", product, location, quantity)

    def _finish(self, order: "OpenOrder") -> None:
        if self._sim.rng.random() < 0.3 and all(line.shipped >= line.promised for line in order.lines):
            self._purchasing.close(order)


def _named(line: "OpenLine", supplier: str) -> str:
    """How a supplier names the line in its notices: three in thirty do not, one writes 001 for 1."""
    number = int(supplier.removeprefix("SUP"))
    return "" if number % 10 == 4 else f"{int(line.line):03d}" if number % 30 == 8 else line.line

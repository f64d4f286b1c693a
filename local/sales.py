"""The sales side of the demo: orders of two channels, allocation, pick, pack, ship; cancels, changes, returns.

The order desk takes in as many orders as keep the run on its event count.
"""

from typing import TYPE_CHECKING, Any

from local.network import CHANNELS, DAY, HOUR, Product
from schemas.records import SalesOrderLine

if TYPE_CHECKING:
    from local.simulator import Simulation

MINUTE = 60_000
DESK = 10 * MINUTE


class Sales:
    def __init__(self, sim: "Simulation") -> None:
        self._sim = sim
        self._orders = 0
        self._weights = [product.weight for product in sim.network.products]
        self._by_sku = {product.sku: product for product in sim.network.products}

    def plan(self) -> None:
        sim = self._sim
        for day in range(sim.days):
            for minute in range(30, 16 * 60, DESK // MINUTE):
                sim.at(sim.start + day * DAY + minute * MINUTE, self._desk)

    def _desk(self) -> None:
        """Take in the orders of the last ten minutes."""
        sim = self._sim
        ahead = 2 * HOUR  # orders taken now become scans in the next hours
        worked = sum(max(0, min(16 * HOUR, sim.now + ahead - (sim.start + day * DAY))) for day in range(sim.days)) / (
            16 * HOUR * sim.days
        )
        wanted = sim.events * 1.03 * min(1.0, worked) - sim.emitted - sim.planned
        for _ in range(min(int(wanted / 6) + 1, 4 + sim.events // 300) if wanted > 0 else 0):
            sim.at(sim.after(0, DESK), self._order)

    def _order(self) -> None:
        sim, rng = self._sim, self._sim.rng
        self._orders += 1
        number = f"S{self._orders:07d}"
        today = sim.now // DAY
        wanted = {p.sku: p for p in rng.choices(sim.network.products, self._weights, k=rng.choice((1, 1, 2, 2, 3, 4)))}
        stocked = [
            p for p in wanted.values() if any(sim.free(p.sku, at) > 0 for at in p.locations) or rng.random() < 0.1
        ]
        lines = [self._line(str(n), product, today) for n, product in enumerate(stocked, 1)]
        if not lines:
            return  # the shop showed it sold out
        order = {
            "order_number": number,
            "revision": 1,
            "channel": rng.choice(CHANNELS),
            "status": "OPEN",
            "priority": rng.randint(1, 5),
            "lines": lines,
            "ordered_at": sim.now,
            "correlation_id": number,
        }
        self._say(order, "SALES_ORDER")
        chance = rng.random()
        if chance < 0.04:
            sim.at(sim.after(5 * MINUTE, 40 * MINUTE), self._cancel, order)
        elif chance < 0.09:
            sim.at(sim.after(5 * MINUTE, 20 * MINUTE), self._change, order)
        else:
            self._schedule(order)

    def _line(self, number: str, product: Product, today: int) -> SalesOrderLine:
        sim, rng = self._sim, self._sim.rng
        location = max(
            rng.sample(product.locations, min(2, len(product.locations))), key=lambda at: sim.free(product.sku, at)
        )
        quantity, uom, factor = rng.choice((1, 1, 1, 2, 2, 3, 4, 6)), "EA", 1
        if rng.random() < 0.02:
            quantity, uom, factor = 1, "CA", product.case
        free = max(0, sim.free(product.sku, location)) // factor
        allocated = min(quantity, free)
        sim.reserved[product.sku, location] += allocated * factor
        return {
            "line": number,
            "item": {"scheme": "SKU", "code": product.sku}
            if rng.random() < 0.7
            else {"scheme": "GTIN", "code": product.gtin},
            "location": location if allocated or rng.random() < 0.9 else None,
            "quantity": quantity,
            "uom": uom,
            "allocated": allocated,
            "requested_ship_date": rng.choice((None, today, today, today, today, today, today + 1, today + 2)),
            "status": "OPEN",
        }

    def _say(self, order: dict[str, Any], label: str) -> None:
        record = {**order, "event_id": self._sim.uuid(), "lines": [dict(line) for line in order["lines"]]}
        self._sim.document("erp.sales-orders", order["order_number"], record, label)

    def _product(self, line: dict[str, Any]) -> Product:
        code = line["item"]["code"]
        found = self._by_sku.get(code)
        return found if found is not None else next(p for p in self._sim.network.products if p.gtin == code)

    def _base(self, line: dict[str, Any]) -> int:
        """The line's allocated quantity in base units."""
        factor: int = self._product(line).case if line["uom"] == "CA" else 1
        return int(line["allocated"]) * factor

    def _let_go(self, line: dict[str, Any], quantity: int) -> None:
        if line["location"] is not None:
            self._sim.reserved[self._product(line).sku, line["location"]] -= quantity

    def _cancel(self, order: dict[str, Any]) -> None:
        """Cancel the order, or one of its lines and ship the rest."""
        order["revision"] += 1
        whole = len(order["lines"]) == 1 or self._sim.rng.random() < 0.5
        for line in order["lines"] if whole else order["lines"][:1]:
            self._let_go(line, self._base(line))
            line["status"] = "CANCELLED"
        if whole:
            order["status"] = "CANCELLED"
        self._say(order, "ORDER_CANCEL")
        if not whole:
            self._schedule(order)

    def _change(self, order: dict[str, Any]) -> None:
        """Change the quantity of one line, within what is free."""
        line = order["lines"][-1]
        before = self._base(line)
        order["revision"] += 1
        line["quantity"] = max(1, line["quantity"] + self._sim.rng.choice((-1, 1, 2)))
        product, factor = self._product(line), self._base({**line, "allocated": 1})
        free = 0 if line["location"] is None else max(0, self._sim.free(product.sku, line["location"]) + before)
        line["allocated"] = min(line["quantity"], free // factor)
        self._let_go(line, before - self._base(line))
        self._say(order, "ORDER_CHANGE")
        self._schedule(order)

    # ---- fulfilment -----------------------------------------------------------------------------------------------

    def _schedule(self, order: dict[str, Any]) -> None:
        sim, rng = self._sim, self._sim.rng
        for line in order["lines"]:
            if line["status"] != "OPEN" or not line["allocated"] or line["location"] is None:
                continue
            when = line["requested_ship_date"]
            earliest = sim.now if when is None or when <= sim.now // DAY else when * DAY + 6 * HOUR
            moment = sim.working(earliest + rng.randint(30 * MINUTE, 4 * HOUR))
            if moment <= sim.end - 3 * HOUR:
                sim.planned += 3
            sim.at(moment, self._pick, order, line)

    def _pick(self, order: dict[str, Any], line: dict[str, Any]) -> None:
        sim, rng = self._sim, self._sim.rng
        product, location, quantity = self._product(line), line["location"], self._base(line)
        quantity = min(quantity, max(0, sim.available(product.sku, location)))
        if quantity > 1 and rng.random() < 0.01:
            quantity -= 1  # the shelf held less than the book
        if not quantity:
            self._close(order, line, self._base(line))
            return
        reference = ("SALES_ORDER", order["order_number"], line["line"] if rng.random() < 0.95 else None)
        sim.scan("PICK", product, location, quantity, reference=reference)
        packed = sim.after(4 * MINUTE, 30 * MINUTE)
        sim.at(packed, lambda: sim.scan("PACK", product, location, quantity, reference=reference))
        sim.at(packed + rng.randint(10 * MINUTE, 2 * HOUR), self._ship, order, line, quantity, reference)

    def _ship(
        self, order: dict[str, Any], line: dict[str, Any], quantity: int, reference: tuple[str, str, str | None]
    ) -> None:
        sim, rng = self._sim, self._sim.rng
        product, location = self._product(line), line["location"]
        parts = [quantity] if quantity == 1 or rng.random() < 0.95 else [quantity - 1, 1]
        if rng.random() < 0.0005:
            reference = ("NONE", "", None)  # shipped without an order: owned by the warehouse, stock still right
        for part in parts:
            scan = sim.scan("SHIP", product, location, part, reference=reference)
            if rng.random() < 0.005:
                later = sim.after(5 * MINUTE, HOUR)
                sim.at(
                    later, lambda scan=scan: sim.scan("SHIP", product, location, -1, reference=reference, corrects=scan)
                )
        self._let_go(line, quantity)
        if quantity < self._base(line):
            sim.at(sim.after(MINUTE, 30 * MINUTE), self._close, order, line, self._base(line) - quantity)
        elif rng.random() < 0.05:
            order["revision"] += 1
            line["status"] = "CLOSED"
            self._say(order, "ORDER_CLOSE")
        if rng.random() < 0.03:
            back = sim.working(sim.after(6 * HOUR, 30 * HOUR))
            sim.at(back, self._return, product, location, rng.randint(1, quantity), order["order_number"])

    def _close(self, order: dict[str, Any], line: dict[str, Any], unshipped: int) -> None:
        """Ship no more of this line: what it still held is free again."""
        self._let_go(line, unshipped)
        order["revision"] += 1
        line["status"] = "CLOSED"
        self._say(order, "ORDER_CLOSE")

    def _return(self, product: Product, location: str, quantity: int, order: str) -> None:
        sim, rng = self._sim, self._sim.rng
        sim.scan("RETURN", product, location, quantity, reference=("SALES_ORDER", order, None))
        later = sim.working(sim.after(20 * MINUTE, 4 * HOUR))
        fate = rng.random()
        if fate < 0.85:
            found = None if fate < 0.7 else "damaged"
            sim.at(
                later,
                lambda: sim.scan(
                    "RELEASE",
                    product,
                    location,
                    quantity,
                    disposition="returned",
                    to_disposition=found,
                    reference=("SALES_ORDER", order, None),
                ),
            )
        else:
            sim.at(later, lambda: sim.scan("ADJUST", product, location, -quantity, disposition="returned"))

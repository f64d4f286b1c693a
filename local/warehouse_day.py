"""What a warehouse does beside receiving and shipping: opening stock, cycle counts, holds, adjustments, transfers.

Quantities are in base units. Counts are kept to positions that move little, so that one processed late still finds
every movement since in the position's bounded journal.
"""

from typing import TYPE_CHECKING

from local.network import DAY, HOUR, WAREHOUSES, Product
from schemas.records import StockSnapshot

if TYPE_CHECKING:
    from local.simulator import Simulation

MINUTE = 60_000
COUNTS, ADJUSTS, HOLDS, TRANSFERS, BLIND = 0.025, 0.008, 0.006, 0.012, 0.006  # share of all events, each


class WarehouseDay:
    def __init__(self, sim: "Simulation") -> None:
        self._sim = sim
        self._transfers = 0

    def plan(self) -> None:
        """Put the opening stock, every day's heartbeats and the day's odd jobs on the agenda."""
        sim = self._sim
        for product in sim.network.products:
            for location in product.locations:
                sim.at(sim.after(0, 20 * MINUTE), self._open, product, location)
        for location in WAREHOUSES:
            for minute in range(0, (sim.end - sim.start) // MINUTE, 10):
                sim.at(sim.start + minute * MINUTE + sim.rng.randint(0, 9_999), self._beat, location)
        for action, share in (
            (self._count, COUNTS),
            (self._adjust, ADJUSTS),
            (self._hold, HOLDS),
            (self._transfer, TRANSFERS),
            (self._blind_receipt, BLIND),
        ):
            for _ in range(int(sim.events * share)):
                day = sim.start + sim.rng.randrange(sim.days) * DAY
                sim.at(day + sim.rng.randint(30 * MINUTE, 16 * HOUR), action)
        for day in range(sim.days):
            sim.at(sim.start + day * DAY + 16 * HOUR + 10 * MINUTE, self._erp_snapshots)

    def cover(self, product: Product) -> int:
        """Base units that about one day's demand takes at one location."""
        sim = self._sim
        lines_a_day = sim.events * 0.55 / 7.7 * 2 / sim.days
        return max(4, int(lines_a_day * 2.5 * product.weight / sim.total_weight / len(product.locations)))

    def _open(self, product: Product, location: str) -> None:
        quantity = int(self.cover(product) * self._sim.rng.uniform(3.5, 8.0))
        if product.segment == "A":
            self._sim.scan("ADJUST", product, location, quantity, reference=("COUNT", "OPENING", None))
        else:
            self._sim.scan("COUNT", product, location, quantity, reference=("COUNT", "OPENING", None))

    def _beat(self, location: str) -> None:
        if not self._sim.disturbances.is_offline(location):
            self._sim.heartbeat(location)

    def _anywhere(self) -> tuple[Product, str]:
        product = self._sim.rng.choice(self._sim.network.products)
        return product, self._sim.rng.choice(product.locations)

    def _count(self) -> None:
        sim = self._sim
        product, location = self._anywhere()
        if sim.busy(product.sku, location):
            return
        disposition = (
            "damaged" if sim.stock[product.sku, location]["damaged"] > 0 and sim.rng.random() < 0.3 else "available"
        )
        book = sim.stock[product.sku, location][disposition]
        found = max(0, book + sim.rng.choice((0, 0, 0, 0, -1, 1, -2, 3)))
        name = None if disposition == "available" else disposition
        sim.scan("COUNT", product, location, found, disposition=name, reference=("COUNT", f"C{sim.now}", None))

    def _adjust(self) -> None:
        sim = self._sim
        product, location = self._anywhere()
        quantity = sim.rng.choice((-2, -1, 1, 2, 4))
        if quantity < 0 and sim.free(product.sku, location) < 3:
            return
        scan = sim.scan("ADJUST", product, location, quantity)
        if sim.rng.random() < 0.1:
            later = sim.working(sim.after(10 * MINUTE, 2 * HOUR))
            sim.at(later, lambda: sim.scan("ADJUST", product, location, -quantity, corrects=scan))

    def _hold(self) -> None:
        sim = self._sim
        product, location = self._anywhere()
        quantity = sim.rng.randint(1, 4)
        if sim.free(product.sku, location) < quantity + 2:
            return
        sim.scan("HOLD", product, location, quantity)
        sim.at(sim.working(sim.after(HOUR, 20 * HOUR)), self._release, product, location, quantity)

    def _release(self, product: Product, location: str, quantity: int) -> None:
        to = self._sim.rng.choice((None, None, None, "available", "damaged"))
        self._sim.scan("RELEASE", product, location, quantity, to_disposition=to)

    def _blind_receipt(self) -> None:
        """Goods without papers: the receipt names no document."""
        sim = self._sim
        product, location = self._anywhere()
        sim.scan("RECEIPT", product, location, sim.rng.randint(1, 6))
        sim.at(sim.working(sim.after(5 * MINUTE, HOUR)), lambda: sim.scan("PUTAWAY", product, location, 1))

    def _transfer(self) -> None:
        """Move stock to the location of the same SKU that has the least."""
        sim = self._sim
        product, origin = self._anywhere()
        others = [location for location in product.locations if location != origin]
        quantity = min(sim.free(product.sku, origin) // 3, self.cover(product))
        if not others or quantity < 1:
            return
        target = min(others, key=lambda location: sim.free(product.sku, location))
        self._transfers += 1
        number = f"T{self._transfers:06d}"
        sim.scan("TRANSFER_OUT", product, origin, quantity, to_location=target, reference=("TRANSFER", number, None))
        arrival = sim.working(sim.after(4 * HOUR, 40 * HOUR))
        lost = 1 if quantity > 3 and sim.rng.random() < 0.05 else 0
        sim.at(arrival, self._arrive, product, target, quantity - lost, number)

    def _arrive(self, product: Product, location: str, quantity: int, number: str) -> None:
        self._sim.scan("TRANSFER_IN", product, location, quantity, reference=("TRANSFER", number, None))

    def _erp_snapshots(self) -> None:
        """What the ERP believes it has, for reconciliation: mostly right."""
        sim = self._sim
        for product in sim.rng.sample(sim.network.products, len(sim.network.products) // 10):
            location = sim.rng.choice(product.locations)
            key = f"{product.sku}|{location}"
            wrong = sim.rng.random() < 0.05
            snapshot: StockSnapshot = {
                "event_id": sim.uuid(),
                "sku": product.sku,
                "location": location,
                "on_hand": sim.available(product.sku, location) + (7 if wrong else 0),
                "disposition": "available",
                "taken_at": sim.now,
                "source": "ERP",
                "correlation_id": f"ERP-{sim.now}",
            }
            sim.document("erp.stock-snapshots", key, snapshot, "STOCK_SNAPSHOT", punctual=True)

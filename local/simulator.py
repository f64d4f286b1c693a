"""The demo's discrete-event simulation: business days of a distribution network as records in the order they are sent.

This file is the engine: the agenda, the books the simulated people keep, and the outbox. What happens is in
`purchasing.py`, `sales.py` and `warehouse_day.py`; what goes wrong on the way out is in `disturbances.py`.
Deterministic: the same network, event count and days give the same records.
"""

import heapq
import random
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from local.disturbances import Disturbances
from local.network import DAY, HOUR, Network, Product
from local.purchasing import Purchasing
from local.sales import Sales
from local.sent import Sent
from local.warehouse_day import WarehouseDay
from schemas.records import FeedHeartbeat, WarehouseScan

MINUTE = 60_000
OPENS, CLOSES = 6 * HOUR, 22 * HOUR  # a warehouse's working day, from midnight


class Simulation:
    """The state of the simulated business; `records()` runs it."""

    def __init__(self, network: Network, events: int, days: int = 5) -> None:
        self.network = network
        self.events = events
        self.days = days
        self.rng = random.Random(f"simulation-{network.seed}-{events}-{days}")
        self.start = network.start
        self.end = network.start + (days - 1) * DAY + (CLOSES - OPENS) + 30 * MINUTE
        self.now = network.start
        self.emitted = 0
        self.planned = 0  # scans already on the agenda: the order desk sells only what keeps the event count
        self.labels: Counter[str] = Counter()
        self.marks: Counter[str] = Counter()
        self.stock: dict[tuple[str, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
        self.reserved: dict[tuple[str, str], int] = defaultdict(int)
        self.incoming: dict[tuple[str, str], int] = defaultdict(int)
        self._moves: dict[tuple[str, str], deque[int]] = defaultdict(lambda: deque(maxlen=20))
        self._agenda: list[tuple[int, int, Callable[..., object], tuple[Any, ...]]] = []
        self._outbox: list[tuple[int, int, Sent]] = []
        self._sequence = 0
        late = max(1, len(network.products) // 60)
        slow = [p for p in network.products if p.segment == "C"]
        self.unpublished = frozenset(p.sku for p in self.rng.sample(slow, late))  # until master data catches up
        self.published = [p for p in network.products if p.sku not in self.unpublished]
        self.known_codes = frozenset(code for p in self.published for code in (p.sku, p.gtin))
        self.total_weight = sum(p.weight for p in network.products)
        self.disturbances = Disturbances(self)
        self.warehouse = WarehouseDay(self)
        self.purchasing = Purchasing(self)
        self.sales = Sales(self)

    # ---- the engine -----------------------------------------------------------------------------------------------

    def records(self) -> Iterator[Sent]:
        """Yield every record in the order of its business time of sending."""
        self.warehouse.plan()
        self.purchasing.plan()
        self.sales.plan()
        self.disturbances.plan()
        while self._agenda and self._agenda[0][0] <= self.end:
            self.now, _, action, arguments = heapq.heappop(self._agenda)
            action(*arguments)
            horizon = self._agenda[0][0] if self._agenda else self.end
            yield from self._leave(horizon)
        yield from self._leave(self.end + 1)

    def _leave(self, horizon: int) -> Iterator[Sent]:
        while self._outbox and self._outbox[0][0] < horizon:
            yield heapq.heappop(self._outbox)[2]

    def at(self, time: int, action: Callable[..., object], *arguments: Any) -> None:
        """Put an action on the agenda; what lies beyond the end never happens."""
        if time <= self.end:
            self._sequence += 1
            heapq.heappush(self._agenda, (max(time, self.now), self._sequence, action, arguments))

    def after(self, low: int, high: int) -> int:
        """A random moment between low and high milliseconds from now."""
        return self.now + self.rng.randint(low, high)

    def working(self, time: int) -> int:
        """The moment itself within working hours, else some time in the next morning's first two hours."""
        of_day = time % DAY
        if OPENS <= of_day < CLOSES:
            return time
        morning = time - of_day + OPENS + (DAY if of_day >= CLOSES else 0)
        return morning + self.rng.randint(0, 2 * HOUR)

    def send(self, sent: Sent) -> None:
        """Put a record in the outbox as it is."""
        self._sequence += 1
        self.emitted += 1
        self.labels[sent.label] += 1
        if sent.mark:
            self.marks[sent.mark] += 1
        heapq.heappush(self._outbox, (sent.at, self._sequence, sent))

    # ---- what people in the simulated business say ----------------------------------------------------------------

    def uuid(self) -> str:
        digits = f"{self.rng.getrandbits(128):032x}"
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"

    def document(self, topic: str, key: str, record: Mapping[str, Any], label: str, *, punctual: bool = False) -> None:
        """Send a business document; punctual ones may not be overtaken by the next with the same key."""
        self.disturbances.out(
            "edi" if topic.startswith(("supplier", "carrier")) else "erp", topic, key, record, label, punctual
        )

    def heartbeat(self, location: str) -> None:
        beat: FeedHeartbeat = {"source": f"WMS-{location}", "location": location, "sent_at": self.now}
        self.send(Sent(self.now, "wms", "feeds.heartbeats", f"WMS-{location}|{location}", beat, None, "HEARTBEAT", ""))

    def scan(
        self,
        scan_type: str,
        product: Product,
        location: str,
        quantity: int,
        *,
        reference: tuple[str, str, str | None] = ("NONE", "", None),
        disposition: str | None = None,
        to_disposition: str | None = None,
        to_location: str | None = None,
        corrects: str | None = None,
    ) -> str:
        """Scan now: send the record, keep the books; return its event id. Quantity in base units."""
        rng = self.rng
        if self.planned > 0:
            self.planned -= 1
        uom, scanned = "EA", quantity
        if quantity and quantity % product.case == 0 and rng.random() < 0.5:
            uom, scanned = "CA", quantity // product.case
        scheme, code = ("SKU", product.sku) if rng.random() < 0.6 else ("GTIN", product.gtin)
        source = f"WMS-{location}"
        record: WarehouseScan = {
            "event_id": self.uuid(),
            "scan_type": scan_type,  # type: ignore[typeddict-item]
            "item": {"scheme": scheme, "code": code},
            "location": location,
            "quantity": scanned,
            "uom": uom,
            "disposition": disposition,
            "to_disposition": to_disposition,
            "to_location": to_location,
            "lot": None,
            "device_id": f"{location}-RF{rng.randint(1, 40):02d}",
            "operator": f"OP{rng.randint(1, 60):03d}",
            "reference": {"kind": reference[0], "number": reference[1], "line": reference[2]},  # type: ignore[typeddict-item]
            "corrects": corrects,
            "occurred_at": self.now,
            "sent_at": self.now,
            "source": source,
            "correlation_id": reference[1] or f"{source}-{self.now}",
        }
        self._book(scan_type, (product.sku, location), quantity, disposition, to_disposition)
        self.disturbances.out("wms", "warehouse.scans", code, record, scan_type, scan_type == "COUNT")
        return record["event_id"]

    # ---- the books ------------------------------------------------------------------------------------------------

    def available(self, sku: str, location: str) -> int:
        return self.stock[sku, location]["available"]

    def free(self, sku: str, location: str) -> int:
        """What the order desk may still give away."""
        return self.available(sku, location) - self.reserved[sku, location]

    def busy(self, sku: str, location: str) -> bool:
        """Twenty movements or more in the last day: a count that is processed late there might outrun the journal."""
        moves = self._moves[sku, location]
        return len(moves) == moves.maxlen and moves[0] > self.now - DAY

    def _book(
        self,
        scan_type: str,
        position: tuple[str, str],
        quantity: int,
        disposition: str | None,
        to_disposition: str | None,
    ) -> None:
        if scan_type in {"PICK", "PACK"} or (scan_type == "PUTAWAY" and to_disposition is None):
            return
        stock = self.stock[position]
        self._moves[position].append(self.now)
        if scan_type == "COUNT":
            stock[disposition or "available"] = quantity
        elif scan_type in {"SHIP", "TRANSFER_OUT"}:
            stock[disposition or "available"] -= quantity
        elif scan_type in {"HOLD", "RELEASE", "PUTAWAY"}:
            source = disposition or ("quality_hold" if scan_type == "RELEASE" else "available")
            target = to_disposition or ("quality_hold" if scan_type == "HOLD" else "available")
            stock[source] -= quantity
            stock[target] += quantity
        else:
            stock[disposition or ("returned" if scan_type == "RETURN" else "available")] += quantity


def simulate(network: Network, events: int, days: int = 5) -> Iterator[Sent]:
    """Run the business for some days: at least `events` records, in the order they are sent."""
    return Simulation(network, events, days).records()

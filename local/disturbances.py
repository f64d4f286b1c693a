"""What goes wrong between a device and the broker: duplicates, late records, a warehouse offline, records that are bad.

A bad record is always an extra one, sent beside a good one, so the books of the simulated business stay right.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from local.network import CLOSED_WAREHOUSE, DAY, HOUR, WAREHOUSES
from local.sent import Sent

if TYPE_CHECKING:
    from local.simulator import Simulation

DUPLICATES, LATE, BAD = 0.02, 0.01, 0.005
MINUTE = 60_000
UNKNOWN_SCHEMA = b"\x00\x7f\xff\xff\xff"  # a wire format header with a schema id no registry has given out
Fault = Callable[[dict[str, Any]], None]


def _zero(scan: dict[str, Any]) -> None:
    scan["quantity"] = 0


def _negative(scan: dict[str, Any]) -> None:
    scan["quantity"] = -abs(scan["quantity"]) - 1


def _unknown_item(scan: dict[str, Any]) -> None:
    scan["item"] = {"scheme": "GTIN", "code": "9999999999994"}


def _unknown_uom(scan: dict[str, Any]) -> None:
    scan["uom"] = "XBX"


def _unknown_location(scan: dict[str, Any]) -> None:
    scan["location"] = "DC99"


def _closed_location(scan: dict[str, Any]) -> None:
    scan["location"] = CLOSED_WAREHOUSE


def _future(scan: dict[str, Any]) -> None:
    scan["occurred_at"] += 30 * DAY


FAULTS: dict[str, Fault] = {
    "quantity 0": _zero,
    "negative quantity": _negative,
    "unknown item": _unknown_item,
    "unknown unit": _unknown_uom,
    "unknown location": _unknown_location,
    "closed location": _closed_location,
    "time in the future": _future,
}
RAW_FAULTS = ("undecodable", "unknown schema", "null key")


class Disturbances:
    """Sends what the business says, disturbed."""

    def __init__(self, sim: "Simulation") -> None:
        self._sim = sim
        length = sim.end - sim.start
        self.offline = sim.rng.choice(WAREHOUSES)
        morning = sim.start + (length // DAY // 2) * DAY  # of the middle day
        self.offline_from = morning + sim.rng.randint(3, 5) * HOUR
        self.offline_until = self.offline_from + sim.rng.randint(3, 5) * HOUR

    def plan(self) -> None:
        """Publish what master data forgot: each forgotten item some business hours after the goods came in."""
        sim = self._sim
        for product in sim.network.products:
            if product.sku in sim.unpublished:
                moment = sim.start + int((sim.end - sim.start) * sim.rng.uniform(0.1, 0.7))
                sim.at(moment, sim.document, "erp.items", product.sku, product.item, "ITEM")

    def is_offline(self, location: str) -> bool:
        return location == self.offline and self.offline_from <= self._sim.now < self.offline_until

    def out(self, producer: str, topic: str, key: str, record: Mapping[str, Any], label: str, punctual: bool) -> None:
        """Send a record of the simulated business, perhaps late, perhaps twice, perhaps with a bad one beside it."""
        sim, rng = self._sim, self._sim.rng
        at, mark = sim.now + rng.randint(50, 3_000), ""
        if topic == "warehouse.scans" and self.is_offline(record["location"]):
            at, mark = self.offline_until + (sim.now - self.offline_from) // 60, "offline"
        elif not punctual and topic != "erp.items" and rng.random() < LATE:
            at, mark = sim.now + rng.randint(2 * HOUR, 9 * HOUR), "late"
        at = min(at, sim.end)
        if "sent_at" in record:
            record = {**record, "sent_at": at}
        sim.send(Sent(at, "gateway" if mark == "offline" else producer, topic, key, record, None, label, mark))
        if "event_id" in record and rng.random() < DUPLICATES:
            again = min(at + rng.randint(MINUTE, 3 * HOUR), sim.end)
            sim.send(Sent(again, "gateway", topic, key, record, None, label, "duplicate"))
        if topic == "warehouse.scans" and rng.random() < BAD:
            self._bad(at, record, label)

    def _bad(self, at: int, good: Mapping[str, Any], label: str) -> None:
        sim, rng = self._sim, self._sim.rng
        topic = "warehouse.scans"
        fault = rng.choice((*FAULTS, *RAW_FAULTS))
        scan: dict[str, Any] = {**good, "event_id": sim.uuid(), "item": dict(good["item"])}
        if scan["item"]["code"] not in sim.known_codes:
            scan["item"] = {"scheme": "SKU", "code": sim.published[0].sku}  # one fault at a time
        key: str | None = scan["item"]["code"]
        raw: bytes | None = None
        if fault == "undecodable":
            raw = rng.choice((b'{"scan": "not Avro"}', b"", b"\x01\x02\x03", rng.randbytes(40) + b"\xff"))
            raw = b"\xff" + raw if raw[:1] == b"\x00" else raw
            topic = rng.choice(
                (topic, topic, "supplier.acks", "supplier.asns", "carrier.milestones", "erp.sales-orders")
            )
        elif fault == "unknown schema":
            raw = UNKNOWN_SCHEMA + rng.randbytes(60)
        elif fault == "null key":
            key = None
        else:
            if fault in {"quantity 0", "negative quantity"}:
                scan.update(scan_type="SHIP", reference={"kind": "NONE", "number": "", "line": None}, corrects=None)
            if fault == "negative quantity" and scan["quantity"] == 0:
                scan["quantity"] = 1
            FAULTS[fault](scan)
            if fault == "unknown item":
                key = scan["item"]["code"]
        value = None if raw is not None else scan
        sim.send(Sent(at, "gateway", topic, key, value, raw, label if value else "RAW", f"bad: {fault}"))

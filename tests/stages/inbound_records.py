"""Inbound records by hand, and intake driven the way the task runner drives it. Every output is really encoded."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

from schemas.codec import Codec
from streams.intake import INBOUND, Chunk, Intake, IntakeRules
from tables.outcome import Outcome, Output
from tables.reference import Reference
from tests import reference_records

DAY = 86_400_000
MINUTE = 60_000
NOW = 20_500 * DAY + DAY // 2
TODAY = 20_500
GTIN = "4012345678901"
OTHER_TOPICS = ("inventory.ledger", "supply.events", "order.events", "shipment.events", "feed.events", "exceptions",
                "exceptions.resolutions", "dead-letters", "reservations.replies")  # fmt: skip

_ids = count(1)


def uuid() -> str:
    return f"00000000-0000-4000-8000-{next(_ids):012d}"


def item(sku: str = "BOLT", **changes: Any) -> dict[str, Any]:
    of_acme = {
        "packs": [{"uom": "CA", "factor": 12}],
        "identifiers": [
            {"scheme": "GTIN", "code": GTIN, "party": None},
            {"scheme": "VENDOR_PART", "code": "B-1", "party": "ACME"},
        ],
        "safety_stock": [{"location": None, "quantity": 5}],
    }
    return reference_records.item(sku, **of_acme | changes)


def location(name: str = "DC01", **changes: Any) -> dict[str, Any]:
    return reference_records.location(name, **changes)


def profile(partner: str = "ACME", **changes: Any) -> dict[str, Any]:
    record = {
        "partner": partner,
        "kind": "SUPPLIER",
        "name": partner,
        "owner": "buyer-acme",
        "ship_days": 3,
        "overdue_fence_days": 5,
        "overdue_offset_days": 1,
        "backorder_in_ack": False,
        "active": True,
    }
    return record | changes


def scan(scan_type: str, quantity: int = 5, **changes: Any) -> dict[str, Any]:
    kind, number = {"PICK": ("SALES_ORDER", "S1"), "PACK": ("SALES_ORDER", "S1")}.get(scan_type, ("NONE", ""))
    record = {
        "event_id": uuid(),
        "scan_type": scan_type,
        "item": {"scheme": "SKU", "code": "BOLT"},
        "location": "DC01",
        "quantity": quantity,
        "uom": "EA",
        "disposition": None,
        "to_disposition": None,
        "to_location": None,
        "lot": None,
        "device_id": "RF1",
        "operator": None,
        "reference": {"kind": kind, "number": number, "line": None},
        "corrects": None,
        "occurred_at": NOW - MINUTE,
        "sent_at": NOW,
        "source": "WMS-DC01",
        "correlation_id": "C1",
    }
    return record | changes


def against(kind: str, number: str, line: str | None = None) -> dict[str, Any]:
    return {"kind": kind, "number": number, "line": line}


def ack_line(**changes: Any) -> dict[str, Any]:
    record = {
        "line": "1",
        "item": {"scheme": "VENDOR_PART", "code": "B-1"},
        "status": "IA",
        "quantity": 2,
        "uom": "CA",
        "date_kind": None,
        "date": None,
        "substitute": None,
        "note": None,
    }
    return record | changes


def ack(*lines: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    record = {
        "event_id": uuid(),
        "supplier": "ACME",
        "po_number": "P1",
        "po_revision": None,
        "ack_type": "AC",
        "acknowledged_at": NOW - MINUTE,
        "lines": list(lines),
        "document": "855-1",
        "correlation_id": "C2",
    }
    return record | changes


def asn_line(**changes: Any) -> dict[str, Any]:
    record = {
        "po_number": "P1",
        "po_line": "1",
        "item": {"scheme": "VENDOR_PART", "code": "B-1"},
        "quantity": 2,
        "uom": "CA",
        "shipped_to_date": None,
        "sscc": None,
        "lot": None,
        "expires": None,
    }
    return record | changes


def asn(*lines: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    record = {
        "event_id": uuid(),
        "supplier": "ACME",
        "shipment_id": "SH1",
        "purpose": "ORIGINAL",
        "carrier": "FAST",
        "tracking": None,
        "ship_from": "ACME",
        "ship_to": "DC01",
        "shipped_at": NOW - MINUTE,
        "estimated_arrival": NOW + DAY,
        "lines": list(lines),
        "document": "856-1",
        "correlation_id": "C3",
    }
    return record | changes


def milestone(status: str = "D1", **changes: Any) -> dict[str, Any]:
    record = {
        "event_id": uuid(),
        "carrier": "FAST",
        "shipment_id": "SH1",
        "status": status,
        "reason": None,
        "place": None,
        "occurred_at": NOW - MINUTE,
        "estimated_arrival": None,
        "document": "214-1",
        "correlation_id": "C4",
    }
    return record | changes


def po_line(**changes: Any) -> dict[str, Any]:
    record = {
        "line": "1",
        "item": {"scheme": "SKU", "code": "BOLT"},
        "quantity": 2,
        "uom": "CA",
        "requested_date": TODAY + 5,
        "tolerance_over": None,
        "tolerance_under": None,
    }
    return record | changes


def purchase_order(*lines: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    record = {
        "event_id": uuid(),
        "po_number": "P1",
        "revision": 1,
        "supplier": "ACME",
        "ship_to": "DC01",
        "ordered_at": NOW - DAY,
        "status": "OPEN",
        "lines": list(lines),
        "correlation_id": "C5",
    }
    return record | changes


def so_line(**changes: Any) -> dict[str, Any]:
    record = {
        "line": "1",
        "item": {"scheme": "GTIN", "code": GTIN},
        "location": "DC01",
        "quantity": 2,
        "uom": "CA",
        "allocated": 1,
        "requested_ship_date": TODAY + 1,
        "status": "OPEN",
    }
    return record | changes


def sales_order(*lines: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    record = {
        "event_id": uuid(),
        "order_number": "S1",
        "revision": 1,
        "channel": "webshop",
        "status": "OPEN",
        "priority": 1,
        "lines": list(lines),
        "ordered_at": NOW - DAY,
        "correlation_id": "C6",
    }
    return record | changes


def stock_snapshot(**changes: Any) -> dict[str, Any]:
    record = {
        "event_id": uuid(),
        "sku": "BOLT",
        "location": "DC01",
        "on_hand": 40,
        "disposition": "available",
        "taken_at": NOW - MINUTE,
        "source": "ERP",
        "correlation_id": "C7",
    }
    return record | changes


def reservation(action: str = "RESERVE", **changes: Any) -> dict[str, Any]:
    asks = action == "RESERVE"
    record = {
        "event_id": uuid(),
        "reservation_id": "BOLT.0001",
        "action": action,
        "channel": "webshop",
        "sku": "BOLT",
        "location": None,
        "quantity": 2 if asks else 0,
        "ttl_ms": 15 * MINUTE if asks else 0,
        "order_number": "S1" if action == "CONFIRM" else None,
        "line": None,
        "requested_at": NOW,
        "correlation_id": "basket",
    }
    return record | changes


def posting_result(outcome: str = "POSTED", **changes: Any) -> dict[str, Any]:
    record = {
        "document": "PURCHASE_ORDER:P1",
        "step": "GOODS_RECEIPT",
        "revision": 1,
        "idempotency_key": "PURCHASE_ORDER:P1/GOODS_RECEIPT/1",
        "outcome": outcome,
        "attempt": 1,
        "erp_document": "5000001",
        "reason": None,
        "answered_at": NOW - MINUTE,
        "correlation_id": "C8",
        "operation": "goods_receipt",
        "system": "ERP-EU",
        "shadow": None,
    }
    return record | changes


def heartbeat(**changes: Any) -> dict[str, Any]:
    return {"source": "WMS-DC01", "location": "DC01", "sent_at": NOW} | changes


KEYS = {
    "warehouse.scans": lambda r: r["item"]["code"],
    "supplier.acks": lambda r: r["po_number"],
    "supplier.asns": lambda r: r["shipment_id"],
    "carrier.milestones": lambda r: r["shipment_id"],
    "erp.purchase-orders": lambda r: r["po_number"],
    "erp.sales-orders": lambda r: r["order_number"],
    "erp.stock-snapshots": lambda r: f"{r['sku']}|{r['location']}",
    "reservations.requests": lambda r: r["sku"],
    "erp.posting-results": lambda r: r["document"],
    "feeds.heartbeats": lambda r: f"{r['source']}|{r['location']}",
    "erp.items": lambda r: r["sku"],
    "erp.locations": lambda r: r["location"],
    "partners.profiles": lambda r: r["partner"],
}


@dataclass(frozen=True)
class Raw:
    """A record as the consumer hands it over, or as somebody broke it."""

    value: bytes | None
    key: bytes | None = b"k"
    offset: int = 0
    timestamp: int = NOW


class Dock:
    """One task's intake with its table and reference data; BOLT at DC01 and DC02 and supplier ACME are known."""

    def __init__(self, rules: IntakeRules | None = None, *, empty: bool = False) -> None:
        self.codec = Codec()
        for number, topic in enumerate((*INBOUND, *OTHER_TOPICS), 1):
            self.codec.register(topic, number)
        self.rules = rules or IntakeRules()
        self.reference = Reference()
        self.rows: dict[bytes, bytes] = {}
        self.now = NOW
        self.offsets: dict[str, int] = defaultdict(int)
        self.intake = Intake(self.reference, self.codec.decode, self.rules)
        if not empty:
            self.reference.apply("erp.items", item())
            for name in ("DC01", "DC02"):
                self.reference.apply("erp.locations", location(name))
            self.reference.apply("partners.profiles", profile())

    def send(self, topic: str, *records: Mapping[str, Any] | Raw) -> list[Output]:
        """Send records as one chunk; return what came out."""
        chunk = []
        for record in records:
            raw = record if isinstance(record, Raw) else self.raw(topic, record)
            chunk.append(Raw(raw.value, raw.key, self.offsets[topic], raw.timestamp))
            self.offsets[topic] += 1
        return self._keep(self.intake.step(self.rows, Chunk(topic, 0, chunk), self.now))

    def raw(self, topic: str, record: Mapping[str, Any], key: bytes | None = None) -> Raw:
        return Raw(self.codec.encode(topic, record), key or KEYS[topic](record).encode())

    def learn(self, topic: str, record: Mapping[str, Any]) -> list[Output]:
        """Reference data come by the follower; what waited is taken again."""
        waiting = self.intake.waiting(self.reference.apply(topic, record))
        return self._keep(self.intake.replay(self.rows, waiting, self.now))

    def sweep(self) -> list[Output]:
        return self._keep(self.intake.sweep(self.rows, self.now))

    def restart(self) -> None:
        """A new process: nothing but the rows is left."""
        self.intake = Intake(self.reference, self.codec.decode, self.rules)
        self.intake.recover(self.rows)

    def _keep(self, outcome: Outcome) -> list[Output]:
        for key, row in outcome.rows.items():
            if row is None:
                del self.rows[key]
            else:
                self.rows[key] = row
        for topic, key, record in outcome.outputs:
            assert isinstance(key, str)
            self.codec.encode(topic, record)
        return outcome.outputs

    @property
    def parked(self) -> list[str]:
        """Coordinates of what waits."""
        return sorted(key.removeprefix(b"parked|").decode() for key in self.rows if key.startswith(b"parked|"))


def of(outputs: list[Output], topic: str) -> list[Any]:
    """Records written to one topic."""
    return [record for name, _, record in outputs if name == topic]


def categories(outputs: list[Output]) -> list[str]:
    return [record["category"] for record in of(outputs, "exceptions")]

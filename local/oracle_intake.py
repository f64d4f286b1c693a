"""The judge's intake: which journalled records count, in base units, and which are bad and why."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from local.journal import Acknowledged

DAY = 86_400_000
Document = tuple[Acknowledged, Mapping[str, Any]]


class Accepted(NamedTuple):
    """A scan that counts."""

    kind: str
    sku: str
    location: str
    to_location: str | None
    quantity: int  # base units
    disposition: str | None
    to_disposition: str | None
    reference: str
    number: str
    line: str | None
    occurred_at: int


class Refused(Exception):
    """What is wrong with a record."""


class Intake:
    """Sorts a journal by topic, partition and offset, and judges every record once."""

    def __init__(self, journal: Iterable[Acknowledged], today: int) -> None:
        self.quarantined: dict[str, str] = {}
        self.undecodable: set[str] = set()
        self.scans: list[Accepted] = []
        self.documents: dict[str, list[Mapping[str, Any]]] = defaultdict(list)  # by topic, in offset order
        self.duplicates = 0
        self.accepted = 0
        self._latest = (today + 1) * DAY  # nothing true happens after the end of the last day
        by_topic: dict[str, list[Acknowledged]] = defaultdict(list)
        for record in journal:
            by_topic[record.topic].append(record)
        for records in by_topic.values():
            records.sort(key=lambda record: (record.partition, record.offset))
        self.items = self._items(by_topic.pop("erp.items", []))
        self.locations = _newest(by_topic.pop("erp.locations", []))
        self.profiles = _newest(by_topic.pop("partners.profiles", []))
        self._skus = {
            (identifier["scheme"], identifier["code"], identifier["party"]): sku
            for sku, item in self.items.items()
            for identifier in item["identifiers"]
        }
        seen: set[str] = set()
        for topic in sorted(by_topic):
            for record in by_topic[topic]:
                self._judge(record, seen)

    def _items(self, records: Iterable[Acknowledged]) -> dict[str, Mapping[str, Any]]:
        """The last record of each item holds, but for those with another base unit than the item was first given."""
        items: dict[str, Mapping[str, Any]] = {}
        for record in records:
            value, sku = record.value, str(record.key)
            if isinstance(value, bytes):
                continue
            if sku in items and items[sku]["base_uom"] != value["base_uom"]:
                self.quarantined[record.coordinate] = "another base unit"
                continue
            items[sku] = value
        return items

    def _judge(self, record: Acknowledged, seen: set[str]) -> None:
        value = record.value
        if isinstance(value, bytes):
            self.undecodable.add(record.coordinate)
            return
        if record.key is None:
            self.quarantined[record.coordinate] = "null key"
            return
        event = value.get("event_id")
        if event is not None and event in seen:
            self.duplicates += 1
            return
        try:
            if record.topic == "warehouse.scans":
                self.scans.append(self._scan(value))
            else:
                self.documents[record.topic].append(value)
        except Refused as reason:
            self.quarantined[record.coordinate] = str(reason)
            return
        self.accepted += 1
        if event is not None:
            seen.add(event)

    def _scan(self, scan: Mapping[str, Any]) -> Accepted:
        kind, quantity, corrects = scan["scan_type"], scan["quantity"], scan["corrects"]
        if kind == "COUNT":
            valid = quantity >= 0
        elif kind == "ADJUST" or corrects is not None:
            valid = quantity != 0
        else:
            valid = quantity > 0
        if not valid:
            raise Refused("quantity")
        if kind == "COUNT" and scan["lot"]:
            raise Refused("a count of one lot")
        if scan["occurred_at"] >= self._latest:
            raise Refused("future")
        for location in (scan["location"], scan["to_location"]):
            if location is not None and location not in self.locations:
                raise Refused("location")
            if location is not None and not self.locations[location]["active"]:
                raise Refused("closed")
        sku = self.sku(scan["item"], None)
        reference = scan["reference"]
        return Accepted(
            kind=kind,
            sku=sku,
            location=scan["location"],
            to_location=scan["to_location"],
            quantity=self.base(sku, quantity, scan["uom"]),
            disposition=scan["disposition"],
            to_disposition=scan["to_disposition"],
            reference=reference["kind"],
            number=reference["number"],
            line=reference["line"],
            occurred_at=scan["occurred_at"],
        )

    def sku(self, item: Mapping[str, str], party: str | None) -> str:
        """The SKU of an item code; vendor parts are known by supplier."""
        if item["scheme"] == "SKU" and item["code"] in self.items:
            return item["code"]
        for owner in (party, None):
            found = self._skus.get((item["scheme"], item["code"], owner))
            if found is not None:
                return found
        raise Refused("item")

    def base(self, sku: str, quantity: int, uom: str) -> int:
        """Base units of a quantity in a unit the item knows."""
        item = self.items[sku]
        if uom == item["base_uom"]:
            return quantity
        for pack in item["packs"]:
            if pack["uom"] == uom:
                return quantity * int(pack["factor"])
        raise Refused("unit")


def _newest(records: Iterable[Acknowledged]) -> dict[str, Mapping[str, Any]]:
    """Reference data: the last record of each key holds."""
    return {str(record.key): record.value for record in records if not isinstance(record.value, bytes)}

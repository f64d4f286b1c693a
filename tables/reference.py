"""The cross-reference in memory: items by scheme, code and party, locations by party and code, partner profiles.

Updated record by record, shared by all tasks of a worker. Codes claimed by two items resolve to neither, so the order of
records never matters. An invalid record, or one under another's key, leaves what was known as it is; intake raises the
exception about it. Once the topic is compacted, a worker that starts finds only the invalid one: what needs it then waits
until it is mended, so that either way nothing is counted by it.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from schemas.codec import Undecodable
from schemas.records import PartnerProfile
from tables.item_codes import BadCode, normal_code
from tables.reference_checks import trouble, unit_change
from tables.refusal import Refused
from tables.units import Ratio, canonical, ratios

ITEMS, LOCATIONS, PARTNERS = "erp.items", "erp.locations", "partners.profiles"
_NAMES: Final = {ITEMS: "sku", LOCATIONS: "location", PARTNERS: "partner"}
OWN_SCHEMES: Final = ("SKU", "BUYER_PART")
"""Schemes whose code is our own number when no identifier says otherwise."""


class KnownItem:
    """One item as intake needs it."""

    __slots__ = ("active", "packs", "record", "sku", "units")

    def __init__(self, record: Mapping[str, Any]) -> None:
        self.record = record
        self.sku: str = record["sku"]
        self.active: bool = record["active"]
        self.packs = bool(record["packs"])
        self.units = ratios(record["base_uom"], ((pack["uom"], pack["factor"]) for pack in record["packs"]))


class KnownLocation:
    """One location: its own code and whether it is open."""

    __slots__ = ("active", "code", "record")

    def __init__(self, record: Mapping[str, Any]) -> None:
        self.record = record
        self.code: str = record["location"]
        self.active: bool = record["active"]


class Reference:
    """Everything intake can look up. `generation` moves with each change: caches built on it are then stale."""

    def __init__(self) -> None:
        self.generation = 0
        self.items: dict[str, KnownItem] = {}
        self.locations: dict[str, KnownLocation] = {}
        self.partners: dict[str, PartnerProfile] = {}
        self._by_party: dict[tuple[str, str, str | None], set[str]] = defaultdict(set)
        self._by_code: dict[tuple[str, str], set[tuple[str, str | None]]] = defaultdict(set)
        self._places: dict[tuple[str, str], set[str]] = defaultdict(set)
        self._place_codes: dict[str, set[tuple[str, str]]] = defaultdict(set)  # code → party and location

    # ---- following ----------------------------------------------------------------------------------------------

    def apply(self, topic: str, record: Mapping[str, Any] | None, key: str | None = None) -> set[str]:
        """Take one record of a reference topic (None deletes `key`); return the wait keys it may settle.

        A record whose key is not its own name is ignored: in another partition, it could come before or after the right
        one. Without `key`, its name is its key.
        """
        name = key if record is None else record[_NAMES[topic]]
        if name is None or (record is not None and (key not in {None, name} or trouble(topic, record) is not None)):
            return set()
        if topic == ITEMS:
            return set() if record is not None and self.unit_change(record) else self._apply_item(name, record)
        return self._apply_location(name, record) if topic == LOCATIONS else self._apply_partner(name, record)

    def apply_encoded(
        self, topic: str, value: bytes | None, decode: Callable[[str, bytes], Any], key: bytes | None = None
    ) -> set[str]:
        """Take one record as it stands in the log; one that cannot be read changes nothing, intake dead-letters it."""
        name = (key or b"").decode("utf-8", "replace")
        try:
            return self.apply(topic, None if value is None else decode(topic, value), name)
        except Undecodable:
            return set()

    def unit_change(self, record: Mapping[str, Any]) -> Refused | None:
        """What is wrong with an item whose base unit is not the one it is known by, or None: stock, orders and postings
        are in the known one, and nothing converts them.
        """
        known = self.items.get(record["sku"])
        return None if known is None else unit_change(known.record, record)

    def _apply_item(self, sku: str, record: Mapping[str, Any] | None) -> set[str]:
        old = self.items.pop(sku, None)
        changed: set[str] = set()
        if old is not None:
            if old.record == record:
                self.items[sku] = old
                return changed
            self.generation += 1
            for scheme, code, party in _identifiers(old.record):
                self._by_party[scheme, code, party].discard(sku)
                self._by_code[scheme, code].discard((sku, party))
                changed.add(f"item|{scheme}|{code}")  # a code that two claimed may be clear now
        if record is None:
            return changed
        self.generation += 1
        new = self.items[sku] = KnownItem(record)
        for scheme, code, party in _identifiers(record):
            self._by_party[scheme, code, party].add(sku)
            self._by_code[scheme, code].add((sku, party))
            changed.add(f"item|{scheme}|{code}")
        changed.update(f"item|{scheme}|{sku}" for scheme in OWN_SCHEMES)
        changed.update(f"uom|{sku}|{code}" for code in new.units)
        return changed

    def _apply_location(self, location: str, record: Mapping[str, Any] | None) -> set[str]:
        old = self.locations.pop(location, None)
        if old is not None:
            if old.record == record:
                self.locations[location] = old
                return set()
            self.generation += 1
            for name in old.record["codes"]:
                self._places[name["party"], name["code"]].discard(location)
                self._place_codes[name["code"]].discard((name["party"], location))
        if record is None:
            return set()
        self.generation += 1
        self.locations[location] = KnownLocation(record)
        for name in record["codes"]:
            self._places[name["party"], name["code"]].add(location)
            self._place_codes[name["code"]].add((name["party"], location))
        return {f"location|{location}", *(f"location|{name['code']}" for name in record["codes"])}

    def _apply_partner(self, partner: str, record: Mapping[str, Any] | None) -> set[str]:
        if self.partners.get(partner) == record:
            return set()
        self.generation += 1
        if record is None:
            del self.partners[partner]
            return set()
        self.partners[partner] = record  # type: ignore[assignment]
        return {f"partner|{partner}"}

    # ---- looking up ---------------------------------------------------------------------------------------------

    def item(self, scheme: str, code: str, party: str | None) -> KnownItem:
        """The item of a code; a party's own code comes before everybody's. Raise Refused.

        Without a party (a scan) a code that parties gave is taken when all of them mean one item.
        """
        try:
            known = normal_code(scheme, code)
        except BadCode as error:
            raise Refused("INVALID_CODE", ("item", f"{scheme}:{code}"), str(error)) from None
        found = self._find(scheme, known, party)
        if len(found) == 1:
            return self.items[next(iter(found))]
        what = f"is claimed by items {', '.join(sorted(found))}" if found else "belongs to no item"
        of = f" of {party}" if party else ""
        raise Refused(
            "UNKNOWN_ITEM",
            ("item", f"{scheme}:{code}"),
            f"{scheme} {code}{of} {what}",
            waits=[f"item|{scheme}|{known}"],
        )

    def _find(self, scheme: str, code: str, party: str | None) -> set[str]:
        if scheme == "SKU" and code in self.items:
            return {code}
        for owner in (party, None):
            if found := self._by_party.get((scheme, code, owner)):
                return found
        if party is None and (claims := self._by_code.get((scheme, code))):
            return {sku for sku, _ in claims}
        return {code} if scheme in OWN_SCHEMES and code in self.items else set()

    def unit(self, item: KnownItem, uom: str) -> Ratio:
        """Base units in one of this unit of the item; raise Refused for a unit the item does not know."""
        code = canonical(uom)
        ratio = item.units.get(code)
        if ratio is None:
            known = ", ".join(sorted(item.units))
            raise Refused(
                "UNKNOWN_UOM",
                ("item", item.sku),
                f"{item.sku} has no unit {uom!r}; it knows {known}",
                waits=[f"uom|{item.sku}|{code}"],
            )
        return ratio

    def location(self, code: str, party: str | None) -> KnownLocation:
        """The location of a code; a party's own code comes before ours. Raise Refused."""
        found = self._places.get((party, code)) if party is not None else None
        if found and len(found) == 1:
            return self.locations[next(iter(found))]
        known = None if found else self.locations.get(code)
        if known is None:
            what = f"is claimed by locations {', '.join(sorted(found))}" if found else "is unknown"
            raise Refused(
                "UNKNOWN_LOCATION",
                ("location", code),
                f"location {code!r} named by {party or 'a record'} {what}",
                waits=[f"location|{code}"],
            )
        return known

    def partner(self, partner: str, document: str) -> PartnerProfile:
        """A partner's profile; raise Refused."""
        profile = self.partners.get(partner)
        if profile is None:
            raise Refused(
                "UNKNOWN_PARTNER",
                ("partner", partner),
                f"{document} is from {partner!r}, who has no profile",
                waits=[f"partner|{partner}"],
                partner=partner,
            )
        return profile

    def knows(self, wait: str) -> bool:
        """Whether what a parked record waits for is there now."""
        kind, _, name = wait.partition("|")
        if kind == "partner":
            return name in self.partners
        if kind == "location":
            return name in self.locations or bool(self._place_codes.get(name))
        first, _, second = name.partition("|")
        if kind == "uom":
            return first in self.items and second in self.items[first].units
        return bool(self._by_code.get((first, second))) or (first in OWN_SCHEMES and second in self.items)


def _identifiers(record: Mapping[str, Any]) -> Iterator[tuple[str, str, str | None]]:
    for name in record["identifiers"]:
        yield name["scheme"], normal_code(name["scheme"], name["code"]), name["party"]

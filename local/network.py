"""The demo's static world, made from a seed: warehouses, items with packs and identifiers, suppliers, carriers, channels.

It only says what exists; `local/simulator.py` makes it live. The same seed gives the same world, record for record.
"""

import random
from dataclasses import dataclass

from schemas.records import Identifier, Item, Location, PartnerProfile, SafetyStock

HOUR = 3_600_000
DAY = 24 * HOUR
FIRST_MONDAY = 20_458 * DAY  # 2026-01-05
WAREHOUSES = ("DC01", "DC02", "DC03", "DC04")
CLOSED_WAREHOUSE = "DC00"
CHANNELS = ("webshop", "marketplace")
SEGMENTS = (("A", 0.20, 3.0), ("B", 0.30, 0.8), ("C", 0.50, 0.2))  # name, share of items, relative demand


@dataclass(frozen=True, slots=True)
class Product:
    """One SKU as the simulator handles it; `item` is the reference record it is published with."""

    sku: str
    gtin: str
    vendor_part: str
    supplier: str
    segment: str
    weight: float  # relative demand
    case: int  # base units in a case (CA)
    pallet: int  # base units in a pallet (PL)
    locations: tuple[str, ...]  # where it is stocked
    item: Item


@dataclass(frozen=True, slots=True)
class Network:
    seed: int
    start: int  # ms: 06:00 UTC on the first simulated day
    products: tuple[Product, ...]
    suppliers: tuple[str, ...]
    carriers: tuple[str, ...]
    locations: tuple[Location, ...]
    profiles: tuple[PartnerProfile, ...]


def gtin13(stem: int) -> str:
    """Return the GTIN-13 of a 12-digit stem; the check digit is GS1's modulo 10 with weights 1 and 3."""
    digits = f"{stem:012d}"
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits))
    return f"{digits}{-total % 10}"


def opening(seed: int) -> int:
    """The first simulated moment, ms: 06:00 UTC on a Monday of 2026 chosen by the seed."""
    return FIRST_MONDAY + 6 * HOUR + (seed % 26) * 7 * DAY


def build_network(seed: int, skus: int = 500, suppliers: int = 30, carriers: int = 5) -> Network:
    """Make the world of a seed."""
    rng = random.Random(f"network-{seed}")
    supplier_names = tuple(f"SUP{n:02d}" for n in range(1, suppliers + 1))
    carrier_names = tuple(f"CAR{n:d}" for n in range(1, carriers + 1))
    segments = [name for name, share, _ in SEGMENTS for _ in range(max(1, round(share * skus)))][:skus]
    segments += ["C"] * (skus - len(segments))
    rng.shuffle(segments)
    return Network(
        seed=seed,
        start=opening(seed),
        products=tuple(_product(rng, n, segment, supplier_names) for n, segment in enumerate(segments, 1)),
        suppliers=supplier_names,
        carriers=carrier_names,
        locations=(
            *(_location(name, n) for n, name in enumerate(WAREHOUSES)),
            _location(CLOSED_WAREHOUSE, 99, active=False),
        ),
        profiles=(
            *(_profile(rng, name, "SUPPLIER", "partner-desk") for name in supplier_names),
            *(_profile(rng, name, "CARRIER", "transport") for name in carrier_names),
            *(_profile(rng, name, "CHANNEL", "commerce") for name in CHANNELS),
        ),
    )


def _product(rng: random.Random, number: int, segment: str, suppliers: tuple[str, ...]) -> Product:
    sku, gtin = f"SKU-{number:04d}", gtin13(401_234_000_000 + number)
    supplier = suppliers[number % len(suppliers)]
    vendor_part = f"{supplier}-P{number * 7:05d}"
    case = rng.choice((6, 10, 12, 24))
    pallet = case * rng.choice((20, 40, 48))
    stocked = {"A": 4, "B": rng.randint(2, 4), "C": rng.randint(1, 2)}[segment]
    locations = tuple(sorted(rng.sample(WAREHOUSES, stocked)))
    default = {"A": 20, "B": 8, "C": 2}[segment]
    safety: list[SafetyStock] = [{"location": None, "quantity": default}]
    if rng.random() < 0.3:
        safety.append({"location": rng.choice(locations), "quantity": default * 2})
    identifiers: list[Identifier] = [
        {"scheme": "GTIN", "code": gtin, "party": None},
        {"scheme": "VENDOR_PART", "code": vendor_part, "party": supplier},
    ]
    item: Item = {
        "sku": sku,
        "description": f"{rng.choice(('Valve', 'Bearing', 'Filter', 'Seal', 'Pump', 'Gasket', 'Relay'))} {number}",
        "base_uom": "EA",
        "packs": [{"uom": "CA", "factor": case}, {"uom": "PL", "factor": pallet}],
        "identifiers": identifiers,
        "segment": segment,
        "safety_stock": safety,
        "shelf_life_days": None,
        "active": True,
    }
    weight = {name: weight for name, _, weight in SEGMENTS}[segment] * rng.uniform(0.6, 1.4)
    return Product(sku, gtin, vendor_part, supplier, segment, weight, case, pallet, locations, item)


def _location(name: str, priority: int, *, active: bool = True) -> Location:
    return {
        "location": name,
        "kind": "WAREHOUSE",
        "time_zone": "UTC",
        "calendar": "MON-SUN",
        "priority": priority,
        "codes": [],
        "active": active,
    }


def _profile(rng: random.Random, name: str, kind: str, owner: str) -> PartnerProfile:
    return {
        "partner": name,
        "kind": kind,  # type: ignore[typeddict-item]
        "name": f"{kind.title()} {name}",
        "owner": owner,
        "ship_days": rng.randint(1, 3),
        "overdue_fence_days": rng.choice((1, 2, 5)),
        "overdue_offset_days": rng.randint(0, 2),
        "backorder_in_ack": False,
        "active": True,
    }

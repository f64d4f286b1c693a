"""The demo's judge: every position, supply line and promise from a straight fold of what the producers logged.

Written apart from the product on purpose: it imports nothing of `tables` or `streams` (a contract in pyproject.toml
holds that) and does everything in the plainest way: sort, then loop. Quantities in base units, dates in days, times
in ms. The rules it follows are those of `docs/path.md`.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from local.journal import Acknowledged
from local.oracle_demand import allocations
from local.oracle_intake import Accepted, Intake
from local.oracle_postings import Books, books
from local.oracle_supply import expectations

DAY = 86_400_000
COUNTED = ("ORDERED", "ACKNOWLEDGED", "IN_TRANSIT", "TRANSFER")
TRANSFER_DAYS, TRANSFER_FENCE, TRANSFER_OFFSET = 2, 7, 1


@dataclass(slots=True)
class Answer:
    """What must be true when everything is processed."""

    positions: dict[str, dict[str, Any]] = field(default_factory=dict)  # by `sku|location`
    quarantined: dict[str, str] = field(default_factory=dict)  # coordinate of a bad record: what is wrong with it
    undecodable: set[str] = field(default_factory=set)  # coordinates of what is not a record at all
    safety_stock: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # by SKU, as in erp.items
    segment: dict[str, str] = field(default_factory=dict)
    duplicates: int = 0
    accepted: int = 0
    books: Books = field(default_factory=Books)


def judge(journal: Iterable[Acknowledged], today: int) -> Answer:
    """Fold a journal; `today` is the date (days since the epoch) at which promises are made."""
    intake = Intake(journal, today)
    positions: dict[str, dict[str, Any]] = defaultdict(_position)
    _stock(intake, positions)
    for key, parts in expectations(intake).items():
        positions[key]["parts"] += parts
    for key, parts in _transfers(intake).items():
        positions[key]["parts"] += parts
    for key, demand in allocations(intake).items():
        positions[key]["demand"] += demand
    answer = Answer(
        quarantined=intake.quarantined,
        undecodable=intake.undecodable,
        safety_stock={sku: item["safety_stock"] for sku, item in intake.items.items()},
        segment={sku: item["segment"] for sku, item in intake.items.items()},
        duplicates=intake.duplicates,
        accepted=intake.accepted,
    )
    for key, position in positions.items():
        answer.positions[key] = promise(position, safety_stock(answer.safety_stock, key), today)
    answer.books = books(intake, {key: position["on_hand"] for key, position in answer.positions.items()})
    return answer


def _position() -> dict[str, Any]:
    return {"disposition": {}, "parts": [], "demand": []}


# ---- stock --------------------------------------------------------------------------------------------------------


def movements(scan: Accepted) -> list[tuple[str, str, int]]:
    """What one scan moves: location, disposition, signed quantity. Counts are not movements."""
    kind, here, q = scan.kind, scan.location, scan.quantity
    given, to = scan.disposition, scan.to_disposition
    if kind in {"RECEIPT", "TRANSFER_IN", "ADJUST"}:
        return [(here, given or "available", q)]
    if kind == "RETURN":
        return [(here, given or "returned", q)]
    if kind in {"SHIP", "TRANSFER_OUT"}:
        return [(here, given or "available", -q)]
    if kind == "HOLD":
        return [(here, "available", -q), (here, to or "quality_hold", q)]
    if kind == "RELEASE":
        return [(here, given or "quality_hold", -q), (here, to or "available", q)]
    if kind == "PUTAWAY" and to is not None:
        return [(here, given or "available", -q), (here, to, q)]
    return []


def _stock(intake: Intake, positions: dict[str, dict[str, Any]]) -> None:
    """On-hand by disposition: the newest count, and the movements that happened after it."""
    counts: dict[tuple[str, str], tuple[int, int]] = {}
    for scan in intake.scans:
        if scan.kind == "COUNT":
            place = (f"{scan.sku}|{scan.location}", scan.disposition or "available")
            if place not in counts or scan.occurred_at >= counts[place][0]:
                counts[place] = (scan.occurred_at, scan.quantity)
    for (key, disposition), (_, quantity) in counts.items():
        positions[key]["disposition"][disposition] = quantity
    for scan in intake.scans:
        for location, disposition, quantity in movements(scan):
            key = f"{scan.sku}|{location}"
            on_hand = positions[key]["disposition"]
            counted = counts.get((key, disposition))
            if counted is None or scan.occurred_at > counted[0]:
                on_hand[disposition] = on_hand.get(disposition, 0) + quantity


def _transfers(intake: Intake) -> dict[str, list[dict[str, Any]]]:
    """What is on the way between warehouses, by transfer. Only sellable goods will be for sale when they arrive.

    What arrives in another state than it left in is taken off the rest of its transfer.
    """
    left: dict[tuple[str, str], dict[bool, int]] = defaultdict(lambda: {True: 0, False: 0})
    date: dict[tuple[str, str], int] = {}
    for scan in intake.scans:
        if scan.kind == "TRANSFER_OUT":
            place = (f"{scan.sku}|{scan.to_location}", scan.number)
            left[place][scan.disposition in (None, "available")] += scan.quantity
            day = scan.occurred_at // DAY + TRANSFER_DAYS
            date[place] = min(date.get(place, day), day)
        elif scan.kind == "TRANSFER_IN" and scan.reference == "TRANSFER":
            place = (f"{scan.sku}|{scan.location}", scan.number)
            left[place][scan.disposition in (None, "available")] -= scan.quantity
    parts: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for (key, number), by_state in left.items():
        surplus = -sum(quantity for quantity in by_state.values() if quantity < 0)
        for sellable, quantity in by_state.items():
            if quantity <= surplus:
                continue
            parts[key].append(
                {
                    "po_number": number,
                    "line": "",
                    "shipment": None,
                    "quantity": quantity - surplus,
                    "date": date[key, number],
                    "state": "TRANSFER" if sellable else "TRANSFER_UNSELLABLE",
                    "fence": TRANSFER_FENCE,
                    "offset": TRANSFER_OFFSET,
                }
            )
    return parts


# ---- the promise --------------------------------------------------------------------------------------------------


def safety_stock(rules: Mapping[str, list[dict[str, Any]]], key: str) -> int:
    """The location's own safety stock, else the one for every location, else none."""
    sku, _, location = key.rpartition("|")
    by_location = {rule["location"]: int(rule["quantity"]) for rule in rules.get(sku, [])}
    return by_location.get(location, by_location.get(None, 0))


def promise(position: Mapping[str, Any], safety: int, today: int) -> dict[str, Any]:
    """The published answer for one position, from its stock, what is expected and what is promised away."""
    parts = sorted(
        position["parts"], key=lambda p: (p["date"], p["po_number"], p["line"], p["shipment"] or "", p["state"])
    )
    change: dict[int, int] = defaultdict(int)
    placed: list[int] = []
    for part in parts:
        if part["state"] not in COUNTED:
            continue
        day = part["date"]
        if day < today:
            if today - day > part["fence"]:
                continue
            day = today + part["offset"]
        change[day] += part["quantity"]
        placed.append(day)
    for date, quantity in position["demand"]:
        change[max(today, today if date is None else date)] -= quantity
    days = sorted({today, *change})
    balance, balances = position["disposition"].get("available", 0), []
    for day in days:
        balance += change.get(day, 0)
        balances.append(balance)
    ahead = [min(balances[i:]) for i in range(len(balances))]
    atp = value = max(0, ahead[0] - safety)
    schedule = []
    for day, figure in zip(days[1:], ahead[1:], strict=True):
        later = max(0, figure - safety)
        if later != value:
            schedule.append({"date": day, "atp": later})
            value = later
    return {
        "on_hand": sum(position["disposition"].values()),
        "disposition": {name: quantity for name, quantity in position["disposition"].items() if quantity},
        "allocated": sum(quantity for _, quantity in position["demand"]),
        "safety_stock": safety,
        "expected": [
            {
                "po_number": part["po_number"],
                "line": part["line"],
                "shipment": part["shipment"],
                "quantity": part["quantity"],
                "date": part["date"],
                "state": part["state"],
                "overdue": part["date"] < today,
            }
            for part in parts
        ],
        "atp": atp,
        "atp_signed": ahead[0],
        "schedule": schedule,
        "next_receipt": min(placed, default=None),
    }

"""What a sales order still holds, and what was scanned beyond it. Pure derivation from the facts of one order."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from tables.conditions import Found
from tables.ledger_entry import Told
from tables.order import OrderFacts, Row


class Scanned(NamedTuple):
    """One kind of scan handed to the order's lines."""

    by_line: dict[str, int]
    strays: dict[str, int]
    """Scanned on lines the order does not have, by line, or by SKU where no line was named."""


def spread(order: OrderFacts | None, sums: Mapping[str, int]) -> Scanned:
    """Scans that name a line go to it; the others fill lines of their SKU (and location, where the line has one) in
    order up to what is allocated, the surplus to the last.
    """
    lines = order["lines"] if order else []
    by_line: dict[str, int] = {line[0]: 0 for line in lines}
    strays: dict[str, int] = {}
    loose: list[tuple[str, str, int]] = []
    for place, quantity in sums.items():
        sku, location, name = place.split("|", 2)
        if name in by_line:
            by_line[name] += quantity
        elif name:
            strays[name] = strays.get(name, 0) + quantity
        else:
            loose.append((sku, location, quantity))
    loose.sort()
    for sku, location, quantity in loose:
        takers = [line for line in lines if line[1] == sku and line[2] in (None, location)]
        if not takers:
            strays[sku] = strays.get(sku, 0) + quantity
            continue
        left = quantity
        for line in takers[:-1]:
            taken = max(0, min(line[3] - by_line[line[0]], left))
            by_line[line[0]] += taken
            left -= taken
        by_line[takers[-1][0]] += left
    return Scanned(by_line, strays)


def claims(row: Row, shipped: Scanned) -> Told:
    """What the order holds by `sku|location`: of open lines, the allocated quantity that has not shipped."""
    found: Told = {}
    order = row["order"]
    if order is not None and order["status"] == "OPEN":
        for name, sku, location, allocated, date, status in order["lines"]:
            held = min(allocated, allocated - shipped.by_line[name])
            if held > 0 and status == "OPEN" and location is not None:
                part = [name, None, held, date, "ALLOCATED"]
                found.setdefault(f"{sku}|{location}", [0, 0, 0, []])[3].append(part)
    settled: dict[str, int] = {}
    for place, quantity in row["shipped"].items():
        key = place[: place.index("|", place.index("|") + 1)]
        settled[key] = settled.get(key, 0) + quantity
    for key, quantity in settled.items():
        if quantity > 0:
            found.setdefault(key, [0, 0, 0, []])[0] = quantity
    return found


def conditions(row: Row, order_number: str, shipped: Scanned) -> Found:
    """Every condition of the order that holds now."""
    found: Found = {}
    order = row["order"]
    if order is None:
        if row["picked"] or row["packed"] or row["shipped"]:
            found["UNKNOWN_SALES_ORDER", "SALES_ORDER", order_number] = f"Sales order {order_number} is not known here."
        return found
    picked = spread(order, row["picked"])
    for name, _, location, allocated, _, status in order["lines"]:
        cancelled = "CANCELLED" in (status, order["status"])
        allowed = 0 if cancelled else allocated
        gone, taken = shipped.by_line[name], picked.by_line[name]
        if gone > allowed:
            _found(found, "SHIP_WITHOUT_ALLOCATION", order_number, name, f"{gone} shipped, {allowed} allocated.")
        if taken > max(allowed, gone):
            _found(found, "PICK_BEYOND_ALLOCATION", order_number, name, f"{taken} picked, {allowed} allocated.")
        if location is None and allowed > max(0, gone) and status == order["status"] == "OPEN":
            message = f"{allowed - gone} allocated at no location: nothing is held for it."
            _found(found, "ALLOCATION_WITHOUT_LOCATION", order_number, name, message)
    for name, quantity in shipped.strays.items():
        if quantity > 0:
            message = f"{quantity} shipped that the order does not list there."
            _found(found, "SHIP_WITHOUT_ALLOCATION", order_number, name, message)
    for name, quantity in picked.strays.items():
        if quantity > max(0, shipped.strays.get(name, 0)):
            message = f"{quantity} picked that the order does not list there."
            _found(found, "PICK_BEYOND_ALLOCATION", order_number, name, message)
    return found


def _found(found: dict[tuple[str, str, str], Any], category: str, order_number: str, name: str, message: str) -> None:
    found[category, "SALES_ORDER_LINE", f"{order_number}/{name}"] = f"Line {name}: {message}"

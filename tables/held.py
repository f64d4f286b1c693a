"""What a sales order still holds, and what was scanned beyond it. Pure derivation from the facts of one order."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from tables.conditions import Found
from tables.inspection import add, group_of
from tables.ledger_entry import Told
from tables.order import OrderFacts, Row


class Scanned(NamedTuple):
    """One kind of scan handed to the order's lines."""

    by_line: dict[str, int]
    strays: dict[str, int]
    """Scanned on lines the order does not have, by line, or by SKU where no line was named."""
    places: dict[str, int]
    """The same by `sku|location|disposition|line`, the line empty for strays."""


def spread(order: OrderFacts | None, sums: Mapping[str, int]) -> Scanned:
    """Scans that name a line go to it; the others fill lines of their SKU (and location, where the line has one) in
    order up to what is allocated, the surplus to the last.
    """
    lines = order["lines"] if order else []
    by_line: dict[str, int] = {line[0]: 0 for line in lines}
    strays: dict[str, int] = {}
    places: dict[str, int] = {}
    loose: list[tuple[list[str], int]] = []
    for place, quantity in sums.items():
        name = place.split("|", 3)[3]
        if name in by_line:
            by_line[name] += quantity
            add(places, place, quantity)
        elif name:
            strays[name] = strays.get(name, 0) + quantity
            add(places, place.removesuffix(name), quantity)
        else:
            loose.append((place.split("|"), quantity))
    for where, quantity in sorted(loose):
        place, (sku, location, _, _) = "|".join(where), where
        takers = [line for line in lines if line[1] == sku and line[2] in (None, location)]
        if not takers:
            strays[sku] = strays.get(sku, 0) + quantity
            add(places, place, quantity)
        left = quantity
        for line in takers:
            taken = left if line is takers[-1] else max(0, min(line[3] - by_line[line[0]], left))
            by_line[line[0]] += taken
            left -= taken
            add(places, place + line[0], taken)
    return Scanned(by_line, strays, places)


def claims(row: Row, shipped: Scanned) -> Told:
    """What the order holds by `sku|location`: of open lines, the allocated quantity that has not shipped, and beside
    it what of the ordered quantity is not allocated. Until the order is known, what channels had reserved for it.
    """
    found: Told = {}
    order = row["order"]
    if order is None:
        _reserved(row, found)
    elif order["status"] == "OPEN":
        for name, sku, location, allocated, date, status, ordered in order["lines"]:
            if status != "OPEN" or location is None:
                continue
            gone = shipped.by_line[name]
            for held, state in (
                (min(allocated, allocated - gone), "ALLOCATED"),
                (ordered - max(allocated, gone), "BACKORDERED"),
            ):
                if held > 0:
                    found.setdefault(f"{sku}|{location}", [0, 0, 0, []])[3].append([name, None, held, date, state])
    settled: dict[str, int] = {}
    for place, quantity in row["shipped"].items():
        key = group_of(place)
        settled[key] = settled.get(key, 0) + quantity
    for key, quantity in settled.items():
        if quantity > 0:
            found.setdefault(key, [0, 0, 0, []])[0] = quantity
    return found


def taken_over(row: Row) -> dict[str, list[str]] | None:
    """The confirmed reservations that the claims of an order not known yet contain, by `sku|location`; else None."""
    if row["order"] is not None:
        return None
    found: dict[str, list[str]] = {}
    for name, (sku, location, _, _) in sorted(row["reserved"].items()):
        found.setdefault(f"{sku}|{location}", []).append(name.removesuffix(f"|{location}"))
    return found


def _reserved(row: Row, found: Told) -> None:
    """Less what has shipped already, in order of reservation."""
    gone: dict[str, int] = {}
    for place, quantity in row["shipped"].items():
        gone[group_of(place)] = gone.get(group_of(place), 0) + quantity
    for _, (sku, location, line, quantity) in sorted(row["reserved"].items()):
        key = f"{sku}|{location}"
        held = quantity - max(0, min(quantity, gone.get(key, 0)))
        gone[key] = gone.get(key, 0) - (quantity - held)
        if held > 0:
            found.setdefault(key, [0, 0, 0, []])[3].append([line, None, held, None, "RESERVED"])


def conditions(row: Row, order_number: str, shipped: Scanned) -> Found:
    """Every condition of the order that holds now."""
    found: Found = {}
    order = row["order"]
    if order is None:
        if any(row[fact] for fact in ("picked", "packed", "shipped", "returned", "moved", "reserved")):
            found["UNKNOWN_SALES_ORDER", "SALES_ORDER", order_number] = f"Sales order {order_number} is not known here."
        return found
    picked = spread(order, row["picked"])
    for name, _, location, allocated, _, status, _ in order["lines"]:
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

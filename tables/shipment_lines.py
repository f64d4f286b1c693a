"""Which line of a ship notice a receipt against the shipment fills. Pure: the same receipts, the same answer."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from schemas.records import SELLABLE
from tables.inspection import inspected


class Attribution(NamedTuple):
    """Receipts handed to lines."""

    credit: list[int]
    """Received by line of the notice, in its order; empty when nothing was received or no notice came."""
    booked: dict[tuple[str, str, str], int]
    """The same for the ledger, by `sku|location|disposition`, PO number and line; both empty where none is known."""
    strays: dict[str, int]
    """Received by SKU that the notice does not list."""


NOTHING = Attribution([], {}, {})


def attribute(notice: Mapping[str, Any] | None, received: Mapping[str, int], only: str | None = None) -> Attribution:
    """Fill the lines of each SKU in the notice's order up to their quantity, the surplus to the last.

    SKUs have nothing to do with each other: with `only`, what is said of the others is left out. What was received
    elsewhere than where the shipment was sent counts for its line too, but its stock does not name the purchase order:
    that expects nothing there.
    """
    if only is not None:
        prefix = f"{only}|"
        received = {place: quantity for place, quantity in received.items() if place.startswith(prefix)}
    if not received:
        return NOTHING
    lines = notice["lines"] if notice else []
    ship_to = notice["ship_to"] if notice else ""
    credit = [0] * len(lines)
    booked: dict[tuple[str, str, str], int] = {}
    strays: dict[str, int] = {}
    by_sku = _by_sku(lines)
    for place, quantity in sorted(received.items()):
        sku, location, _ = place.split("|")
        takers = by_sku.get(sku)
        if not takers:
            booked[place, "", ""] = quantity
            if notice:
                strays[sku] = strays.get(sku, 0) + quantity
            continue
        left = quantity
        for number in takers:
            room = lines[number][3] - credit[number]
            taken = left if number == takers[-1] else max(0, min(room, left))
            if not taken:
                continue
            left -= taken
            credit[number] += taken
            po_number, line, _, _ = lines[number] if location == ship_to else ("", "", sku, 0)
            booking = (place, po_number, line)
            booked[booking] = booked.get(booking, 0) + taken
    return Attribution(credit, booked, strays)


def held(notice: Mapping[str, Any], received: Mapping[str, int], moved: Mapping[str, int]) -> list[dict[str, int]]:
    """By line, what of its receipts is not sellable where the shipment was sent, after inspection; empty: nothing is.

    By disposition, or `location|disposition` for what was unloaded elsewhere.
    """
    usual = f"|{notice['ship_to']}|{SELLABLE}"
    if not moved and all(place.endswith(usual) for place in received):
        return []
    places, _ = inspected({f"{place}|": quantity for place, quantity in received.items()}, moved)
    lines = notice["lines"]
    room = [line[3] for line in lines]
    found: list[dict[str, int]] = [{} for _ in lines]
    by_sku = _by_sku(lines)
    for place, quantity in sorted(places.items()):
        sku, location, disposition, _ = place.split("|")
        name = disposition if location == notice["ship_to"] else f"{location}|{disposition}"
        takers = by_sku.get(sku, [])
        left = quantity
        for number in takers:
            taken = left if number == takers[-1] else max(0, min(room[number], left))
            room[number] -= taken
            left -= taken
            if taken and name != SELLABLE:
                found[number][name] = taken
    return found


def _by_sku(lines: Sequence[Sequence[Any]]) -> dict[str, list[int]]:
    """Which lines have a SKU."""
    found: dict[str, list[int]] = {}
    for number, line in enumerate(lines):
        found.setdefault(line[2], []).append(number)
    return found

"""Which line of a ship notice a receipt against the shipment fills. Pure: the same receipts, the same answer."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Attribution(NamedTuple):
    """Receipts handed to lines."""

    credit: list[int]
    """Received by line of the notice, in its order; empty when nothing was received or no notice came."""
    booked: dict[tuple[str, str, str], int]
    """The same for the ledger, by `sku|location|disposition`, PO number and line; both empty where none is known."""
    strays: dict[str, int]
    """Received by SKU that the notice does not list."""


NOTHING = Attribution([], {}, {})


def attribute(notice: Mapping[str, Any] | None, received: Mapping[str, int]) -> Attribution:
    """Fill the lines of each SKU in the notice's order up to their quantity, the surplus to the last.

    What was received elsewhere than where the shipment was sent counts for its line too, but its stock does not name
    the purchase order: that expects nothing there.
    """
    if not received:
        return NOTHING
    lines = notice["lines"] if notice else []
    ship_to = notice["ship_to"] if notice else ""
    credit = [0] * len(lines)
    booked: dict[tuple[str, str, str], int] = {}
    strays: dict[str, int] = {}
    for place, quantity in sorted(received.items()):
        sku, location, _ = place.split("|")
        takers = [number for number, line in enumerate(lines) if line[2] == sku]
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

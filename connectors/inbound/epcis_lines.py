"""What an EPCIS event is about: its items with quantities, in whole units. Pure."""

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final, NamedTuple

from connectors.inbound.gs1 import NotGs1, TradeItem, trade_item
from connectors.inbound.unmapped import Unmapped, several, text
from tables.units import MEASURES, QUANTITY_LIMIT, canonical

EACH: Final = "EA"
SEND_ITEMS: Final = "send the items themselves, in the quantityList or as SGTINs in the epcList"


class Line(NamedTuple):
    """One item of an event; `path` is where its quantity stands."""

    path: str
    gtin: str
    lot: str | None
    quantity: int
    uom: str


def lines(event: Mapping[str, Any], at: str) -> list[Line]:
    """Quantities by class in their order, then pieces counted by item; raise Unmapped, also where there is nothing.

    The two lists name different goods (EPCIS 2.0, section 7.4.2), so an item in both adds up.
    """
    pieces, classes = (
        ("childEPCs", "childQuantityList") if event["type"] == "AggregationEvent" else ("epcList", "quantityList")
    )
    found = [
        _of_class(entry, f"{at}{classes}[{number}]") for number, entry in enumerate(several(event, classes, at))
    ] + _of_pieces(several(event, pieces, at), f"{at}{pieces}")
    if not found:
        raise Unmapped(f"{at}{classes}", "the event names no items", SEND_ITEMS)
    return found


def counted(moved: list[Line]) -> list[Line]:
    """A count states what is there of an item in all its lots: one line for each item and unit."""
    totals: dict[tuple[str, str], Line] = {}
    for line in moved:
        known = totals.get((line.gtin, line.uom))
        totals[line.gtin, line.uom] = line._replace(lot=None, quantity=line.quantity + (known.quantity if known else 0))
    units = Counter(gtin for gtin, _ in totals)
    for line in totals.values():
        if units[line.gtin] > 1:
            raise Unmapped(line.path, f"counts GTIN {line.gtin} in two units", "send one count in one unit")
    return list(totals.values())


def _item(uri: object, path: str) -> TradeItem:
    if not isinstance(uri, str):
        raise Unmapped(path, f"{uri!r} is not text", SEND_ITEMS)
    try:
        return trade_item(uri)
    except NotGs1 as error:
        raise Unmapped(path, str(error), SEND_ITEMS) from None


def _of_class(entry: object, path: str) -> Line:
    if not isinstance(entry, Mapping):
        raise Unmapped(path, "is not an object", "send {epcClass, quantity, uom}")
    item = _item(entry.get("epcClass"), f"{path}.epcClass")
    if item.serial is not None:
        raise Unmapped(f"{path}.epcClass", "names one piece", "send it in the epcList, or its class here")
    uom = canonical(text(entry, "uom", f"{path}.") or EACH)
    quantity, unit = _whole(entry.get("quantity"), uom, f"{path}.quantity")
    return Line(f"{path}.quantity", item.gtin, item.lot, quantity, unit)


def _of_pieces(epcs: list[object], path: str) -> list[Line]:
    seen: set[object] = set()
    found: Counter[tuple[str, str | None]] = Counter()
    for number, epc in enumerate(epcs):
        item = _item(epc, f"{path}[{number}]")
        if item.serial is None:
            raise Unmapped(f"{path}[{number}]", "names a class, not a piece", "send it in the quantityList")
        if epc in seen:
            raise Unmapped(f"{path}[{number}]", f"{epc!r} stands there twice", "name each piece once")
        seen.add(epc)
        found[item.gtin, item.lot] += 1
    return [Line(path, gtin, lot, quantity, EACH) for (gtin, lot), quantity in found.items()]


def _whole(given: object, uom: str, path: str) -> tuple[int, str]:
    """A quantity in whole units; a broken one goes into the largest unit of its measure in which it is whole."""
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise Unmapped(path, "is missing" if given is None else f"{given!r} is not a number", "send a number")
    decimal = Decimal(repr(given))
    if not decimal.is_finite() or not 0 <= decimal < QUANTITY_LIMIT:
        raise Unmapped(path, f"{given} is not a quantity", f"send a number from 0 to below {QUANTITY_LIMIT}")
    quantity = Fraction(decimal)
    if quantity.denominator == 1:
        return int(quantity), uom
    measure = next((units for units in MEASURES if uom in units), {})
    for unit, size in sorted(measure.items(), key=lambda entry: entry[1], reverse=True):
        amount = quantity * measure[uom] / size
        if amount.denominator == 1 and amount < QUANTITY_LIMIT:
            return int(amount), unit
    raise Unmapped(path, f"{given} {uom} is not whole in any unit", "send it in a unit in which it is whole")

"""What of a purchase order's goods may be posted as received, and what waits: for inspection, a ship notice, the buyer.

Pure derivation from the order's facts and its ladder; `tables/posting_book.py` says what is new since the last posting.
"""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from schemas.records import SELLABLE
from tables.inspection import INSPECTION, Places, add, group_of, inspected
from tables.ladder import Ladder
from tables.placing import Line, Named
from tables.supply import Row

STEP: Final = "GOODS_RECEIPT"


class Receipts(NamedTuple):
    """The goods of an order at their places (`sku|location|disposition|line`), after inspection."""

    desired: Places
    """What may be posted."""
    on_hold: dict[str, tuple[int, int]]
    """By line, what waits for inspection and since when (recorded, ms) the oldest of it does."""
    missing: dict[str, int]
    """By `sku|location`, what was inspected that nobody received."""


NOTHING: Final = Receipts({}, {}, {})


def receipts(row: Row, ladder: Ladder) -> Receipts:
    """Everything received for the order, from its shipments and on its own, as far as it is known by line."""
    lines = ladder.lines
    by_shipment = any(line.by_shipment for line in (*lines.values(), *ladder.unlisted))
    if not by_shipment and not row["received"] and not row["moved"]:
        return NOTHING
    places, missing = inspected(_received(row, ladder), row["moved"])
    judged: dict[str, Places] = {}
    waiting: dict[str, Places] = {}
    for place, quantity in places.items():
        _, _, disposition, name = place.split("|", 3)
        (waiting if disposition == INSPECTION else judged).setdefault(name, {})[place] = quantity
    desired: Places = {}
    order = row["order"]
    if order is not None:
        for name, goods in judged.items():
            line = lines.get(name)
            if line is not None:
                _allow(goods, allowance(line, unannounced=order["unannounced"]), desired)
    return Receipts(desired, _on_hold(row, waiting) if waiting else {}, missing)


def allowance(line: Line, *, unannounced: bool) -> int:
    """What the ERP may be told of a line: within its tolerance and, where the supplier owes one, its ship notices."""
    most = line.ordered + line.ordered * line.over // 100
    return most if unannounced else min(most, line.shipped)


def _allow(judged: Places, allowed: int, desired: Places) -> None:
    """Sellable goods first."""
    if sum(judged.values()) <= allowed:
        desired.update(judged)
        return
    for place in sorted(judged, key=lambda place: (place.split("|", 3)[2] != SELLABLE, place)):
        taken = min(judged[place], allowed)
        if taken > 0:
            desired[place] = taken
            allowed -= taken


def _received(row: Row, ladder: Ladder) -> Places:
    """What came by its shipments and on its own, on the lines to which the ladder has given it."""
    places: Places = {}
    loose: dict[Named, Places] = {}
    for where, name, quantity in _arrived(row):
        named = (name, where[: where.index("|")])
        if named in ladder.given:
            add(loose.setdefault(named, {}), where, quantity)
        else:
            add(places, where + name, quantity)
    for named, goods in loose.items():
        given = ladder.given[named]
        room = {name: taken for name, taken in given.items() if taken > 0}
        *_, last = given
        for where, quantity in sorted(goods.items()):
            left = quantity
            for name in room if quantity > 0 else ():
                taken = min(left, room[name])
                room[name] -= taken
                left -= taken
                add(places, where + name, taken)
            add(places, where + last, left)
    return places


def _arrived(row: Row) -> Iterator[tuple[str, str, int]]:
    """By `sku|location|disposition|` and line as it is named: what came by shipments that list it, at the shipment's
    own place save what was unloaded elsewhere, and what names the order itself.
    """
    for _, location, _, lines in row["shipped"].values():
        for name, sku, _, received, held, _ in lines:
            left = received
            for elsewhere, quantity in held.items():
                there, _, disposition = elsewhere.rpartition("|")
                yield f"{sku}|{there or location}|{disposition}|", name, quantity
                left -= quantity
            yield f"{sku}|{location}|{SELLABLE}|", name, left
    for place, quantity in row["received"].items():
        name = place.split("|", 3)[3]
        yield place.removesuffix(name), name, quantity


def _on_hold(row: Row, waiting: Mapping[str, Places]) -> dict[str, tuple[int, int]]:
    """By line, what waits for inspection and since when the oldest of it does: what left first was the oldest."""
    left: Places = {}
    for goods in waiting.values():
        for place, quantity in goods.items():
            left[group_of(place)] = left.get(group_of(place), 0) + quantity
    oldest = _oldest(row, left)
    return {
        name: (sum(goods.values()), min([oldest.get(group_of(place), row["clock"]) for place in goods]))
        for name, goods in waiting.items()
    }


def _oldest(row: Row, left: Places) -> dict[str, int]:
    """By `sku|location`, when the oldest of what is left for inspection there came in (recorded, ms)."""
    came: dict[str, list[tuple[int, int]]] = {}
    for _, location, _, lines in row["shipped"].values():
        for _, sku, _, _, held, since in lines:
            for elsewhere, quantity in held.items():
                there, _, disposition = elsewhere.rpartition("|")
                if disposition == INSPECTION:
                    came.setdefault(f"{sku}|{there or location}", []).append((since, quantity))
    for facts in (row["received"], row["moved"]):
        for place, quantity in facts.items():
            if place in row["on_hold"] and quantity > 0:
                came.setdefault(group_of(place), []).append((row["on_hold"][place], quantity))
    oldest: dict[str, int] = {}
    for group, waiting in left.items():
        rest = waiting
        for since, quantity in sorted(came.get(group, ()), reverse=True):
            if rest > 0:
                oldest[group] = since
                rest -= quantity
    return oldest

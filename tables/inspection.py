"""Goods of one document by place, and what inspection has made of them: moves from one disposition to another.

A place is `sku|location|disposition|line`. Pure: the same receipts and moves give the same places in any order.
"""

from collections.abc import Mapping
from typing import Final

Places = dict[str, int]
"""Quantities in base units."""

INSPECTION: Final = "quality_hold"
"""The disposition of goods nobody has judged yet."""


def move(moved: Places, place: tuple[str, str, str], origin: str, target: str, quantity: int) -> None:
    """Note a move at SKU, location and line (which may be empty); a correction is a negative quantity."""
    sku, location, line = place
    for disposition, change in ((origin, -quantity), (target, quantity)):
        add(moved, f"{sku}|{location}|{disposition}|{line}", change)


def add(places: Places, place: str, quantity: int) -> None:
    """Sums that come to nothing are absent."""
    total = places.get(place, 0) + quantity
    if total:
        places[place] = total
    else:
        places.pop(place, None)


def netted(places: Mapping[str, int]) -> Places:
    """Without negatives: a correction that names another line or disposition than what it corrects takes from those
    of the same SKU and location, the last first. What is left is at least nothing.
    """
    if not places or min(places.values()) >= 0:
        return dict(places)
    debts: dict[str, int] = {}
    for place, quantity in places.items():
        if quantity < 0:
            group = group_of(place)
            debts[group] = debts.get(group, 0) - quantity
    left: Places = {}
    for place, quantity in sorted(places.items(), reverse=True):
        if quantity > 0:
            group = group_of(place)
            owed = debts.get(group, 0)
            if quantity > owed:
                left[place] = quantity - owed
            debts[group] = max(0, owed - quantity)
    return left


def inspected(places: Mapping[str, int], moved: Mapping[str, int]) -> tuple[Places, dict[str, int]]:
    """The places after the moves, and by `sku|location` what was moved that is not there.

    A move that names a line takes from that line first; what it takes stays on its line. One may depend on another, so
    they are tried until none gets further.
    """
    after = netted(places)
    moves = _moves(moved)
    lines = _lines_at(after) if moves else {}
    going = bool(moves)
    while going:
        going = False
        for (sku, location, line), (origins, targets) in moves.items():
            for origin in sorted(origins):
                before = origins[origin]
                if before:
                    _take(after, lines, (sku, location, line), origin, origins, targets)
                    going = going or origins[origin] < before
    missing: dict[str, int] = {}
    for (sku, location, _), (origins, _) in moves.items():
        if lacking := sum(origins.values()):
            missing[f"{sku}|{location}"] = missing.get(f"{sku}|{location}", 0) + lacking
    return {place: quantity for place, quantity in after.items() if quantity}, missing


Moves = dict[tuple[str, str, str], tuple[dict[str, int], dict[str, int]]]
"""By SKU, location and line: what leaves each disposition, and what comes into each."""


def _moves(moved: Mapping[str, int]) -> Moves:
    """Moves that name a line first."""
    moves: Moves = {}
    for place, quantity in sorted(moved.items(), key=lambda item: (not item[0].split("|", 3)[3], item[0])):
        sku, location, disposition, line = place.split("|", 3)
        origins, targets = moves.setdefault((sku, location, line), ({}, {}))
        (targets if quantity > 0 else origins)[disposition] = abs(quantity)
    return moves


Lines = dict[str, set[str]]
"""By `sku|location|disposition|`, the lines that have something there, or had."""


def _lines_at(places: Places) -> Lines:
    lines: Lines = {}
    for place in places:
        line = place.split("|", 3)[3]
        lines.setdefault(place[: len(place) - len(line)], set()).add(line)
    return lines


def _take(
    places: Places,
    lines: Lines,
    where: tuple[str, str, str],
    origin: str,
    origins: dict[str, int],
    targets: dict[str, int],
) -> None:
    """Move what is there of one disposition, on the named line first."""
    sku, location, named = where
    prefix = f"{sku}|{location}|{origin}|"
    for line in sorted(lines.get(prefix, ()), key=lambda line: (line != named, line)):
        for target in sorted(targets):
            taken = min(origins[origin], places[prefix + line], targets[target])
            if taken:
                origins[origin] -= taken
                places[prefix + line] -= taken
                targets[target] -= taken
                there = f"{sku}|{location}|{target}|"
                places[there + line] = places.get(there + line, 0) + taken
                lines.setdefault(there, set()).add(line)


def group_of(place: str) -> str:
    """SKU and location of a place, `sku|location`."""
    return place[: place.index("|", place.index("|") + 1)]

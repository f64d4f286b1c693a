"""Exact conversion to an item's base unit. Nothing is ever rounded: what does not divide is an error with a name.

An item's own packs come first. Units of one measure that the item does not list are converted by the table below, so
a kilogram scan reaches an item kept in grams. Case, box and pallet are the item's business: how many are in one
differs by item, and X12 and UNECE disagree about the codes (CA is a case in one and a can in the other).
"""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Final, NamedTuple

QUANTITY_LIMIT: Final = 10**12
"""No quantity in base units may reach this; sums of many stay far from the end of a 64-bit integer."""

SYNONYMS: Final[Mapping[str, str]] = {
    # each: UNECE rec. 20 C62 (one), EA, H87 (piece); EDIFACT PCE; X12 355 PC, UN
    "C62": "EA", "H87": "EA", "PCE": "EA", "PC": "EA", "UN": "EA",
    "DZ": "DZN",  # X12 355; DZN in rec. 20
    "KG": "KGM",
    "LB": "LBR",
    "OZ": "ONZ",
    "CM": "CMT",
    "MM": "MMT",
    "FT": "FOT",
    "IN": "INH",
    "YD": "YRD",
    "LT": "LTR",
    "ML": "MLT",
}  # fmt: skip
"""Codes for the same unit, and the one used inside: UNECE recommendation 20 where it has one."""

MEASURES: Final[tuple[Mapping[str, Fraction], ...]] = (
    {"EA": Fraction(1), "PR": Fraction(2), "DZN": Fraction(12), "GRO": Fraction(144)},
    {  # grams
        "MGM": Fraction(1, 1000), "GRM": Fraction(1), "KGM": Fraction(1000), "TNE": Fraction(1_000_000),
        "ONZ": Fraction(45_359_237, 1_600_000), "LBR": Fraction(45_359_237, 100_000),
    },
    {  # millimetres
        "MMT": Fraction(1), "CMT": Fraction(10), "MTR": Fraction(1000), "KTM": Fraction(1_000_000),
        "INH": Fraction(254, 10), "FOT": Fraction(3048, 10), "YRD": Fraction(9144, 10),
    },
    {"MLT": Fraction(1), "LTR": Fraction(1000)},
)  # fmt: skip
"""Units that convert into each other, by measure (international avoirdupois pound and yard of 1959)."""


class Ratio(NamedTuple):
    """Base units in one unit, as a fraction in lowest terms."""

    numerator: int
    denominator: int


class Inexact(ValueError):
    """The quantity is not a whole number of base units."""


def canonical(uom: str) -> str:
    """One spelling for each unit, whoever wrote it."""
    code = uom.strip().upper()
    return SYNONYMS.get(code, code)


def ratios(base_uom: str, packs: Iterable[tuple[str, int]]) -> dict[str, Ratio]:
    """Every unit this item can be told in, by canonical code; packs are (unit, base units in one)."""
    base = canonical(base_uom)
    known = {base: Ratio(1, 1)}
    for measure in MEASURES:
        if base in measure:
            for code, size in measure.items():
                ratio = size / measure[base]
                known[code] = Ratio(ratio.numerator, ratio.denominator)
    for uom, factor in packs:
        code = canonical(uom)
        if code != base:
            known[code] = Ratio(factor, 1)
    return known


def to_base(quantity: int, ratio: Ratio) -> int:
    """Quantity in base units; raise Inexact when it is not a whole number of them."""
    whole, rest = divmod(quantity * ratio.numerator, ratio.denominator)
    if rest:
        raise Inexact(f"{quantity} x {ratio.numerator}/{ratio.denominator} is not a whole number of base units")
    return whole

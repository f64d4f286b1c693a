"""Conversion to base units is exact or refused."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tables.units import MEASURES, SYNONYMS, Inexact, Ratio, canonical, ratios, to_base

CODES = sorted({code for measure in MEASURES for code in measure})


@pytest.mark.parametrize(
    ("base", "uom", "quantity", "expected"),
    [
        ("EA", "EA", 5, 5),
        ("EA", "C62", 5, 5),
        ("PCE", "ea", 5, 5),
        ("EA", "DZ", 2, 24),
        ("EA", "DZN", 2, 24),
        ("EA", "CA", 2, 20),
        ("DZN", "EA", 24, 2),
        ("GRM", "KG", 3, 3000),
        ("KGM", "GRM", 5000, 5),
        ("MM", "IN", 5, 127),
        ("GRM", "LB", 100_000, 45_359_237),
    ],
)
def test_units_convert(base, uom, quantity, expected):
    """Packs by the item, measures by the table, synonyms by either."""
    known = ratios(base, [("CA", 10)])

    assert expected == to_base(quantity, known[canonical(uom)])


@pytest.mark.parametrize(("base", "uom", "quantity"), [("DZN", "EA", 5), ("GRM", "LB", 1), ("KGM", "GRM", 1500)])
def test_what_does_not_divide_is_refused(base, uom, quantity):
    """Never a rounding."""
    with pytest.raises(Inexact):
        to_base(quantity, ratios(base, [])[canonical(uom)])


def test_an_items_own_pack_comes_before_the_table():
    """A baker's dozen is the baker's business."""
    assert ratios("EA", [("DZ", 13)])["DZN"] == Ratio(13, 1)


def test_case_means_nothing_without_the_item():
    """CA is a case to some and a can to others."""
    assert "CA" not in ratios("EA", [])


def test_measures_do_not_mix():
    """Grams are no millimetres, and no pieces."""
    assert ratios("GRM", []).keys().isdisjoint(ratios("MMT", []))


def test_synonyms_lead_to_a_code_in_one_step():
    """No chains, and every target is a unit of the table."""
    assert set(SYNONYMS.values()).isdisjoint(SYNONYMS)
    assert set(SYNONYMS.values()) <= set(CODES)


@given(st.sampled_from(CODES), st.sampled_from(CODES), st.integers(-(10**9), 10**9))
def test_conversion_is_exact_or_refused(base, uom, quantity):
    """Against fractions: the result is the true value, or there is no whole one."""
    measure = next(measure for measure in MEASURES if base in measure)
    ratio = ratios(base, []).get(uom)
    if uom not in measure:
        assert ratio is None
        return
    true = quantity * measure[uom] / measure[base]
    assert ratio is not None
    assert Fraction(ratio.numerator, ratio.denominator) == measure[uom] / measure[base]
    if true.denominator == 1:
        assert to_base(quantity, ratio) == true
    else:
        with pytest.raises(Inexact):
            to_base(quantity, ratio)


@given(st.integers(-(10**9), 10**9), st.integers(-(10**9), 10**9), st.integers(1, 10**6))
def test_conversion_by_a_pack_adds_up(left, right, factor):
    """Two scans convert to the same as one of both."""
    ratio = ratios("EA", [("CA", factor)])["CA"]

    assert to_base(left, ratio) + to_base(right, ratio) == to_base(left + right, ratio)

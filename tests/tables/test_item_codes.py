"""How item codes are read."""

import pytest

from tables.item_codes import BadCode, is_sscc, normal_code


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("96385074", "00000096385074"),
        ("036000291452", "00036000291452"),
        ("4006381333931", "04006381333931"),
        ("10614141000415", "10614141000415"),
        (" 4006381333931 ", "04006381333931"),
    ],
)
def test_gtin_has_fourteen_digits(code, expected):
    """GTIN-8, -12, -13 and -14 of one item are one code."""
    assert normal_code("GTIN", code) == expected


@pytest.mark.parametrize("code", ["4006381333932", "400638133393", "", "\uff14006381333931", "40063813339-1"])
def test_what_is_no_gtin_is_refused(code):
    """Wrong check digit, wrong length, no digits, digits of another script."""
    with pytest.raises(BadCode):
        normal_code("GTIN", code)


def test_other_schemes_are_taken_as_they_are():
    """Only a GTIN has a check digit we know."""
    assert normal_code("VENDOR_PART", "a-1") == "a-1"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("340123450000000000", True),
        ("00340123450000000000", True),
        ("(00)340123450000000000", True),
        ("340123450000000001", False),
        ("PALLET7", False),
    ],
)
def test_sscc_holds_by_its_check_digit(code, expected):
    """With or without the application identifier."""
    assert is_sscc(code) is expected

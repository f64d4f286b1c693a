"""How item and package codes are written: GTINs padded to 14 digits, check digits verified (GS1 modulo 10)."""

from typing import Final

from biip.checksums import gs1_standard_check_digit

GTIN_LENGTHS: Final = (8, 12, 13, 14)
SSCC_LENGTH: Final = 18


class BadCode(ValueError):
    """A code that cannot be right whatever the reference data say."""


def normal_code(scheme: str, code: str) -> str:
    """The code as it is looked up; raise BadCode for an empty code or a GTIN that is none."""
    text = code.strip()
    if not text:
        raise BadCode(f"empty {scheme} code")
    if scheme != "GTIN":
        return text
    if not (text.isascii() and text.isdigit()) or len(text) not in GTIN_LENGTHS:
        raise BadCode(f"GTIN {code!r} is not 8, 12, 13 or 14 digits")
    if (right := gs1_standard_check_digit(text[:-1])) != int(text[-1]):
        raise BadCode(f"GTIN {code!r} has a wrong check digit, {right} would be right")
    return text.zfill(14)


def is_sscc(code: str) -> bool:
    """Whether it is an SSCC-18, with or without the application identifier 00, and its check digit holds."""
    text = code.removeprefix("(00)")
    if len(text) == SSCC_LENGTH + 2:
        text = text.removeprefix("00")
    if len(text) != SSCC_LENGTH or not (text.isascii() and text.isdigit()):
        return False
    return gs1_standard_check_digit(text[:-1]) == int(text[-1])

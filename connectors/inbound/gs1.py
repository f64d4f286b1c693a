"""GS1 identifiers as EPCIS writes them, EPC URNs and Digital Links, to GTINs and GLNs. Pure.

EPC URNs (Tag Data Standard) carry no check digit; it is worked out. A Digital Link carries one; it is checked.
"""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from biip import ParseError
from biip.checksums import gs1_standard_check_digit
from biip.gs1_digital_link_uris import GS1DigitalLinkURI

_SGTIN: Final = re.compile(r"urn:epc:(id|idpat|class):(sgtin|lgtin):(\d{6,12})\.(\d+)\.(.+)")
_SGLN: Final = re.compile(r"urn:epc:id:sgln:(\d{6,12})\.(\d*)(?:\.(.+))?")
_LINK: Final = re.compile(r"https?://.*/(?:00|01|253|255|402|414|417|8003|8004|8006|8010|8017|8018)/", re.DOTALL)
_FORMS: Final = {("id", "sgtin"), ("idpat", "sgtin"), ("class", "lgtin")}
ITEM_FORMS: Final = (
    "urn:epc:idpat:sgtin:COMPANY.ITEM.*, urn:epc:class:lgtin:COMPANY.ITEM.LOT, urn:epc:id:sgtin:COMPANY.ITEM.SERIAL "
    "or https://id.gs1.org/01/GTIN"
)
PLACE_FORMS: Final = "urn:epc:id:sgln:COMPANY.LOCATION.0 or https://id.gs1.org/414/GLN"


class NotGs1(ValueError):
    """An identifier that names no trade item, or no place; the message says why."""


@dataclass(frozen=True, slots=True)
class TradeItem:
    """A trade item, of a lot where one is named; with a serial number it is one piece of it."""

    gtin: str
    """14 digits."""
    lot: str | None = None
    serial: str | None = None


def trade_item(uri: str) -> TradeItem:
    """The trade item of an EPC, EPC class or Digital Link; raise NotGs1."""
    if urn := _SGTIN.fullmatch(uri):
        kind, scheme, company, item, last = urn.groups()
        if (kind, scheme) not in _FORMS or (kind == "idpat" and last != "*"):
            raise NotGs1(f"{uri!r} is no class and no piece of a trade item; write {ITEM_FORMS}")
        if len(company) + len(item) != 13:
            raise NotGs1(f"{uri!r}: company prefix and item reference have {len(company) + len(item)} digits, not 13")
        gtin = _checked(item[0] + company + item[1:])
        text = unquote(last)
        return TradeItem(gtin, text if kind == "class" else None, text if kind == "id" else None)
    if uri.startswith("urn:"):
        raise NotGs1(f"{uri!r} is not a trade item; write {ITEM_FORMS}")
    found = _link(uri, f"a trade item; write {ITEM_FORMS}")
    if "01" not in found:
        raise NotGs1(f"{uri!r} is not a trade item; write {ITEM_FORMS}")
    _check(uri, "GTIN", found["01"])
    return TradeItem(found["01"], found.get("10"), found.get("21"))


def place(uri: str) -> str:
    """The code of a place: the GLN of an SGLN, without its extension; any other identifier is a code as it stands.

    Raise NotGs1 for a GS1 identifier that names no place.
    """
    if urn := _SGLN.fullmatch(uri):
        company, reference, _ = urn.groups()
        if len(company) + len(reference) != 12:
            digits = len(company) + len(reference)
            raise NotGs1(f"{uri!r}: company prefix and location reference have {digits} digits, not 12")
        return _checked(company + reference)
    if uri.startswith("urn:epc:"):
        raise NotGs1(f"{uri!r} is not a place; write {PLACE_FORMS}")
    if not _LINK.match(uri):
        return uri
    found = _link(uri, f"a place; write {PLACE_FORMS}")
    if "414" not in found:
        raise NotGs1(f"{uri!r} is not a place; write {PLACE_FORMS}")
    _check(uri, "GLN", found["414"])
    return found["414"]


def _link(uri: str, wanted: str) -> dict[str, str]:
    """Values of a Digital Link by application identifier."""
    try:
        link = GS1DigitalLinkURI.parse(uri)
    except (ParseError, ValueError) as error:
        raise NotGs1(f"{uri!r} is not {wanted} ({error})") from None
    return {element.ai.ai: element.value for element in link.element_strings}


def _checked(digits: str) -> str:
    return f"{digits}{gs1_standard_check_digit(digits)}"


def _check(uri: str, kind: str, code: str) -> None:
    if not (code.isascii() and code.isdigit()):
        raise NotGs1(f"{uri!r}: {kind} {code!r} is not digits only")
    if (right := gs1_standard_check_digit(code[:-1])) != int(code[-1]):
        raise NotGs1(f"{uri!r}: {kind} {code} has a wrong check digit, {right} would be right")

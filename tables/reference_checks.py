"""What makes a reference record unusable. The follower ignores such a record, intake raises the exception about it."""

from collections.abc import Mapping
from typing import Any, Final

from tables.item_codes import BadCode, normal_code
from tables.refusal import Refused
from tables.units import QUANTITY_LIMIT, canonical

NAME_LIMIT: Final = 100
"""Longest code of our own, in characters: keys carry them."""
SEGMENT_LIMIT: Final = 100
"""Longest segment of an item, in bytes of UTF-8: rows keep it with its length."""
DAYS_LIMIT: Final = 3650


def trouble(topic: str, record: Mapping[str, Any]) -> Refused | None:
    """What is wrong with a record of a reference topic, or None."""
    try:
        _CHECKS[topic](record)
    except Refused as refused:
        return refused
    return None


def check_name(kind: str, name: str) -> None:
    """Our own codes are parts of keys: never empty, never with the separator, never the wildcard."""
    if not name or name != name.strip():
        raise Refused("MISSING_FIELD", (kind, name), f"{kind} code {name!r} is empty or begins or ends with a space")
    if "|" in name or name == "*" or len(name) > NAME_LIMIT:
        raise Refused("INVALID_CODE", (kind, name), f"{kind} code {name!r}: at most {NAME_LIMIT} characters, no '|'")


def unit_change(known: Mapping[str, Any], item: Mapping[str, Any]) -> Refused | None:
    """The refusal of an item record whose base unit differs from the one it is known by, or None."""
    before, after = known["base_uom"], item["base_uom"]
    if canonical(before) == canonical(after):
        return None
    message = f"item {item['sku']} is kept in {before}; its record now says {after}, and is ignored"
    return Refused("BASE_UNIT_CHANGED", ("item", item["sku"]), message)


def _check_item(item: Mapping[str, Any]) -> None:
    subject = ("item", item["sku"])
    check_name("item", item["sku"])
    if not item["base_uom"].strip():
        raise Refused("MISSING_FIELD", subject, f"item {item['sku']} has no base unit")
    if len(item["segment"].encode()) > SEGMENT_LIMIT:
        raise Refused("INVALID_CODE", subject, f"segment of item {item['sku']}: at most {SEGMENT_LIMIT} bytes of UTF-8")
    seen = {canonical(item["base_uom"]): 1}
    for pack in item["packs"]:
        code, factor = canonical(pack["uom"]), pack["factor"]
        if not code:
            raise Refused("MISSING_FIELD", subject, f"item {item['sku']} has a pack without a unit")
        if not 1 <= factor < QUANTITY_LIMIT:
            raise Refused("INVALID_QUANTITY", subject, f"pack {pack['uom']} of {item['sku']} holds {factor} base units")
        if seen.setdefault(code, factor) != factor:
            raise Refused("INVALID_CODE", subject, f"item {item['sku']} gives unit {pack['uom']} two sizes")
    for name in item["identifiers"]:
        try:
            normal_code(name["scheme"], name["code"])
        except BadCode as error:
            raise Refused("INVALID_CODE", subject, f"item {item['sku']}: {error}") from None
    for stock in item["safety_stock"]:
        if len(stock["location"] or "") > NAME_LIMIT:
            raise Refused(
                "INVALID_CODE", subject, f"safety stock of {item['sku']}: a location of over {NAME_LIMIT} characters"
            )
        if not 0 <= stock["quantity"] < QUANTITY_LIMIT:
            raise Refused("INVALID_QUANTITY", subject, f"safety stock {stock['quantity']} of {item['sku']}")


def _check_location(location: Mapping[str, Any]) -> None:
    check_name("location", location["location"])
    for name in location["codes"]:
        if not name["code"].strip() or not name["party"].strip():
            raise Refused(
                "MISSING_FIELD",
                ("location", location["location"]),
                f"location {location['location']} has a code without party or code",
            )


def _check_partner(profile: Mapping[str, Any]) -> None:
    check_name("partner", profile["partner"])
    for field in ("ship_days", "overdue_fence_days", "overdue_offset_days"):
        if not 0 <= profile[field] <= DAYS_LIMIT:
            raise Refused(
                "INVALID_QUANTITY",
                ("partner", profile["partner"]),
                f"{field} {profile[field]} of {profile['partner']}: 0 to {DAYS_LIMIT}",
            )


_CHECKS: Final = {"erp.items": _check_item, "erp.locations": _check_location, "partners.profiles": _check_partner}

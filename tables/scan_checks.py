"""What can be wrong with one warehouse scan, and how it is said."""

from collections.abc import Mapping
from typing import Any, Final, get_args

from schemas.records import Disposition
from tables.intake_rules import IntakeRules
from tables.refusal import Refused
from tables.units import QUANTITY_LIMIT, Inexact, Ratio, to_base

DISPOSITIONS: Final = frozenset(get_args(Disposition))

Scan = Mapping[str, Any]


def scan_subject(scan: Scan) -> tuple[str, str]:
    return "scan", scan["event_id"]


def scan_name(scan: Scan) -> str:
    return f"{scan['scan_type']} scan {scan['event_id']}"


def time_refused(scan: Scan, arrived: int, rules: IntakeRules) -> Refused:
    ahead = scan["occurred_at"] - arrived
    if ahead > 0:
        message = f"{scan_name(scan)} is {ahead} ms ahead of the clock; {rules.future_ms} are allowed"
        return Refused("TIME_IN_FUTURE", scan_subject(scan), message)
    return Refused(
        "TIME_TOO_OLD", scan_subject(scan), f"{scan_name(scan)} is {-ahead} ms old; {rules.past_ms} are allowed"
    )


def quantity_refused(scan: Scan, what: str) -> Refused:
    return Refused("INVALID_QUANTITY", scan_subject(scan), f"quantity {scan['quantity']} of {scan_name(scan)} {what}")


def reference_too_long(scan: Scan) -> Refused:
    """Rows of documents and positions keep number and line for as long as the document is open."""
    message = f"{scan_name(scan)} names a document or line of more than {Refused.MOST} characters"
    return Refused("INVALID_REFERENCE", scan_subject(scan), message)


def lot_refused(scan: Scan) -> Refused:
    """Positions know no lots: the count of one would replace that of the others."""
    message = f"{scan_name(scan)} counts lot {scan['lot'][:40]} alone; count all lots together, and name none"
    return Refused("INVALID_REFERENCE", scan_subject(scan), message)


def check_sign(scan: Scan, kind: str, quantity: int) -> None:
    """A correction is a signed difference; else only an adjustment may be negative, and only a count zero."""
    if scan["corrects"] is not None:
        if kind == "COUNT":
            raise Refused(
                "INVALID_REFERENCE", scan_subject(scan), f"{scan_name(scan)} corrects a count; count again instead"
            )
        if quantity == 0:
            raise quantity_refused(scan, "corrects nothing")
    elif quantity < 0 and kind != "ADJUST":
        raise quantity_refused(scan, "is negative")
    elif quantity == 0 and kind != "COUNT":
        raise quantity_refused(scan, "is zero")


def in_base(scan: Scan, sku: str, quantity: int, ratio: Ratio) -> int:
    try:
        base = to_base(quantity, ratio)
    except Inexact as error:
        raise Refused(
            "INEXACT_CONVERSION", ("item", sku), f"{scan_name(scan)}, {sku} in {scan['uom']}: {error}"
        ) from None
    if not -QUANTITY_LIMIT < base < QUANTITY_LIMIT:
        raise quantity_refused(scan, "is out of all proportion")
    return base


def disposition_of(scan: Scan, field: str, default: str) -> str:
    disposition: str | None = scan[field]
    if disposition is None:
        return default
    if disposition not in DISPOSITIONS:
        known = ", ".join(sorted(DISPOSITIONS))
        raise Refused(
            "INVALID_CODE", scan_subject(scan), f"{field} {disposition!r} of {scan_name(scan)}; known are {known}"
        )
    return disposition

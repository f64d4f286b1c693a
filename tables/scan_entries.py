"""What each type of warehouse scan becomes: ledger entries, and events (`tables/scan_events.py`) for the document it names.

Quantities come in base units, codes looked up. Entries are plain literals: this runs for every scan.
"""

from collections.abc import Callable
from typing import Any, Final

from schemas.records import SELLABLE, Disposition
from tables.exceptions import exception_id, raised, resolved
from tables.outcome import Output
from tables.refusal import Refused
from tables.scan_checks import Scan, disposition_of, lot_refused, scan_name, scan_subject
from tables.scan_events import INSPECTED, order_event, received, unloaded

LEDGER: Final = "inventory.ledger"
HOLD: Final[Disposition] = "quality_hold"
RETURNED: Final[Disposition] = "returned"
UNINSPECTED: Final = frozenset({RETURNED, HOLD})
"""Goods that came back and of which nobody has said yet what they are."""

Build = Callable[[Scan, int, str, str, str, int, list[Output]], None]
"""Scan, quantity in base units, SKU, location, coordinate, now, outputs. May raise Refused."""


def _reference(scan: Scan) -> str | None:
    reference = scan["reference"]
    if reference["kind"] == "NONE":
        return None
    if not reference["number"]:
        raise Refused(
            "INVALID_REFERENCE", scan_subject(scan), f"{scan_name(scan)} names a {reference['kind']} without number"
        )
    return f"{reference['kind']}:{reference['number']}"


def _entry(
    scan: Scan,
    kind: str,
    quantity: int,
    disposition: str,
    to_disposition: str | None,
    reference: str | None,
    coordinate: str,
    now: int,
) -> dict[str, Any]:
    return {
        "event_id": scan["event_id"],
        "occurred_at": scan["occurred_at"],
        "recorded_at": now,
        "source": scan["source"],
        "coordinate": coordinate,
        "correlation_id": scan["correlation_id"],
        "kind": kind,
        "quantity": quantity,
        "disposition": disposition,
        "to_disposition": to_disposition,
        "reference": reference,
        "line": scan["reference"]["line"],
        "corrects": scan["corrects"],
        "claim": None,
        "policy": None,
        "reservation": None,
    }


def _receipt(scan: Scan, quantity: int, sku: str, place: str, coordinate: str, now: int, outputs: list[Output]) -> None:
    disposition = disposition_of(scan, "disposition", SELLABLE)
    reference = _reference(scan)
    named = scan["reference"]
    if named["kind"] == "ASN":
        outputs.append(unloaded(scan, quantity, sku, place, disposition, coordinate, now))
        return
    entry = _entry(scan, "RECEIPT", quantity, disposition, None, reference, coordinate, now)
    outputs.append((LEDGER, f"{sku}|{place}", entry))
    if named["kind"] == "PURCHASE_ORDER":
        outputs.append(received(scan, quantity, sku, place, disposition, coordinate, now))


def _handled(kind: str) -> Build:
    """Pick and pack move nothing; they only tell the order how far it is."""

    def build(
        scan: Scan, quantity: int, sku: str, place: str, coordinate: str, now: int, outputs: list[Output]
    ) -> None:
        named = scan["reference"]
        if named["kind"] != "SALES_ORDER" or not named["number"]:
            raise Refused("INVALID_REFERENCE", scan_subject(scan), f"{scan_name(scan)} names no sales order")
        outputs.append(order_event(scan, kind, quantity, sku, place, coordinate, now))

    return build


def _ship(scan: Scan, quantity: int, sku: str, place: str, coordinate: str, now: int, outputs: list[Output]) -> None:
    named = scan["reference"]
    disposition = disposition_of(scan, "disposition", SELLABLE)
    reference = f"{named['kind']}:{named['number']}" if named["number"] and named["kind"] != "NONE" else None
    entry = _entry(scan, "ISSUE", quantity, disposition, None, reference, coordinate, now)
    outputs.append((LEDGER, f"{sku}|{place}", entry))
    if named["kind"] == "SALES_ORDER" and reference is not None:
        leaves = None if disposition == SELLABLE else disposition
        outputs.append(order_event(scan, "SHIPPED", quantity, sku, place, coordinate, now, leaves))
        return
    if quantity < 0:
        outputs.append(_taken_back(scan, quantity, now))
        return
    record = raised(
        "SHIP_WITHOUT_ORDER",
        scan_subject(scan),
        f"{scan_name(scan)} of {quantity} {sku} from {place} names no sales order; the stock is taken out",
        coordinate=coordinate,
        raised_at=now,
        correlation_id=scan["correlation_id"],
        once_per_subject=True,
    )
    outputs.append(("exceptions", record["exception_id"], record))


def _taken_back(scan: Scan, quantity: int, now: int) -> Output:
    """A shipment that named no order is corrected: what left is scanned again against its order, or never left."""
    identifier = exception_id("SHIP_WITHOUT_ORDER", "scan", (scan["corrects"] or "")[: Refused.MOST])
    note = f"Corrected by {quantity} with {scan_name(scan)}."
    record = resolved(identifier, "SHIP_WITHOUT_ORDER", note, resolved_at=now, correlation_id=scan["correlation_id"])
    return "exceptions.resolutions", identifier, record


def _movement(kind: str, default: str) -> Build:
    """A scan that is one movement of one disposition."""

    def build(
        scan: Scan, quantity: int, sku: str, place: str, coordinate: str, now: int, outputs: list[Output]
    ) -> None:
        disposition = disposition_of(scan, "disposition", default)
        entry = _entry(scan, kind, quantity, disposition, None, _reference(scan), coordinate, now)
        outputs.append((LEDGER, f"{sku}|{place}", entry))

    return build


_counted = _movement("COUNT", SELLABLE)


def _count(scan: Scan, quantity: int, sku: str, place: str, coordinate: str, now: int, outputs: list[Output]) -> None:
    if scan["lot"]:
        raise lot_refused(scan)
    _counted(scan, quantity, sku, place, coordinate, now, outputs)


def _return(scan: Scan, quantity: int, sku: str, place: str, coordinate: str, now: int, outputs: list[Output]) -> None:
    _movement("RETURN", RETURNED)(scan, quantity, sku, place, coordinate, now, outputs)
    if scan["reference"]["kind"] == "SALES_ORDER":
        enters = disposition_of(scan, "disposition", RETURNED)
        outputs.append(order_event(scan, "RETURNED", quantity, sku, place, coordinate, now, enters))


def _move(origin: str, target: str | None) -> Build:
    """A scan that moves stock from one disposition to another; without a target it may move nothing.

    The document it names hears of it. A sales order does only of goods that came back and await inspection: any other
    move is no business of its, and so the entry does not name it either.
    """

    def build(
        scan: Scan, quantity: int, sku: str, place: str, coordinate: str, now: int, outputs: list[Output]
    ) -> None:
        leaves = disposition_of(scan, "disposition", origin)
        enters = disposition_of(scan, "to_disposition", target or leaves)
        if leaves != enters:
            named = scan["reference"]["kind"]
            told = named in INSPECTED and (named != "SALES_ORDER" or leaves in UNINSPECTED)
            reference = _reference(scan) if told or named != "SALES_ORDER" else None
            entry = _entry(scan, "MOVE", quantity, leaves, enters, reference, coordinate, now)
            outputs.append((LEDGER, f"{sku}|{place}", entry))
            if told:
                outputs.append(INSPECTED[named](scan, quantity, sku, place, leaves, enters, coordinate, now))
        elif target is not None:
            raise Refused("INVALID_CODE", scan_subject(scan), f"{scan_name(scan)} moves {leaves} stock to {enters}")

    return build


def _transfer_reference(scan: Scan) -> str:
    reference = _reference(scan)
    if reference is None or scan["reference"]["kind"] != "TRANSFER":
        raise Refused("INVALID_REFERENCE", scan_subject(scan), f"{scan_name(scan)} names no transfer")
    return reference


def transfer_out(
    scan: Scan, quantity: int, sku: str, place: str, target: str, coordinate: str, now: int, outputs: list[Output]
) -> None:
    """Out of one location and due at another, which the caller has looked up."""
    reference = _transfer_reference(scan)
    if target == place:
        raise Refused("INVALID_REFERENCE", scan_subject(scan), f"{scan_name(scan)} goes from {place} to itself")
    disposition = disposition_of(scan, "disposition", SELLABLE)
    leaves = _entry(scan, "TRANSFER_OUT", quantity, disposition, None, reference, coordinate, now)
    due = _entry(scan, "TRANSFER_DUE", quantity, disposition, None, reference, coordinate, now)
    due["event_id"] += "/due"
    outputs.append((LEDGER, f"{sku}|{place}", leaves))
    outputs.append((LEDGER, f"{sku}|{target}", due))


def _transfer_in(
    scan: Scan, quantity: int, sku: str, place: str, coordinate: str, now: int, outputs: list[Output]
) -> None:
    disposition = disposition_of(scan, "disposition", SELLABLE)
    entry = _entry(scan, "TRANSFER_IN", quantity, disposition, None, _transfer_reference(scan), coordinate, now)
    outputs.append((LEDGER, f"{sku}|{place}", entry))


BUILD: Final[dict[str, Build]] = {
    "RECEIPT": _receipt,
    "PUTAWAY": _move(SELLABLE, None),
    "PICK": _handled("PICKED"),
    "PACK": _handled("PACKED"),
    "SHIP": _ship,
    "ADJUST": _movement("ADJUST", SELLABLE),
    "COUNT": _count,
    "RETURN": _return,
    "HOLD": _move(SELLABLE, HOLD),
    "RELEASE": _move(HOLD, SELLABLE),
    "TRANSFER_IN": _transfer_in,
}
"""Each scan type and what it becomes; TRANSFER_OUT alone needs a second location and stands by itself."""

"""What partners' documents become: acknowledgements, ship notices and milestones as canonical events, in base units."""

from typing import Any, Final

from tables.acknowledgement import BACKORDERED, FIRM, PARTIAL, TENTATIVE, ZERO
from tables.document_lines import (
    Inbound,
    Record,
    check_date,
    check_filled,
    check_moment,
    check_short,
    every_line,
    quantity_in_base,
)
from tables.exceptions import raised
from tables.item_codes import is_sscc
from tables.outcome import Output
from tables.reference import KnownItem
from tables.refusal import Refused

ACK_TYPES: Final = frozenset({"AC", "AD", "AE", "AH", "AK", "AP", "AT", "NA", "RD", "RF", "RJ", "RN", "RO", "RV", "ZZ"})
"""X12 587, BAK02."""
NEEDS_LINES: Final = frozenset({"AC", "AE", "RF"})
"""Header codes that say nothing without their lines."""
LINE_STATUSES: Final = FIRM | TENTATIVE | ZERO | {PARTIAL, BACKORDERED}
"""X12 668, ACK01."""
SHIP_DATES: Final = frozenset({"010", "011", "068", "079"})
"""X12 374: dates the goods leave at; the partner's days in transit are added."""
ARRIVAL_DATES: Final = frozenset({"002", "017", "035", "050", "067", "069", "371", "372"})
OTHER_DATES: Final = frozenset({"001", "036", "511"})
"""Known, but they say nothing of an arrival: cancel after, expiration, shelf life."""


def acknowledgement(record: Record, at: Inbound) -> list[Output]:
    """SupplierAck → one ACKNOWLEDGED event of its purchase order."""
    number = record["po_number"]
    subject = ("purchase_order", number)
    check_filled(subject, po_number=number, event_id=record["event_id"])
    at.check_key(subject, number)
    at.check_time(subject, "acknowledged_at", record["acknowledged_at"], old=False)
    if record["ack_type"] not in ACK_TYPES:
        raise Refused("INVALID_CODE", subject, f"acknowledgement type {record['ack_type']!r} is not in X12 587")
    if not record["lines"] and record["ack_type"] in NEEDS_LINES:
        raise Refused("MISSING_FIELD", subject, f"acknowledgement {record['ack_type']} of {number} has no lines")
    profile = at.reference.partner(record["supplier"], f"acknowledgement of {number}")
    lines = every_line(
        subject,
        at,
        record["lines"],
        lambda line: _ack_line(subject, at, record["supplier"], profile["ship_days"], line),
    )
    event = at.envelope(record, record["acknowledged_at"], f"SUPPLIER:{record['supplier']}")
    event |= {
        "kind": "ACKNOWLEDGED",
        "po_number": number,
        "order": None,
        "ack": {
            "supplier": record["supplier"],
            "ack_type": record["ack_type"],
            "po_revision": record["po_revision"],
            "backorder_in_ack": profile["backorder_in_ack"],
            "document": record["document"],
            "lines": lines,
        },
        "shipped": None,
        "received": None,
        "inspected": None,
        "posted": None,
    }
    return [("supply.events", number, event)]


def _ack_line(subject: tuple[str, str], at: Inbound, supplier: str, ship_days: int, line: Record) -> dict[str, Any]:
    check_filled(subject, line=line["line"])
    status = line["status"]
    if status not in LINE_STATUSES:
        raise Refused("INVALID_CODE", subject, f"line {line['line']}: status {status!r} is not in X12 668")
    item, substitute = (
        None if code is None else at.reference.item(code["scheme"], code["code"], supplier)
        for code in (line["item"], line["substitute"])
    )
    told = substitute if status == "IS" and substitute is not None else item
    return {
        "line": line["line"],
        "status": status,
        "sku": None if item is None else item.sku,
        "quantity": None if line["quantity"] is None else _ack_quantity(subject, at, told, line),
        "date": _arrival(subject, ship_days, line),
        "substitute_sku": None if substitute is None else substitute.sku,
        "note": line["note"],
    }


def _ack_quantity(subject: tuple[str, str], at: Inbound, item: KnownItem | None, line: Record) -> int:
    """Zero converts without knowing the item; anything else needs it, and its unit unless it has only one."""
    if line["quantity"] == 0:
        return 0
    if item is None:
        raise Refused(
            "MISSING_FIELD", subject, f"line {line['line']} gives a quantity without an item to convert it by"
        )
    uom: str | None = line["uom"]
    if not uom:
        if item.packs:
            raise Refused("MISSING_FIELD", subject, f"line {line['line']}: no unit, and {item.sku} has several")
        uom = item.record["base_uom"]
    return quantity_in_base(subject, at, item, line["quantity"], uom, least=0)


def _arrival(subject: tuple[str, str], ship_days: int, line: Record) -> int | None:
    date, kind = check_date(subject, f"date of line {line['line']}", line["date"]), line["date_kind"]
    if date is None:
        return None
    if kind is None or kind in ARRIVAL_DATES:
        return date
    if kind in SHIP_DATES:
        return date + ship_days
    if kind in OTHER_DATES:
        return None
    raise Refused("INVALID_CODE", subject, f"line {line['line']}: date qualifier {kind!r} is not in X12 374")


def ship_notice(record: Record, at: Inbound) -> list[Output]:
    """AdvanceShipNotice → one NOTICE event of its shipment, and a finding for each SSCC that is none."""
    shipment, supplier = record["shipment_id"], record["supplier"]
    subject = ("shipment", shipment)
    check_filled(subject, shipment_id=shipment, event_id=record["event_id"])
    at.check_key(subject, shipment)
    at.check_time(subject, "shipped_at", record["shipped_at"], old=False)
    check_moment(subject, "estimated_arrival", record["estimated_arrival"])
    check_short(subject, carrier=record["carrier"])
    if not record["lines"] and record["purpose"] != "CANCEL":
        raise Refused("MISSING_FIELD", subject, f"ship notice {shipment} has no lines")
    at.reference.partner(supplier, f"ship notice {shipment}")
    ship_to = at.reference.location(record["ship_to"], supplier)
    least = 0 if record["purpose"] == "CANCEL" else 1
    lines = every_line(subject, at, record["lines"], lambda line: _notice_line(subject, at, supplier, least, line))
    event = at.envelope(record, record["shipped_at"], f"SUPPLIER:{supplier}")
    event |= {
        "kind": "NOTICE",
        "shipment_id": shipment,
        "notice": {
            "supplier": supplier,
            "purpose": record["purpose"],
            "carrier": record["carrier"],
            "tracking": record["tracking"],
            "ship_to": ship_to.code,
            "shipped_at": record["shipped_at"],
            "estimated_arrival": record["estimated_arrival"],
            "lines": lines,
            "document": record["document"],
        },
        "milestone": None,
        "received": None,
        "inspected": None,
    }
    return [("shipment.events", shipment, event), *_bad_sscc(record, at)]


def _notice_line(subject: tuple[str, str], at: Inbound, supplier: str, least: int, line: Record) -> dict[str, Any]:
    check_filled(subject, po_number=line["po_number"])
    check_short(subject, po_line=line["po_line"])
    item = at.reference.item(line["item"]["scheme"], line["item"]["code"], supplier)
    shipped_to_date = line["shipped_to_date"]
    if shipped_to_date is not None:
        shipped_to_date = quantity_in_base(subject, at, item, shipped_to_date, line["uom"], least=0)
    return {
        "po_number": line["po_number"],
        "po_line": line["po_line"],
        "sku": item.sku,
        "quantity": quantity_in_base(subject, at, item, line["quantity"], line["uom"], least=least),
        "shipped_to_date": shipped_to_date,
        "sscc": line["sscc"],
        "lot": line["lot"],
        "expires": check_date(subject, "expires", line["expires"]),
    }


def _bad_sscc(record: Record, at: Inbound) -> list[Output]:
    """A wrong pallet number is worth knowing and no reason to refuse the goods."""
    wrong = sorted({line["sscc"] for line in record["lines"] if line["sscc"] and not is_sscc(line["sscc"])})
    if not wrong:
        return []
    finding = raised(
        "INVALID_SSCC",
        ("shipment", record["shipment_id"]),
        f"ship notice {record['shipment_id']}: {', '.join(code[:40] for code in wrong[:5])} {'are' if len(wrong) > 1 else 'is'} no SSCC-18",
        coordinate=at.coordinate,
        raised_at=at.now,
        correlation_id=record["correlation_id"],
        partner=record["supplier"],
    )
    return [("exceptions", finding["exception_id"], finding)]


def milestone(record: Record, at: Inbound) -> list[Output]:
    """CarrierMilestone → one MILESTONE event. A status beyond the list is passed on: it changes no state."""
    shipment = record["shipment_id"]
    subject = ("shipment", shipment)
    check_filled(
        subject,
        shipment_id=shipment,
        status=record["status"],
        event_id=record["event_id"],
        carrier=record["carrier"],
    )
    at.check_key(subject, shipment)
    at.check_time(subject, "occurred_at", record["occurred_at"], old=False)
    check_moment(subject, "estimated_arrival", record["estimated_arrival"])
    event = at.envelope(record, record["occurred_at"], f"CARRIER:{record['carrier']}")
    event |= {
        "kind": "MILESTONE",
        "shipment_id": shipment,
        "notice": None,
        "milestone": {
            "carrier": record["carrier"],
            "status": record["status"],
            "reason": record["reason"],
            "place": record["place"],
            "estimated_arrival": record["estimated_arrival"],
            "document": record["document"],
        },
        "received": None,
        "inspected": None,
    }
    return [("shipment.events", shipment, event)]

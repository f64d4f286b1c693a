"""What the ERP's records become: orders as canonical events, items as policy, its own stock figures for comparison."""

from contextlib import suppress
from typing import Any, Final

from schemas.records import SELLABLE
from tables.document_lines import (
    Inbound,
    Record,
    check_date,
    check_filled,
    check_lines_differ,
    check_short,
    every_line,
    quantity_in_base,
)
from tables.outcome import Output
from tables.reference import ITEMS, LOCATIONS, PARTNERS
from tables.reference_checks import trouble
from tables.refusal import Refused
from tables.scan_checks import DISPOSITIONS
from tables.units import QUANTITY_LIMIT

SOURCE: Final = "ERP"
PERCENT_LIMIT: Final = 1_000


def purchase_order(record: Record, at: Inbound) -> list[Output]:
    """PurchaseOrder → one ORDERED event with the supplier's terms."""
    number = record["po_number"]
    subject = ("purchase_order", number)
    check_filled(subject, po_number=number, event_id=record["event_id"])
    at.check_key(subject, number)
    at.check_time(subject, "ordered_at", record["ordered_at"], old=True)
    if not record["lines"] and record["status"] == "OPEN":
        raise Refused("MISSING_FIELD", subject, f"purchase order {number} has no lines")
    check_lines_differ(subject, record["lines"])
    profile = at.reference.partner(record["supplier"], f"purchase order {number}")
    ship_to = at.reference.location(record["ship_to"], SOURCE)
    lines = every_line(subject, at, record["lines"], lambda line: _purchase_line(subject, at, record["supplier"], line))
    event = at.envelope(record, record["ordered_at"], SOURCE)
    event |= {
        "kind": "ORDERED",
        "po_number": number,
        "order": {
            "revision": record["revision"],
            "supplier": record["supplier"],
            "ship_to": ship_to.code,
            "ordered_at": record["ordered_at"],
            "status": record["status"],
            "lines": lines,
            "ship_days": profile["ship_days"],
            "overdue_fence_days": profile["overdue_fence_days"],
            "overdue_offset_days": profile["overdue_offset_days"],
            "posts_without_notice": profile.get("posts_without_notice"),
        },
        "ack": None,
        "shipped": None,
        "received": None,
        "inspected": None,
        "posted": None,
    }
    return [("supply.events", number, event)]


def _purchase_line(subject: tuple[str, str], at: Inbound, supplier: str, line: Record) -> dict[str, Any]:
    for name in ("tolerance_over", "tolerance_under"):
        if line[name] is not None and not 0 <= line[name] <= PERCENT_LIMIT:
            raise Refused("INVALID_QUANTITY", subject, f"{name} of line {line['line']} is {line[name]} percent")
    item = at.reference.item(line["item"]["scheme"], line["item"]["code"], supplier)
    return {
        "line": line["line"],
        "sku": item.sku,
        "quantity": quantity_in_base(subject, at, item, line["quantity"], line["uom"], least=0),
        "requested_date": check_date(subject, f"requested_date of line {line['line']}", line["requested_date"]),
        "tolerance_over": line["tolerance_over"],
        "tolerance_under": line["tolerance_under"],
    }


def sales_order(record: Record, at: Inbound) -> list[Output]:
    """SalesOrder → one ORDERED event; allocated quantities in base units like the ordered ones."""
    number = record["order_number"]
    subject = ("sales_order", number)
    check_filled(subject, order_number=number, event_id=record["event_id"])
    check_short(subject, channel=record["channel"])
    at.check_key(subject, number)
    at.check_time(subject, "ordered_at", record["ordered_at"], old=True)
    if not record["lines"] and record["status"] == "OPEN":
        raise Refused("MISSING_FIELD", subject, f"sales order {number} has no lines")
    check_lines_differ(subject, record["lines"])
    event = at.envelope(record, record["ordered_at"], SOURCE)
    event |= {
        "kind": "ORDERED",
        "order_number": number,
        "order": {
            "revision": record["revision"],
            "channel": record["channel"],
            "status": record["status"],
            "priority": record["priority"],
            "ordered_at": record["ordered_at"],
            "lines": every_line(subject, at, record["lines"], lambda line: _sales_line(subject, at, line)),
        },
        "scan": None,
        "reserved": None,
        "promised": None,
        "posted": None,
    }
    return [("order.events", number, event)]


def _sales_line(subject: tuple[str, str], at: Inbound, line: Record) -> dict[str, Any]:
    item = at.reference.item(line["item"]["scheme"], line["item"]["code"], None)
    location = line["location"]
    return {
        "line": line["line"],
        "sku": item.sku,
        "location": None if location is None else at.reference.location(location, SOURCE).code,
        "quantity": quantity_in_base(subject, at, item, line["quantity"], line["uom"], least=0),
        "allocated": quantity_in_base(subject, at, item, line["allocated"], line["uom"], least=0),
        "requested_ship_date": check_date(
            subject, f"requested_ship_date of line {line['line']}", line["requested_ship_date"]
        ),
        "status": line["status"],
    }


def item(record: Record, at: Inbound) -> list[Output]:
    """Item → a POLICY entry for all positions of the SKU."""
    _check_reference(ITEMS, ("item", record["sku"]), record, record["sku"], at)
    sku = record["sku"]
    if (refused := at.reference.unit_change(record)) is not None:
        raise refused
    entry = _entry("POLICY", f"item/{sku}/{at.coordinate}", at.now, at)
    entry["policy"] = {
        "segment": record["segment"],
        "safety_stock": [
            {"location": stock["location"], "quantity": stock["quantity"]} for stock in record["safety_stock"]
        ],
    }
    return [("inventory.ledger", f"{sku}|*", entry)]


def location(record: Record, at: Inbound) -> list[Output]:
    """Location: only checked; the follower takes it."""
    _check_reference(LOCATIONS, ("location", record["location"]), record, record["location"], at)
    return []


def partner(record: Record, at: Inbound) -> list[Output]:
    """PartnerProfile: only checked; the follower takes it."""
    _check_reference(PARTNERS, ("partner", record["partner"]), record, record["partner"], at)
    return []


def _check_reference(topic: str, subject: tuple[str, str], record: Record, key: str, at: Inbound) -> None:
    at.check_key(subject, key)
    refused = trouble(topic, record)
    if refused is not None:
        raise refused


def stock_snapshot(record: Record, at: Inbound) -> list[Output]:
    """StockSnapshot → a SNAPSHOT entry: it is compared with the position and never changes it."""
    subject = ("position", f"{record['sku']}|{record['location']}")
    check_filled(
        subject,
        sku=record["sku"],
        location=record["location"],
        source=record["source"],
        event_id=record["event_id"],
    )
    at.check_key(subject, subject[1])
    at.check_time(subject, "taken_at", record["taken_at"], old=False)
    disposition = record["disposition"] or SELLABLE
    if disposition not in DISPOSITIONS:
        raise Refused(
            "INVALID_CODE", subject, f"disposition {disposition!r}; known are {', '.join(sorted(DISPOSITIONS))}"
        )
    if abs(record["on_hand"]) >= QUANTITY_LIMIT:
        raise Refused("INVALID_QUANTITY", subject, f"on_hand {record['on_hand']} is out of all proportion")
    known = at.reference.item("SKU", record["sku"], None)
    place = at.reference.location(record["location"], record["source"])
    entry = _entry("SNAPSHOT", record["event_id"], min(record["taken_at"], at.arrived), at)
    entry |= {
        "source": record["source"],
        "correlation_id": record["correlation_id"],
        "quantity": record["on_hand"],
        "disposition": disposition,
    }
    return [("inventory.ledger", f"{known.sku}|{place.code}", entry)]


def heartbeat(record: Record, at: Inbound) -> list[Output]:
    """FeedHeartbeat → a HEARTBEAT of its feed. The location may be one that reference data do not know yet."""
    source, code = record["source"], record["location"]
    subject = ("feed", f"{source}|{code}")
    check_filled(subject, source=source, location=code)
    if "|" in source or "|" in code:
        raise Refused("INVALID_CODE", subject, f"source {source!r} or location {code!r} has a '|'")
    at.check_key(subject, subject[1])
    if record["sent_at"] - at.arrived > at.rules.future_ms:
        ahead = record["sent_at"] - at.arrived
        raise Refused("TIME_IN_FUTURE", subject, f"heartbeat is {ahead} ms ahead of the clock")
    with suppress(Refused):
        code = at.reference.location(code, source).code
    event = {
        "kind": "HEARTBEAT",
        "source": source,
        "location": code,
        "event_time": record["sent_at"],
        "recorded_at": at.now,
    }
    return [("feed.events", f"{source}|{code}", event)]


def _entry(kind: str, event_id: str, occurred_at: int, at: Inbound) -> dict[str, Any]:
    return {
        "event_id": event_id,
        "occurred_at": occurred_at,
        "recorded_at": at.now,
        "source": SOURCE,
        "coordinate": at.coordinate,
        "correlation_id": at.coordinate,
        "kind": kind,
        "quantity": 0,
        "disposition": SELLABLE,
        "to_disposition": None,
        "reference": None,
        "line": None,
        "corrects": None,
        "claim": None,
        "policy": None,
        "reservation": None,
    }

"""The events by which a document hears of the scans that name it: beside their ledger entries, or instead of them.

Quantities in base units, codes looked up. Plain literals with every field of the record: this runs for every scan.
"""

from typing import Any, Final

from tables.outcome import Output
from tables.scan_checks import Scan

SUPPLY, ORDERS, SHIPMENTS = "supply.events", "order.events", "shipment.events"


def _event(scan: Scan, kind: str, coordinate: str, now: int) -> dict[str, Any]:
    return {
        "event_id": scan["event_id"],
        "occurred_at": scan["occurred_at"],
        "recorded_at": now,
        "source": scan["source"],
        "coordinate": coordinate,
        "correlation_id": scan["correlation_id"],
        "kind": kind,
    }


def received(scan: Scan, quantity: int, sku: str, place: str, disposition: str, coordinate: str, now: int) -> Output:
    """A receipt that names its purchase order."""
    named = scan["reference"]
    event = _event(scan, "RECEIVED", coordinate, now)
    event |= {
        "po_number": named["number"],
        "order": None,
        "ack": None,
        "shipped": None,
        "received": {
            "line": named["line"],
            "sku": sku,
            "location": place,
            "quantity": quantity,
            "disposition": disposition,
        },
        "inspected": None,
        "posted": None,
    }
    return (SUPPLY, named["number"], event)


def unloaded(scan: Scan, quantity: int, sku: str, place: str, disposition: str, coordinate: str, now: int) -> Output:
    """A receipt that names its ship notice; the shipments stage writes the ledger."""
    named = scan["reference"]
    event = _event(scan, "RECEIVED", coordinate, now)
    event |= {
        "shipment_id": named["number"],
        "notice": None,
        "milestone": None,
        "received": {
            "sku": sku,
            "location": place,
            "quantity": quantity,
            "disposition": disposition,
            "line": named["line"],
            "corrects": scan["corrects"],
        },
        "inspected": None,
    }
    return (SHIPMENTS, named["number"], event)


def order_event(
    scan: Scan,
    kind: str,
    quantity: int,
    sku: str,
    place: str,
    coordinate: str,
    now: int,
    disposition: str | None = None,
    to_disposition: str | None = None,
) -> Output:
    """A scan that names a sales order; dispositions of SHIPPED (none: available), RETURNED and INSPECTED."""
    named = scan["reference"]
    event = _event(scan, kind, coordinate, now)
    event |= {
        "order_number": named["number"],
        "order": None,
        "scan": {
            "line": named["line"],
            "sku": sku,
            "location": place,
            "quantity": quantity,
            "disposition": disposition,
            "to_disposition": to_disposition,
        },
        "reserved": None,
        "promised": None,
        "posted": None,
    }
    return (ORDERS, named["number"], event)


def _inspected_return(
    scan: Scan, quantity: int, sku: str, place: str, leaves: str, enters: str, coordinate: str, now: int
) -> Output:
    return order_event(scan, "INSPECTED", quantity, sku, place, coordinate, now, leaves, enters)


def _inspected_receipt(
    scan: Scan, quantity: int, sku: str, place: str, leaves: str, enters: str, coordinate: str, now: int
) -> Output:
    event = _event(scan, "INSPECTED", coordinate, now)
    event |= {
        "po_number": scan["reference"]["number"],
        "order": None,
        "ack": None,
        "shipped": None,
        "received": None,
        "inspected": _inspection(scan, quantity, sku, place, leaves, enters),
        "posted": None,
    }
    return (SUPPLY, scan["reference"]["number"], event)


def _inspected_shipment(
    scan: Scan, quantity: int, sku: str, place: str, leaves: str, enters: str, coordinate: str, now: int
) -> Output:
    event = _event(scan, "INSPECTED", coordinate, now)
    event |= {
        "shipment_id": scan["reference"]["number"],
        "notice": None,
        "milestone": None,
        "received": None,
        "inspected": _inspection(scan, quantity, sku, place, leaves, enters),
    }
    return (SHIPMENTS, scan["reference"]["number"], event)


def _inspection(scan: Scan, quantity: int, sku: str, place: str, leaves: str, enters: str) -> dict[str, Any]:
    return {
        "line": scan["reference"]["line"],
        "sku": sku,
        "location": place,
        "quantity": quantity,
        "disposition": leaves,
        "to_disposition": enters,
    }


INSPECTED: Final = {
    "PURCHASE_ORDER": _inspected_receipt,
    "ASN": _inspected_shipment,
    "SALES_ORDER": _inspected_return,
}
"""Goods of a document that changed disposition, by the kind of document the scan names."""

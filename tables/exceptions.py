"""Owned business exceptions: every category with its severity, owner and remedy, in one place."""

import hashlib
from collections.abc import Mapping
from typing import Literal, NamedTuple

from schemas.records import ExceptionRaised, ExceptionResolved

Severity = Literal["LOW", "MEDIUM", "HIGH", "CRITICAL"]
"""CRITICAL wakes engineering: a fault of ours keeps a fact out of the stock, and nobody else can mend it."""


class Category(NamedTuple):
    severity: Severity
    owner: str
    remedy: str


CATEGORIES: dict[str, Category] = {
    # ---- intake: what a record says about itself
    "NULL_KEY": Category("MEDIUM", "integration", "Send the record with the key the topic catalogue names."),
    "INVALID_KEY": Category("MEDIUM", "integration", "Send the record with the key its content asks for."),
    "NULL_VALUE": Category("MEDIUM", "integration", "Send the record; only reference data can be deleted."),
    "OVERSIZED": Category("MEDIUM", "integration", "Split the document; the limit stands in the topic catalogue."),
    "INVALID_QUANTITY": Category("MEDIUM", "warehouse", "Re-scan with a quantity the scan type allows."),
    "INVALID_CODE": Category("MEDIUM", "integration", "Use a code from the list the message names."),
    "INVALID_REFERENCE": Category("MEDIUM", "warehouse", "Re-scan against a document of the kind the message names."),
    "INVALID_DATE": Category("MEDIUM", "integration", "Correct the date the message names."),
    "INVALID_SSCC": Category("LOW", "partner-desk", "Ask the supplier to correct its pallet numbers."),
    "MISSING_FIELD": Category("MEDIUM", "integration", "Fill the field the message names."),
    "TIME_IN_FUTURE": Category("MEDIUM", "warehouse", "Set the device's clock; then have the record sent again with its true time."),
    "TIME_TOO_OLD": Category("LOW", "warehouse", "Check the device's clock and have the record sent again with its true time; where the time is true, count the position, or dismiss it."),
    "INVALID_RESERVATION": Category("LOW", "channels", "Correct the request as the message says and ask again; the channel has its refusal."),
    "UNPROCESSABLE": Category("CRITICAL", "engineering", "A fault of ours: mend it, then have the record sent again."),
    # ---- intake: what cannot even be read (dead letters)
    "NOT_AVRO": Category("MEDIUM", "integration", "Send Avro in the Confluent wire format."),
    "MALFORMED": Category("MEDIUM", "integration", "Serialize the record with the schema whose id it carries."),
    "INCOMPATIBLE": Category("MEDIUM", "integration", "Send a schema version the topic's current one can read."),
    "UNKNOWN_SCHEMA": Category("MEDIUM", "integration", "Register the schema; then have the record sent again."),
    "WRONG_SCHEMA": Category("MEDIUM", "integration", "Send the record type the topic catalogue names."),
    # ---- intake: what it refers to
    "UNKNOWN_ITEM": Category("HIGH", "master-data", "Create the item or its identifier; the record then enters by itself."),
    "UNKNOWN_LOCATION": Category("HIGH", "master-data", "Create the location or its code; the record then enters by itself."),
    "UNKNOWN_UOM": Category("HIGH", "master-data", "Add the pack size to the item; the record then enters by itself."),
    "UNKNOWN_PARTNER": Category("MEDIUM", "partner-desk", "Create the partner's profile; the record then enters by itself."),
    "INEXACT_CONVERSION": Category("HIGH", "master-data", "Correct the pack factor, or scan in a unit that converts; what needs a finer base unit needs a new SKU."),
    "BASE_UNIT_CHANGED": Category("HIGH", "master-data", "Send the item with its old base unit at once. Another unit takes a new SKU, and a count or adjustment that moves the stock there."),
    "CLOSED_LOCATION": Category("HIGH", "warehouse", "Reopen the location and have the record sent again, or scan at an open one."),
    "INACTIVE_ITEM": Category("MEDIUM", "master-data", "Reactivate the item or move the stock to its successor."),
    "DOCUMENT_CONFLICT": Category("HIGH", "partner-desk", "Two documents share a number; ask the sender which holds."),
    "SCHEMA_UNAVAILABLE": Category("HIGH", "integration", "Bring the registry back; the record then enters by itself."),
    "STALE_REVISION": Category("LOW", "integration", "None: a newer revision is already in force."),
    # ---- supply
    "UNKNOWN_PURCHASE_ORDER": Category("MEDIUM", "buyer", "Release the purchase order to this system, or refuse the document."),
    "UNKNOWN_PO_LINE": Category("MEDIUM", "buyer", "Add the line to the purchase order, or refuse the document."),
    "LINE_REJECTED": Category("HIGH", "buyer", "Find another source or cancel the line."),
    "ACK_QUANTITY": Category("MEDIUM", "buyer", "Accept the quantity in the ERP or order the rest elsewhere."),
    "ACK_DATE": Category("LOW", "buyer", "Accept the date in the ERP or expedite."),
    "SUBSTITUTION": Category("MEDIUM", "buyer", "Accept or refuse the substitute."),
    "OVER_ACKNOWLEDGED": Category("LOW", "buyer", "Ask the supplier to correct the acknowledgement."),
    "OVER_SHIPMENT": Category("MEDIUM", "buyer", "Accept the surplus or refuse it at the dock."),
    "OVER_RECEIPT": Category("HIGH", "buyer", "Raise the order (the ERP then hears of the surplus), return it, or correct the receipt."),
    "SHORT_RECEIPT": Category("MEDIUM", "buyer", "Claim the shortage from supplier or carrier, or receive what is missing."),
    "RECEIPT_WITHOUT_NOTICE": Category("LOW", "buyer", "Get the ship notice from the supplier: the goods receipt is posted to the ERP when it comes."),
    "RECEIPT_ON_HOLD": Category("MEDIUM", "quality", "Inspect, then release or put away with a scan that names the order or ship notice; the ERP hears of it then."),
    "INSPECTION_WITHOUT_RECEIPT": Category("MEDIUM", "warehouse", "Scan the receipt or return of the goods against the document the inspection named, or correct the inspection."),
    "SUPPLY_OVERDUE": Category("HIGH", "buyer", "Confirm a new date with the supplier; until then it is not promised."),
    # ---- postings
    "ERP_REFUSED": Category("HIGH", "customer-service", "Mend what the ERP names and send a new revision of the order; it is then posted again."),
    "UNKNOWN_OPERATION": Category("HIGH", "engineering", "Teach the ERP connector the operation, or correct its writer; a new revision of the document is then posted again."),
    "ROUTING_AMBIGUOUS": Category("HIGH", "integration", "Correct the ERP routing so that all locations of the document lead to one system; a new revision of the document is then posted again."),
    "SHADOW_DIFFERENCE": Category("LOW", "integration", "Compare the document in both systems before the cutover; nothing is wrong in the system of record."),
    "ERP_ACKNOWLEDGEMENT": Category("MEDIUM", "integration", "Correct the acknowledgement file and put it back under a new name."),
    # ---- shipments
    "LATE_NOTICE": Category("LOW", "buyer", "Remind the supplier to announce before it ships; the receipts are settled, close the exception."),
    "SHIPMENT_DELAYED": Category("MEDIUM", "transport", "Check the new arrival with the carrier."),
    "SHIPMENT_REFUSED": Category("HIGH", "transport", "Arrange redelivery or return."),
    "SHIPMENT_RETURNED": Category("HIGH", "transport", "Ask the supplier to ship again; the supply is no longer expected."),
    "SHIPMENT_DAMAGED": Category("HIGH", "transport", "Inspect on arrival and claim."),
    "SHIPMENT_CANCELLED": Category("HIGH", "buyer", "Ask the supplier for a new ship notice."),
    "UNKNOWN_SHIPMENT": Category("LOW", "transport", "Wait for the ship notice, or ask the supplier for it."),
    # ---- orders
    "UNKNOWN_SALES_ORDER": Category("MEDIUM", "customer-service", "Release the order to this system, or correct the scan; its shipment is confirmed to the ERP then."),
    "SHIP_WITHOUT_ORDER": Category("HIGH", "warehouse", "Take the scan back with a correcting one over its whole quantity; what did leave, scan again against its order."),
    "SHIP_WITHOUT_ALLOCATION": Category("HIGH", "customer-service", "Allocate the order line, or correct the shipment."),
    "PICK_BEYOND_ALLOCATION": Category("MEDIUM", "warehouse", "Return the surplus to stock, or raise the allocation."),
    "RETURN_BEYOND_SHIPMENT": Category("HIGH", "customer-service", "Correct the order or the quantity of the return; no more is credited than was shipped and invoiced."),
    "ALLOCATION_WITHOUT_LOCATION": Category("MEDIUM", "customer-service", "Set the location on the order line."),
    # ---- positions
    "NEGATIVE_STOCK": Category("HIGH", "inventory-control", "Count the position; a movement is missing or wrong."),
    "COUNT_BEYOND_JOURNAL": Category("HIGH", "inventory-control", "Count the position again; this count came too late."),
    "STOCK_DIVERGENCE": Category("MEDIUM", "inventory-control", "Compare with the ERP and post the difference."),
    "TRANSFER_OVERDUE": Category("HIGH", "inventory-control", "Find the goods and scan them in, or correct the transfer's TRANSFER_OUT by what never left or is lost."),
    # ---- channels
    "WEBHOOK_UNDELIVERABLE": Category("HIGH", "channels", "Mend the receiver or its declaration; then `stockstream webhooks enable`."),
    "SHOP_DIVERGENCE": Category("LOW", "channels", "Find out what else changes the shop's quantities, or wait for its orders."),
    "SHOP_REFUSED": Category("MEDIUM", "channels", "List the item in the shop; the next change of it is sent again."),
}  # fmt: skip


def exception_id(category: str, subject_kind: str, subject_id: str, coordinate: str = "") -> str:
    """The same finding has the same id however often it is made, so a replay never raises it twice."""
    name = f"{category}\x1f{subject_kind}\x1f{subject_id}\x1f{coordinate}"
    return hashlib.blake2b(name.encode(), digest_size=16).hexdigest()


def raised(
    category: str,
    subject: tuple[str, str],
    message: str,
    *,
    coordinate: str,
    raised_at: int,
    correlation_id: str,
    once_per_subject: bool = False,
    partner: str | None = None,
    owner: str | None = None,
    evidence: Mapping[str, str] | None = None,
    original: bytes = b"",
) -> ExceptionRaised:
    """Build an exception of a known category; an owner given (from a partner's profile) replaces the category's.

    With once_per_subject the id leaves the coordinate out: a condition of the subject, which can later be resolved.
    """
    severity, default_owner, remedy = CATEGORIES[category]
    return {
        "exception_id": exception_id(category, *subject, "" if once_per_subject else coordinate),
        "category": category,
        "severity": severity,
        "owner": owner or default_owner,
        "partner": partner,
        "subject": {"kind": subject[0], "id": subject[1]},
        "message": message,
        "remedy": remedy,
        "evidence": dict(evidence or {}),
        "coordinate": coordinate,
        "original": original,
        "raised_at": raised_at,
        "correlation_id": correlation_id,
    }


def resolved(
    identifier: str, category: str, note: str, *, resolved_at: int, correlation_id: str, by: str = "stockstream"
) -> ExceptionResolved:
    """Build the resolution of an exception that the pipeline itself saw settled."""
    return {
        "exception_id": identifier,
        "category": category,
        "resolution": "RESOLVED",
        "note": note,
        "resolved_at": resolved_at,
        "resolved_by": by,
        "correlation_id": correlation_id,
    }

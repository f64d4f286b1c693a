"""What the ERP's answers to postings become: events of the document they are about."""

from typing import Final

from tables.document_lines import Inbound, Record, check_filled
from tables.outcome import Output
from tables.refusal import Refused

FINAL: Final = frozenset({"POSTED", "DUPLICATE", "REFUSED"})
"""Outcomes that settle a posting; after any other the connector tries or asks again."""
PURCHASE_ORDER, SALES_ORDER, STOCK = "PURCHASE_ORDER", "SALES_ORDER", "STOCK"


def posting_result(record: Record, at: Inbound) -> list[Output]:
    """ErpPostingResult → a POSTED event of its order; nothing for a shadow's answer, an open one, or one about stock."""
    document = record["document"]
    subject = ("posting", record["idempotency_key"])
    check_filled(subject, document=document, step=record["step"], idempotency_key=record["idempotency_key"])
    at.check_key(subject, document)
    kind, _, number = document.partition(":")
    if kind not in (PURCHASE_ORDER, SALES_ORDER, STOCK) or not number:
        known = "PURCHASE_ORDER:, SALES_ORDER: or STOCK:"
        raise Refused("INVALID_CODE", subject, f"document {document!r} does not begin with {known} and name one")
    if record["shadow"] or record["outcome"] not in FINAL or kind == STOCK:
        return []
    answer = {name: record[name] for name in ("step", "revision", "outcome", "erp_document", "reason")}
    event = {
        "event_id": f"{record['idempotency_key']}/{record['attempt']}",
        "occurred_at": record["answered_at"],
        "recorded_at": at.now,
        "source": record["system"] or "ERP",
        "coordinate": at.coordinate,
        "correlation_id": record["correlation_id"],
        "kind": "POSTED",
    }
    if kind == PURCHASE_ORDER:
        event |= {"po_number": number, "order": None, "ack": None, "shipped": None, "received": None}
        return [("supply.events", number, {**event, "inspected": None, "posted": answer})]
    event |= {"order_number": number, "order": None, "scan": None, "reserved": None, "promised": None}
    return [("order.events", number, {**event, "posted": answer})]

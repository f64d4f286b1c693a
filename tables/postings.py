"""Postings: what the ERP is told of a business document, step by step, as records; `tables/posting_book.py` says when.

Quantities of a step add up over its revisions, save those of steps that are told whole.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from schemas.records import SELLABLE, ErpPosting, ErpPostingLine
from tables.outcome import Output

POSTINGS: Final = "erp.postings"
REVERSAL: Final = "_REVERSAL"
DAY_MS: Final = 86_400_000
LEAST_URGENT: Final = 9

OPERATIONS: Final = {
    "GOODS_RECEIPT": "goods_receipt",
    "SHIPMENT_CONFIRM": "shipment_confirm",
    "INVOICE_RELEASE": "invoice_release",
    "CREDIT": "credit",
    "PURCHASE_ORDER_UPDATE": "purchase_order_update",
    "INVENTORY_ADJUSTMENT": "inventory_adjustment",
    "BACKORDER": "backorder",
}
"""Operation by step; a reversal is its step's operation with negative quantities."""
PRIORITIES: Final = {
    "SHIPMENT_CONFIRM": 10,
    "INVOICE_RELEASE": 20,
    "GOODS_RECEIPT": 30,
    "CREDIT": 40,
    "BACKORDER": 50,
    "PURCHASE_ORDER_UPDATE": 60,
    "INVENTORY_ADJUSTMENT": 70,
}
"""Smaller goes first; a sales order's own priority is added."""

Amounts = Mapping[str, int]
"""Quantities in base units by place: `sku|location|disposition|line`, the line last because it may hold anything."""


def priority(step: str, urgency: int = 0) -> int:
    """The priority of a step of a document; `urgency` is a sales order's own priority, 0 to 9, smaller first."""
    return PRIORITIES[step.removesuffix(REVERSAL)] + max(0, min(urgency, LEAST_URGENT))


def key_of(document: str, step: str, revision: int) -> str:
    """The idempotency key by which the ERP takes a posting once."""
    return f"{document}/{step}/{revision}"


def posting(
    document: str,
    step: str,
    revision: int,
    lines: Sequence[ErpPostingLine],
    cause: Mapping[str, Any],
    *,
    priority: int,
    reverses: str | None = None,
    partner: str | None = None,
    causes: Sequence[str] | None = None,
) -> Output:
    """One posting as an output; `causes` are source coordinates, by default the cause's own."""
    record: ErpPosting = {
        "document": document,
        "step": step,
        "revision": revision,
        "idempotency_key": key_of(document, step, revision),
        "operation": OPERATIONS[step.removesuffix(REVERSAL)],
        "priority": priority,
        "lines": list(lines),
        "causes": list(causes) if causes else [cause["coordinate"]],
        "created_at": cause["recorded_at"],
        "correlation_id": cause["correlation_id"],
        "reverses": reverses,
        "partner": partner,
    }
    return (POSTINGS, document, record)


def posting_line(where: str, quantity: int, date: int | None) -> ErpPostingLine:
    """The line of a posting for a place; `date` is the day the stock moved."""
    sku, location, disposition, line = where.split("|", 3)
    return {
        "line": line,
        "sku": sku,
        "location": location,
        "quantity": quantity,
        "disposition": disposition or SELLABLE,
        "date": date,
        "note": None,
        "substitute": None,
    }


def difference(desired: Amounts, posted: Amounts) -> dict[str, int]:
    """Desired less posted, by place in order; places where they agree are absent."""
    return {
        where: gap
        for where in sorted(desired.keys() | posted.keys())
        if (gap := desired.get(where, 0) - posted.get(where, 0))
    }


def whole_line(line: Sequence[Any]) -> ErpPostingLine:
    """The line of a step that is told whole: line, SKU, location, quantity, date, note, substitute."""
    name, sku, location, quantity, date, note, substitute = line
    return {
        "line": name,
        "sku": sku,
        "location": location,
        "quantity": quantity,
        "disposition": SELLABLE,
        "date": date,
        "note": note,
        "substitute": substitute,
    }

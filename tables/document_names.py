"""Which business document a record is about, as `KIND:number`, for people who look for what became of one."""

from collections.abc import Mapping
from typing import Any, Final

NUMBERS: Final = (
    ("po_number", "PURCHASE_ORDER"),
    ("order_number", "SALES_ORDER"),
    ("shipment_id", "ASN"),
    ("reservation_id", "RESERVATION"),
)
LONGEST: Final = 200


def document_of(content: Mapping[str, Any] | None) -> str:
    """The document that a record refers to or is; empty where it names none."""
    if content is None:
        return ""
    reference = content.get("reference")
    if isinstance(reference, Mapping) and reference.get("kind") != "NONE" and reference.get("number"):
        return f"{reference['kind']}:{reference['number']}"[:LONGEST]
    for name, kind in NUMBERS:
        if number := content.get(name):
            return f"{kind}:{number}"[:LONGEST]
    document = content.get("document")
    return document[:LONGEST] if isinstance(document, str) else ""

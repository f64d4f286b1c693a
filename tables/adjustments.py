"""What a ledger entry changes in a position that no business document posts: adjustments of the ERP's stock.

The ERP's stock of a position is what documents post (goods receipts, shipments, credits) plus these; so an adjustment is
the actual change of on-hand less what a document posts of it. A count that swallowed a document's movement makes one too.
"""

from collections.abc import Mapping
from typing import Final

from schemas.records import SELLABLE, ErpPostingLine, LedgerEntry
from tables.outcome import Output
from tables.position import SIGNS, Position
from tables.postings import DAY_MS, posting, priority

_STEP: Final = "INVENTORY_ADJUSTMENT"
_PRIORITY: Final = priority(_STEP)
_SUPPLY: Final = ("PURCHASE_ORDER:", "ASN:")
_DEMAND: Final = ("SALES_ORDER:",)
BOUND: Final[Mapping[str, tuple[str, ...]]] = {
    "RECEIPT": _SUPPLY,
    "ISSUE": _DEMAND,
    "RETURN": _DEMAND,
    "MOVE": (*_SUPPLY, *_DEMAND),
}
"""Entries whose effect the stage of the document they name posts, now or once the document is complete."""

OnHand = dict[str, int]
"""Quantity by disposition."""


def is_bound(entry: LedgerEntry) -> bool:
    """Whether a document posts the entry's effect."""
    reference = entry["reference"]
    return reference is not None and reference.startswith(BOUND.get(entry["kind"], ()))


def touched(position: Position, entry: LedgerEntry) -> OnHand:
    """What stands, before the entry is folded, in the dispositions it may change."""
    kind, disposition = entry["kind"], entry["disposition"]
    if kind in SIGNS or kind == "COUNT":
        return {disposition: position.of(disposition)}
    if kind == "MOVE":
        target = entry["to_disposition"] or SELLABLE
        return {disposition: position.of(disposition), target: position.of(target)}
    return {}


def adjustment(key: str, position: Position, before: OnHand, entry: LedgerEntry) -> Output | None:
    """The posting for `sku|location` once the entry is folded, or None where documents post all of it."""
    posted = nominal(entry) if is_bound(entry) else {}
    change = {name: position.of(name) - stood - posted.get(name, 0) for name, stood in before.items()}
    return _posting(key, change, position.revision, entry) if any(change.values()) else None


def plain_adjustment(key: str, revision: int, entry: LedgerEntry) -> Output | None:
    """The same for a movement that tables/plain.py has folded: no count stands in its way."""
    if not entry["quantity"] or is_bound(entry):
        return None
    return _posting(key, nominal(entry), revision, entry)


def nominal(entry: LedgerEntry) -> OnHand:
    """What a movement says it changes, counts or not."""
    kind, disposition, quantity = entry["kind"], entry["disposition"], entry["quantity"]
    if kind != "MOVE":
        return {disposition: SIGNS[kind] * quantity}
    change = {disposition: -quantity}
    target = entry["to_disposition"] or SELLABLE
    change[target] = change.get(target, 0) + quantity
    return change


def _posting(key: str, change: OnHand, revision: int, entry: LedgerEntry) -> Output:
    sku, _, location = key.partition("|")
    note, day = entry["reference"] or entry["kind"], entry["occurred_at"] // DAY_MS
    lines: list[ErpPostingLine] = []
    for disposition, quantity in change.items():
        if quantity:
            lines.append(
                {
                    "line": str(len(lines) + 1),
                    "sku": sku,
                    "location": location,
                    "quantity": quantity,
                    "disposition": disposition,
                    "date": day,
                    "note": note,
                    "substitute": None,
                }
            )
    return posting(f"STOCK:{key}", _STEP, revision, lines, entry, priority=_PRIORITY)

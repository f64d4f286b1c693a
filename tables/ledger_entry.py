"""Ledger entries that the document stages write: receipts by ship notice, expected supply, allocated demand."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from schemas.records import SELLABLE, ClaimPart, LedgerEntry
from tables.outcome import Output

LEDGER = "inventory.ledger"

Part = list[Any]
"""A ClaimPart as rows keep it: line, shipment, quantity, date, state."""
Told = dict[str, list[Any]]
"""Claims by `sku|location` as last written: settled, fence_days, offset_days, parts. A claim of nothing is absent."""


def receipt(
    cause: Mapping[str, Any],
    key: str,
    quantity: int,
    disposition: str,
    reference: str,
    line: str | None,
    corrects: str | None,
) -> Output:
    """A receipt at `sku|location`; with `corrects` the quantity is a signed difference."""
    identity = f"{cause['coordinate']}/{reference}/{line or ''}/{key}/{disposition}"
    return (
        LEDGER,
        key,
        _entry(
            "RECEIPT",
            cause,
            identity,
            reference,
            quantity=quantity,
            disposition=disposition,
            line=line,
            corrects=corrects,
        ),
    )


def claim_changes(
    kind: Literal["EXPECT", "ALLOCATE"],
    reference: str,
    told: Told,
    claims: Told,
    cause: Mapping[str, Any],
    outputs: list[Output],
    reservations: Mapping[str, list[str]] | None = None,
) -> None:
    """Write every claim that differs from what was last written, the empty one for what is claimed no more.

    `reservations` are those an order not known yet has taken over, by `sku|location`.
    """
    if told == claims:
        return
    for key, claim in claims.items():
        if told.get(key) != claim:
            outputs.append(_claim(kind, reference, key, claim, cause, reservations))
    gone = sorted(told.keys() - claims.keys())
    outputs.extend(_claim(kind, reference, key, [0, *told[key][1:3], []], cause, reservations) for key in gone)


def _claim(
    kind: Literal["EXPECT", "ALLOCATE"],
    reference: str,
    key: str,
    claim: Sequence[Any],
    cause: Mapping[str, Any],
    reservations: Mapping[str, list[str]] | None,
) -> Output:
    settled, fence, offset, kept = claim
    parts: list[ClaimPart] = [
        {"line": line, "shipment": shipment, "quantity": quantity, "date": date, "state": state}
        for line, shipment, quantity, date, state in kept
    ]
    entry = _entry(kind, cause, f"{cause['coordinate']}/{reference}/{key}", reference)
    entry["claim"] = {
        "parts": parts,
        "settled": settled,
        "fence_days": fence,
        "offset_days": offset,
        "reservations": None if reservations is None else reservations.get(key, []),
    }
    return (LEDGER, key, entry)


def _entry(
    kind: Literal["RECEIPT", "EXPECT", "ALLOCATE"],
    cause: Mapping[str, Any],
    event_id: str,
    reference: str,
    *,
    quantity: int = 0,
    disposition: str = SELLABLE,
    line: str | None = None,
    corrects: str | None = None,
) -> LedgerEntry:
    return {
        "event_id": event_id,
        "occurred_at": cause["occurred_at"],
        "recorded_at": cause["recorded_at"],
        "source": cause["source"],
        "coordinate": cause["coordinate"],
        "correlation_id": cause["correlation_id"],
        "kind": kind,
        "quantity": quantity,
        "disposition": disposition,
        "to_disposition": None,
        "reference": reference,
        "line": line,
        "corrects": corrects,
        "claim": None,
        "policy": None,
        "reservation": None,
    }

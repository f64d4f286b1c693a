"""What a fold found wrong with a position, as exceptions someone owns."""

from schemas.dates import iso_date
from schemas.records import LedgerEntry
from tables.exceptions import exception_id, raised, resolved
from tables.outcome import Output
from tables.position import Finding


def reported(finding: Finding, key: str, entry: LedgerEntry) -> Output:
    """Turn a finding on the position `sku|location` into an exception or, stock being back, its resolution."""
    category, disposition, found, compared = finding
    if category == "TRANSFER_OVERDUE":
        return _transfer(disposition, found, compared, key, entry)
    subject = ("position", f"{key}|{disposition}")
    if category == "NEGATIVE_STOCK" and found >= 0:
        identifier = exception_id(category, *subject)
        note = f"{disposition} is back at {found}"
        at, correlation = entry["recorded_at"], entry["correlation_id"]
        record = resolved(identifier, category, note, resolved_at=at, correlation_id=correlation)
        return "exceptions.resolutions", identifier, record
    message = {
        "NEGATIVE_STOCK": f"{disposition} at {key} fell from {compared} to {found}",
        "COUNT_BEYOND_JOURNAL": f"a count of {found} {disposition} at {key} is older than the movements remembered; "
        f"stock stays {compared}",
        "STOCK_DIVERGENCE": f"{disposition} at {key} was {found} by the ledger and {compared} by {entry['source']}",
    }[category]
    problem = raised(
        category,
        subject,
        message,
        coordinate=entry["coordinate"],
        raised_at=entry["recorded_at"],
        correlation_id=entry["correlation_id"],
        once_per_subject=category == "NEGATIVE_STOCK",
        evidence={
            "entry": entry["kind"],
            "occurred_at": str(entry["occurred_at"]),
            "disposition": disposition,
            "found": str(found),
            "compared": str(compared),
        },
    )
    return "exceptions", problem["exception_id"], problem


def _transfer(reference: str, quantity: int, day: int, key: str, entry: LedgerEntry) -> Output:
    """A transfer that is not in long after its date, or (quantity 0) has come or was corrected at last."""
    number = reference.partition(":")[2]
    subject = ("transfer", f"{number}|{key}")
    at, correlation = entry["recorded_at"], entry["correlation_id"]
    if not quantity:
        identifier = exception_id("TRANSFER_OVERDUE", *subject)
        note = f"Nothing of transfer {number} is on its way to {key} any more."
        settled = resolved(identifier, "TRANSFER_OVERDUE", note, resolved_at=at, correlation_id=correlation)
        return "exceptions.resolutions", identifier, settled
    expected = iso_date(day)
    problem = raised(
        "TRANSFER_OVERDUE",
        subject,
        f"{quantity} of transfer {number} to {key} have not arrived; they were expected on {expected}",
        coordinate=entry["coordinate"],
        raised_at=at,
        correlation_id=correlation,
        once_per_subject=True,
        evidence={"quantity": str(quantity), "expected": expected},
    )
    return "exceptions", problem["exception_id"], problem

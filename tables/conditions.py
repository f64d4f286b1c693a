"""Exceptions that are conditions of a document: raised when the facts show them, resolved when they no longer do.

The open ones are kept in the document's row, so at the end state they do not depend on the order the facts came in.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from tables.exceptions import exception_id, raised, resolved
from tables.outcome import Output

EXCEPTIONS = "exceptions"
RESOLUTIONS = "exceptions.resolutions"

Found = dict[tuple[str, str, str], str]
"""Category, subject kind and subject id of every condition that holds now, with its message."""
Open = list[list[str]]
"""The same triples, sorted, as a row keeps them."""


def settle(
    opened: Open,
    found: Found,
    cause: Mapping[str, Any],
    partner: str | None,
    outputs: list[Output],
    owners: Mapping[str, str] = MappingProxyType({}),
) -> Open:
    """Raise what is new, resolve what is gone; return what is open now. `owners` replaces those of categories."""
    if not found and not opened:
        return opened
    current = [list(subject) for subject in sorted(found)]
    if current == opened:
        return opened
    before = {(category, kind, subject) for category, kind, subject in opened}
    for category, kind, subject in sorted(before - found.keys()):
        identifier = exception_id(category, kind, subject)
        record = resolved(
            identifier,
            category,
            f"Settled by {cause['coordinate']}.",
            resolved_at=cause["recorded_at"],
            correlation_id=cause["correlation_id"],
        )
        outputs.append((RESOLUTIONS, identifier, record))
    for category, kind, subject in sorted(found.keys() - before):
        message, owner = found[category, kind, subject], owners.get(category)
        outputs.append(_raise(category, (kind, subject), message, cause, partner, once=True, owner=owner))
    return current


def conflict(
    subject: tuple[str, str], message: str, cause: Mapping[str, Any], partner: str | None, original: Mapping[str, str]
) -> Output:
    """A finding about one record, not a condition: two different documents with one number."""
    return _raise("DOCUMENT_CONFLICT", subject, message, cause, partner, once=False, evidence=original)


def _raise(
    category: str,
    subject: tuple[str, str],
    message: str,
    cause: Mapping[str, Any],
    partner: str | None,
    *,
    once: bool,
    evidence: Mapping[str, str] | None = None,
    owner: str | None = None,
) -> Output:
    record = raised(
        category,
        subject,
        message,
        coordinate=cause["coordinate"],
        raised_at=cause["recorded_at"],
        correlation_id=cause["correlation_id"],
        once_per_subject=once,
        partner=partner,
        owner=owner,
        evidence=evidence,
    )
    return (EXCEPTIONS, record["exception_id"], record)

"""Of a document's revisions the newest holds, in whatever order they come; of two that differ under one number, the first.

A revision that closes or cancels a document may leave its lines out: then those of the newest that has any hold.
Of messages without revisions the one with the latest time holds, of two of one time the one that was sent later.
"""

import hashlib
from typing import Any, Final, TypedDict

import orjson

from schemas.records import Envelope

UNLINED: Final = -(2**63)
"""Stands for the revision of a document whose lines nobody has sent."""


class Head(TypedDict):
    """What every revision of a document has."""

    revision: int
    lined: int
    """The revision the lines are from."""
    content: str
    """Digest of all it says."""
    status: str
    lines: list[list[Any]]


class Differs(Exception):
    """Two documents with one number and one revision; `evidence` has the digests of both."""

    def __init__(self, what: str, revision: int, held: str, refused: str) -> None:
        super().__init__(f"Two different {what} carry revision {revision}; the first one holds.")
        self.evidence: dict[str, str] = {"revision": str(revision), "held": held, "refused": refused}


def newest(held: Head | None, what: str, revision: int, status: str, lines: list[list[Any]], said: Any) -> Head | None:
    """The head that holds from now on; None where an older revision, or the same again, changes nothing.

    An older one may still bring the lines: `held` then takes them. `said` is all that the revision says, `what` names
    the document in the message of Differs, which is raised.
    """
    listed = bool(lines) or status == "OPEN"
    if held is not None and revision < held["revision"]:
        if listed and revision > held["lined"]:
            held["lines"], held["lined"] = lines, revision
        return None
    content = hashlib.blake2b(orjson.dumps(said, option=orjson.OPT_SORT_KEYS), digest_size=8).hexdigest()
    if held is not None and revision == held["revision"]:
        if content != held["content"]:
            raise Differs(what, revision, held["content"], content)
        return None
    if listed:
        lined = revision
    else:
        lined, lines = (UNLINED, lines) if held is None else (held["lined"], held["lines"])
    return {"revision": revision, "lined": lined, "content": content, "status": status, "lines": lines}


def stamp(event: Envelope) -> list[Any]:
    """What orders messages about one document: their own time, which may be only a date, then their place in the log.

    The place is that in the inbound topic, whose partition they share, not the order in which they come here: one may
    have waited for reference data. It is text that sorts after an event's id, which rows of older releases have there.
    """
    return [event["occurred_at"], "~" + event["coordinate"].rpartition("@")[2].zfill(_DIGITS)]


_DIGITS: Final = 19  # of the largest offset

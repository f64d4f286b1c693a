"""What an OData-like ERP says, read with distrust: what an outcome rests on must be there, all else may be missing."""

import logging
import re
from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

import orjson

from connectors.outbound.erp.adapter import Answer, Unanswered, shortened
from schemas.logs import AtMost

LARGEST: Final = 16_000_000
"""Bytes of an answer that are read; one beyond it is cut off there, and so no JSON."""
DUPLICATE: Final = "DUPLICATE_KEY"
WHOLE: Final = re.compile(r"(-?[0-9]{1,18})(\.0{0,18})?")
"""An amount as text; OData writes decimals as text."""
LOG: Final = logging.getLogger(__name__)
LOG.addFilter(AtMost())


class Reply(NamedTuple):
    """An answer as it came over the wire."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def taken(outcome: Literal["POSTED", "DUPLICATE"], body: Any) -> Answer:
    """It is in the ERP, whatever else the answer tells of it."""
    told: Mapping[str, Any] = body if isinstance(body, dict) else {}
    number = told.get("DocumentNumber")
    return Answer(outcome, None if number is None else shortened(str(number)), totals=_totals(told.get("Totals")))


def posted(reply: Reply) -> Answer:
    """The ERP's success, with or without a body; raise Unanswered for a body that is not the ERP's."""
    return taken("POSTED", object_of(reply, sent=True) if reply.body else None)


def refusal(reply: Reply) -> Answer:
    """A business reason; raise Unanswered where the answer names none."""
    try:
        error = orjson.loads(reply.body)["error"]
        code, message = str(error["code"]), str(error["message"])
    except (ValueError, KeyError, TypeError):
        raise Unanswered(f"{reply.status} without a reason", taken=False) from None
    if code == DUPLICATE:
        return taken("DUPLICATE", error.get("innererror"))
    return Answer("REFUSED", None, shortened(f"{code}: {message}"))


def rows_of(reply: Reply) -> list[dict[str, Any]]:
    """The rows of an answer to a question; raise Unanswered."""
    if reply.status != 200:
        raise Unanswered(f"{reply.status} to an inquiry", taken=False)
    return objects(object_of(reply, sent=False), "value")


def object_of(reply: Reply, *, sent: bool) -> dict[str, Any]:
    """The body; raise Unanswered, which says that a posting was `sent`."""
    try:
        body = orjson.loads(reply.body)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        limit = f" of at most {LARGEST} bytes" if len(reply.body) >= LARGEST else ""
        raise Unanswered(f"{reply.status} with a body that is no JSON object{limit}", taken=sent)
    return body


def objects(row: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """A list of objects; raise Unanswered."""
    found = row.get(name)
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise Unanswered(f"an answer without a list of objects in `{name}`", taken=False)
    return found


def text(row: Mapping[str, Any], name: str) -> str:
    """Text, or a number that stands for it; raise Unanswered."""
    found = row.get(name)
    if isinstance(found, bool) or not isinstance(found, str | int):
        raise Unanswered(f"an answer with a row without `{name}`", taken=False)
    return str(found)


def quantity(row: Mapping[str, Any], name: str = "Quantity") -> int:
    """A whole amount, as a number or as decimal text; raise Unanswered."""
    found = row.get(name)
    if isinstance(found, int) and not isinstance(found, bool):
        return found
    if isinstance(found, float) and found.is_integer():
        return int(found)
    if isinstance(found, str) and (match := WHOLE.fullmatch(found)):
        return int(match[1])
    raise Unanswered(f"an answer whose `{name}` is no whole amount: {str(found)[:50]!r}", taken=False)


def _totals(told: Any) -> dict[str, int] | None:
    """What the document has come to, where that can be read: nothing but a comparison rests on it."""
    if told is None:
        return None
    try:
        return {
            f"{text(t, 'Line')}|{text(t, 'Sku')}|{text(t, 'Location')}|{text(t, 'Disposition')}": quantity(t)
            for t in objects({"Totals": told}, "Totals")
        }
    except Unanswered as fault:
        LOG.warning("totals of a posting that was taken cannot be read and are not compared: %s", fault.reason)
        return None

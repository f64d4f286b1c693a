"""EPCIS 2.0 events (JSON) to warehouse scans. Pure: no clock, no network; one event becomes all its scans or none.

Field names and meanings: EPCIS 2.0, sections 7.3 and 7.4; vocabulary: connectors/inbound/cbv.py.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from connectors.inbound import cbv
from connectors.inbound.epcis_lines import Line, counted, lines
from connectors.inbound.epcis_meaning import Terms, dispositions, step_name, step_of, terms
from connectors.inbound.gs1 import NotGs1, place
from connectors.inbound.unmapped import Unmapped, several, text
from schemas.records import Reference, ScanType, WarehouseScan

TYPES: Final = ("ObjectEvent", "AggregationEvent")
NO_DOCUMENT: Final[Reference] = {"kind": "NONE", "number": "", "line": None}
Event = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Capture:
    """What holds for every event of a request."""

    source: str
    """The feed, as the scans name it."""
    sent_at: int
    """Business time of the request, ms."""
    skipped: frozenset[str] = frozenset()
    """Business steps that are taken note of and book nothing."""


def events(document: object) -> Iterator[tuple[str, Any]]:
    """The events of an EPCISDocument, or the one bare event, each with its path; raise Unmapped for anything else."""
    if not isinstance(document, Mapping):
        raise Unmapped("", "the body is not a JSON object", "send an EPCISDocument or one event")
    if "type" in document and document["type"] not in ("EPCISDocument", "EPCISQueryDocument"):
        yield "", document
        return
    version = document.get("schemaVersion", "2.0")
    if not str(version).startswith("2."):
        raise Unmapped("schemaVersion", f"{version!r} is not taken", "send EPCIS 2.0")
    found, path = document, ""
    for step in ("epcisBody", "queryResults", "resultsBody"):
        if isinstance(found.get(step), Mapping):
            found, path = found[step], f"{path}{step}."
    given = found.get("eventList")
    if not isinstance(given, list) or not given:
        raise Unmapped(f"{path}eventList", "no events", "send an EPCISDocument with epcisBody.eventList, or one event")
    for number, event in enumerate(given):
        yield f"{path}eventList[{number}]", event


def scans(event: object, path: str, capture: Capture) -> list[WarehouseScan]:
    """What an event becomes, in the order of its items; empty for a step that is skipped. Raise Unmapped."""
    if not isinstance(event, Mapping):
        raise Unmapped(path, "an event is a JSON object", "send an EPCIS event")
    at = f"{path}." if path else ""
    if event.get("type") not in TYPES:
        raise Unmapped(f"{at}type", f"{event.get('type')!r} is not taken", f"send one of {', '.join(TYPES)}")
    name = step_name(event, at)
    if name in capture.skipped:
        return []
    step = step_of(event, name, at)
    meant = terms(step, name, *dispositions(event, at), at)
    moved = lines(event, at)
    if meant.scan_type == "COUNT":
        moved = counted(moved)
    reference = _reference(event, meant.scan_type, at)
    corrects = _undone(event, name, at) if step.undoes else None
    made = [
        _scan(event, at, capture, meant, identifier, line, step.sign, reference, corrects)
        for identifier, line in zip(_identifiers(event, at, len(moved)), moved, strict=True)
    ]
    if event.get("errorDeclaration") is None:
        return made
    return [_reversed(scan, event, at) for scan in made]


# ---- documents --------------------------------------------------------------------------------------------------


def _reference(event: Event, scan_type: ScanType, at: str) -> Reference:
    for kind, ours in cbv.REFERENCES.get(scan_type, ()):
        number = _transaction(event, kind, at)
        if number is not None:
            return {"kind": ours, "number": number, "line": None}
    if scan_type in ("PICK", "PACK"):
        raise Unmapped(
            f"{at}bizTransactionList", "names no order", f"add a bizTransaction of type po: a {scan_type} is an order's"
        )
    return NO_DOCUMENT


def _undone(event: Event, name: str, at: str) -> str:
    """The id of the event that this one takes back."""
    found = _transaction(event, cbv.PREVIOUS_EVENT, at)
    if found is None:
        raise Unmapped(
            f"{at}bizTransactionList",
            f"{name} does not say which event it takes back",
            "add a bizTransaction of type upevt with that event's eventID",
        )
    return found


def _transaction(event: Event, kind: str, at: str) -> str | None:
    """The number of the one document of a kind; urn:epcglobal:cbv:bt:GLN:NUMBER, an address, or the number itself."""
    where, found = f"{at}bizTransactionList", set[str]()
    for number, entry in enumerate(several(event, "bizTransactionList", at)):
        if not isinstance(entry, Mapping):
            raise Unmapped(f"{where}[{number}]", "is not an object", "send {type, bizTransaction}")
        given, value = text(entry, "type", f"{where}[{number}]."), text(entry, "bizTransaction", f"{where}[{number}].")
        if value is None:
            raise Unmapped(f"{where}[{number}].bizTransaction", "is missing", "send the document's identifier")
        if given is not None and cbv.word(given) == kind:
            found.add(_event_id(value) if kind == cbv.PREVIOUS_EVENT else _number(value, f"{where}[{number}]"))
    if len(found) > 1:
        raise Unmapped(where, f"names {len(found)} documents of type {kind}", "send one event for each document")
    return next(iter(found), None)


def _number(identifier: str, path: str) -> str:
    if identifier.startswith("urn:epcglobal:cbv:bt:"):
        number = identifier.rpartition(":")[2]
    elif identifier.startswith(("http://", "https://")):
        number = identifier.rstrip("/").rpartition("/")[2]
    else:
        number = identifier
    if not number.strip() or number.startswith("urn:"):
        raise Unmapped(
            f"{path}.bizTransaction", f"{identifier!r} holds no number", "send urn:epcglobal:cbv:bt:GLN:NUMBER"
        )
    return number


# ---- the scan ---------------------------------------------------------------------------------------------------


def _identifiers(event: Event, at: str, count: int) -> list[str]:
    """The event's id, numbered where it becomes several scans; without one, its content's: sent twice it is the same."""
    given = text(event, "eventID", at)
    if given is None:
        if event.get("errorDeclaration") is not None:
            raise Unmapped(f"{at}eventID", "is missing", "an error can only be declared of an event by its eventID")
        content = {name: value for name, value in event.items() if name != "recordTime"}
        digest = hashlib.blake2b(orjson.dumps(content, option=orjson.OPT_SORT_KEYS), digest_size=16)
        identifier = digest.hexdigest()
    else:
        identifier = _event_id(given)
    return [identifier] if count == 1 else [f"{identifier}/{number}" for number in range(count)]


def _event_id(given: str) -> str:
    return given.removeprefix("urn:uuid:")


def _scan(
    event: Event,
    at: str,
    capture: Capture,
    meant: Terms,
    identifier: str,
    line: Line,
    sign: int,
    reference: Reference,
    corrects: str | None,
) -> WarehouseScan:
    if line.quantity == 0 and meant.scan_type != "COUNT":
        raise Unmapped(line.path, f"a quantity of 0 is nothing to {meant.scan_type}", "leave the item out")
    return {
        "event_id": identifier,
        "scan_type": meant.scan_type,
        "item": {"scheme": "GTIN", "code": line.gtin},
        "location": _location(event, meant.scan_type, at),
        "quantity": sign * line.quantity,
        "uom": line.uom,
        "disposition": meant.disposition,
        "to_disposition": meant.to_disposition,
        "to_location": None,
        "lot": line.lot,
        "device_id": _identified(event, "readPoint", at),
        "operator": None,
        "reference": reference,
        "corrects": corrects,
        "occurred_at": _moment(event, at),
        "sent_at": capture.sent_at,
        "source": capture.source,
        "correlation_id": identifier.partition("/")[0],
    }


def _reversed(scan: WarehouseScan, event: Event, at: str) -> WarehouseScan:
    """An error is declared by sending the event again with errorDeclaration: what it booked is taken back.

    The events that correct it (correctiveEventIDs) are events of their own and are booked when they come.
    """
    if not isinstance(event["errorDeclaration"], Mapping):
        raise Unmapped(f"{at}errorDeclaration", "is not an object", "send {declarationTime, reason}")
    if scan["scan_type"] == "COUNT":
        raise Unmapped(f"{at}errorDeclaration", "a count cannot be taken back", "count again: the newest count holds")
    if scan["corrects"] is not None:
        raise Unmapped(
            f"{at}errorDeclaration",
            "an event that takes back another cannot itself be taken back",
            "send the step anew",
        )
    return {
        **scan,
        "event_id": f"{scan['event_id']}/error",
        "quantity": -scan["quantity"],
        "corrects": scan["event_id"],
    }


def _location(event: Event, scan_type: ScanType, at: str) -> str:
    """Where the goods are after the event, or, when they leave, where they were read last."""
    order = ("readPoint", "bizLocation") if scan_type == "SHIP" else ("bizLocation", "readPoint")
    for name in order:
        identifier = _identified(event, name, at)
        if identifier is not None:
            try:
                return place(identifier)
            except NotGs1 as error:
                raise Unmapped(f"{at}{name}.id", str(error), "send the GLN of the location") from None
    raise Unmapped(f"{at}{order[0]}", "is missing", f"say where it happened: {order[0]}.id or {order[1]}.id")


def _identified(event: Event, name: str, at: str) -> str | None:
    given = event.get(name)
    if given is None:
        return None
    if isinstance(given, str):
        given = {"id": given}
    if not isinstance(given, Mapping):
        raise Unmapped(f"{at}{name}", "is not an object", "send {id}")
    return text(given, "id", f"{at}{name}.")


def _moment(event: Event, at: str) -> int:
    """The eventTime in ms; it carries its zone (EPCIS 2.0, section 7.4.1)."""
    given = text(event, "eventTime", at)
    if given is None:
        raise Unmapped(f"{at}eventTime", "is missing", "send an ISO 8601 time with a zone")
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        raise Unmapped(f"{at}eventTime", f"{given!r} is no time", "send an ISO 8601 time with a zone") from None
    if moment.tzinfo is None:
        raise Unmapped(f"{at}eventTime", f"{given!r} has no zone", "end it with Z or an offset such as +01:00")
    return round(moment.timestamp() * 1000)

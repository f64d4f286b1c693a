"""From what a caller sent to the Avro record of its topic: defaults filled, rules checked that need no reference data."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError

from connectors.api.idempotency import digest
from connectors.api.inbound_models import AckIn, AsnIn, HeartbeatIn, Inbound, MilestoneIn, ScanIn
from connectors.api.problems import path
from connectors.api.security import Principal
from tables.item_codes import BadCode, normal_code
from tables.refusal import Refused
from tables.scan_checks import check_sign
from tables.supplier_documents import NEEDS_LINES

Fault = dict[str, str]
"""Field, what is wrong with it, what it takes."""
Record = dict[str, Any]


class Unfit(Exception):
    """An item that cannot be sent on: 422 with its faults, or 403 where it speaks for another partner."""

    def __init__(self, faults: list[Fault], status: int = 422) -> None:
        super().__init__("; ".join(f"{fault['field']}: {fault['wrong']}" for fault in faults))
        self.faults, self.status = faults, status


def fault(field: str, wrong: str, takes: str) -> Fault:
    return {"field": field, "wrong": wrong, "takes": takes}


@dataclass(frozen=True, slots=True)
class Sent:
    """What holds for all items of a request."""

    caller: Principal
    now: int
    key: str | None
    """The Idempotency-Key."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One route: its model, its topic, the field that says who speaks, and the record's key."""

    name: str
    model: type[Inbound]
    topic: str
    speaker: str
    key: Callable[[Record], str]
    faults: Callable[[Record], list[Fault]]

    def record(self, item: object, number: int, sent: Sent) -> Record:
        """The record of one item; raise Unfit."""
        try:
            record = self.model.model_validate(item).model_dump()
        except ValidationError as error:
            raise Unfit([_described(self.model, one) for one in error.errors(include_url=False)]) from None
        _speaks(record, self.speaker, sent.caller)
        for name in ("sent_at",):
            if name in record and record[name] is None:
                record[name] = sent.now
        if "event_id" in record:
            record["event_id"] = record["event_id"] or _event_id(self.name, number, sent)
            for name in ("correlation_id", "document"):
                if name in record:
                    record[name] = record[name] or record["event_id"]
        if found := self.faults(record):
            raise Unfit(found)
        return record


def _event_id(name: str, number: int, sent: Sent) -> str:
    """The same request gives the same ids, so intake takes each event once, however often it is sent."""
    if sent.key is None:
        takes = "the event's id, or an Idempotency-Key with the request"
        raise Unfit([fault("event_id", "is missing: sent again, the event would count twice", takes)])
    return digest(sent.caller.partner or sent.caller.id, name, sent.key, str(number))


def _speaks(record: Record, speaker: str, caller: Principal) -> None:
    """A caller bound to a partner speaks for that one only."""
    if record[speaker] is None and caller.partner is None:
        raise Unfit([fault(speaker, "is missing", "who sends this")])
    record[speaker] = record[speaker] or caller.partner
    check_speaker(speaker, record[speaker], caller)


def check_speaker(field: str, speaker: str, caller: Principal) -> None:
    """Raise Unfit 403 where a bound caller names another."""
    if caller.partner is not None and speaker != caller.partner:
        raise Unfit([fault(field, f"{speaker!r} is not the caller", caller.partner)], 403)


# ---- rules of each record ---------------------------------------------------------------------------------------


def _codes(items: Mapping[str, Mapping[str, Any] | None]) -> list[Fault]:
    found = []
    for field, item in items.items():
        try:
            if item is not None:
                normal_code(item["scheme"], item["code"])
        except BadCode as error:
            found.append(fault(f"{field}.code", str(error), "a code of its scheme; a GTIN has 8, 12, 13 or 14 digits"))
    return found


def scan_faults(scan: Record) -> list[Fault]:
    """What intake would refuse whatever the reference data say."""
    kind, named, found = scan["scan_type"], scan["reference"], _codes({"item": scan["item"]})
    try:
        check_sign(scan, kind, scan["quantity"])
    except Refused as refused:
        field = "corrects" if refused.category == "INVALID_REFERENCE" else "quantity"
        found.append(fault(field, refused.message, str(ScanIn.model_fields[field].description)))
    if (named["kind"] == "NONE") != (not named["number"]):
        found.append(fault("reference", "names a kind or a number without the other", "both, or neither"))
    if kind == "COUNT" and scan["lot"]:
        found.append(fault("lot", "a count of one lot would replace the others'", "null: count all lots together"))
    needed = {"PICK": "SALES_ORDER", "PACK": "SALES_ORDER", "TRANSFER_OUT": "TRANSFER", "TRANSFER_IN": "TRANSFER"}
    if kind in needed and named["kind"] != needed[kind]:
        found.append(fault("reference.kind", f"a {kind} belongs to a {needed[kind]}", needed[kind]))
    if kind == "TRANSFER_OUT" and scan["to_location"] in (None, scan["location"]):
        found.append(fault("to_location", "is missing or the location itself", "the location it goes to"))
    return found


def _asn_faults(asn: Record) -> list[Fault]:
    found = _codes({f"lines[{number}].item": line["item"] for number, line in enumerate(asn["lines"])})
    if asn["purpose"] != "CANCEL":
        found += [
            fault(f"lines[{number}].quantity", "is zero", "above 0, unless the purpose is CANCEL")
            for number, line in enumerate(asn["lines"])
            if not line["quantity"]
        ]
        if not asn["lines"]:
            found.append(fault("lines", "there are none", "the lines shipped; none only in a CANCEL"))
    return found


def _ack_faults(ack: Record) -> list[Fault]:
    found: list[Fault] = []
    for number, line in enumerate(ack["lines"]):
        where = f"lines[{number}]"
        found += _codes({f"{where}.{name}": line[name] for name in ("item", "substitute")})
        if line["quantity"] and line["item"] is None and line["substitute"] is None:
            found.append(
                fault(f"{where}.item", "is missing, and the line has a quantity", "the item it is in units of")
            )
    if not ack["lines"] and ack["ack_type"] in NEEDS_LINES:
        found.append(fault("lines", f"an acknowledgement {ack['ack_type']} says nothing without", "the lines' answers"))
    return found


def _none(_: Record) -> list[Fault]:
    return []


SCANS: Final = Kind("scans", ScanIn, "warehouse.scans", "source", lambda scan: str(scan["item"]["code"]), scan_faults)
ASNS: Final = Kind("asns", AsnIn, "supplier.asns", "supplier", lambda asn: str(asn["shipment_id"]), _asn_faults)
ACKS: Final = Kind("acks", AckIn, "supplier.acks", "supplier", lambda ack: str(ack["po_number"]), _ack_faults)
MILESTONES: Final = Kind(
    "milestones", MilestoneIn, "carrier.milestones", "carrier", lambda milestone: str(milestone["shipment_id"]), _none
)
HEARTBEATS: Final = Kind(
    "heartbeats", HeartbeatIn, "feeds.heartbeats", "source", lambda beat: f"{beat['source']}|{beat['location']}", _none
)


# ---- what a model finds -----------------------------------------------------------------------------------------


_OWN_WORDS: Final = {
    "model_type": "is not an object",
    "extra_forbidden": "is no field that is known here",
    "missing": "is missing",
}


def _described(model: type[BaseModel], error: Any) -> Fault:
    """A finding of pydantic's with the field's own words for what it takes."""
    where = path(error["loc"]) or "item"
    wrong = _OWN_WORDS.get(error["type"]) or str(error["msg"]).removeprefix("Value error, ")
    return fault(where, wrong, _takes(model, error["loc"]))


def _takes(model: type[BaseModel], location: tuple[Any, ...]) -> str:
    at: type[BaseModel] | None = model
    words = ""
    for part in location:
        if at is None or isinstance(part, int):
            continue
        info = at.model_fields.get(part)
        if info is None:
            return f"one of {', '.join(at.model_fields)}"
        words, at = info.description or "", _nested(info.annotation)
    return words or "an object with the fields of the description"


def _nested(annotation: Any) -> type[BaseModel] | None:
    """The model a field holds, itself, in a list or as an option."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _nested(part))), None)

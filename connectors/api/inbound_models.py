"""What the ingest routes take: one model a record, with its fields' meaning; and how each becomes the Avro record.

Structure and code lists are checked here, at once; what needs reference data (is the item known?) is intake's to find.
"""

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema

from schemas.dates import days_of
from schemas.records import Disposition, ReferenceKind, ScanType
from tables.intake_rules import DAY_MS, LAST_DAY
from tables.supplier_documents import ACK_TYPES, ARRIVAL_DATES, LINE_STATUSES, OTHER_DATES, SHIP_DATES
from tables.units import QUANTITY_LIMIT

DATE_KINDS = SHIP_DATES | ARRIVAL_DATES | OTHER_DATES


def _moment(value: object) -> int:
    """ISO 8601 with a zone, or ms since 1970, as ms."""
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(f"{value[:40]!r} is no ISO 8601 time") from None
        if moment.tzinfo is None:
            raise ValueError(f"{value!r} has no zone: end it with Z or an offset such as +01:00")
        value = round(moment.timestamp() * 1000)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("is neither text nor a whole number of ms")  # noqa: TRY004 - what pydantic collects
    if not 0 <= value <= LAST_DAY * DAY_MS:
        raise ValueError(f"{value} ms is no time between 1970 and 2169")
    return value


def _day(value: object) -> int:
    """YYYY-MM-DD, or days since 1970-01-01, as days."""
    if isinstance(value, str):
        try:
            return _day(days_of(date.fromisoformat(value)))
        except ValueError:
            raise ValueError(f"{value[:40]!r} is no date such as 2026-12-01, from 1970 to 2169") from None
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("is neither text nor a whole number of days")  # noqa: TRY004 - what pydantic collects
    if not 0 <= value <= LAST_DAY:
        raise ValueError(f"day {value} is not between 1970 and 2169")
    return value


def _in(codes: frozenset[str], where: str) -> AfterValidator:
    """A code of a list that is too long for a Literal."""

    def check(value: str) -> str:
        if value not in codes:
            raise ValueError(f"{value[:40]!r} is not in {where}")
        return value

    return AfterValidator(check)


def _enum(codes: frozenset[str]) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "enum": sorted(codes)})


_TIME_SCHEMA = {
    "anyOf": [
        {"type": "string", "format": "date-time"},
        {"type": "integer", "minimum": 0, "maximum": LAST_DAY * DAY_MS},
    ]
}
_DAY_SCHEMA = {"anyOf": [{"type": "string", "format": "date"}, {"type": "integer", "minimum": 0, "maximum": LAST_DAY}]}
Moment = Annotated[int, BeforeValidator(_moment), WithJsonSchema(_TIME_SCHEMA)]
Day = Annotated[int, BeforeValidator(_day), WithJsonSchema(_DAY_SCHEMA)]
LineStatus = Annotated[str, _in(LINE_STATUSES, "X12 668"), _enum(LINE_STATUSES)]
AckType = Annotated[str, _in(ACK_TYPES, "X12 587"), _enum(ACK_TYPES)]
DateKind = Annotated[str, _in(DATE_KINDS, "X12 374"), _enum(DATE_KINDS)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=300, pattern=r"^\S(.*\S)?$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\s|*]([^|]*[^\s|])?$")]
Note = Annotated[str, StringConstraints(max_length=2_000)]
Whole = Annotated[int, Field(strict=True, gt=-QUANTITY_LIMIT, lt=QUANTITY_LIMIT)]
Count = Annotated[int, Field(strict=True, ge=0, lt=QUANTITY_LIMIT)]
EventId = Annotated[Text | None, Field(description="Id of the event, unique with its sender: taken once. "
    "May be left out with an Idempotency-Key, from which it then follows.")]  # fmt: skip
CorrelationId = Annotated[Text | None, Field(description="Follows the event everywhere; left out: the event's id.")]


class Inbound(BaseModel):
    """A field that is not known is refused: a misspelt one never passes for one left out."""

    model_config = ConfigDict(extra="forbid")


class ItemIn(Inbound):
    scheme: Annotated[Text, Field(description="Kind of code: SKU, GTIN, VENDOR_PART or BUYER_PART.", examples=["SKU"])]
    code: Annotated[Text, Field(description="The code as printed or sent.", examples=["SKU-0001"])]


class ReferenceIn(Inbound):
    kind: Annotated[ReferenceKind, Field(description="Kind of the document.")] = "NONE"
    number: Annotated[Text | Literal[""], Field(description="Its number; empty for NONE.")] = ""
    line: Annotated[Text | None, Field(description="Line of the document, where known.")] = None


class ScanIn(Inbound):
    """One scan of a warehouse device."""

    event_id: EventId = None
    scan_type: Annotated[ScanType, Field(description="What happened.")]
    item: Annotated[ItemIn, Field(description="The item as scanned.")]
    location: Annotated[Text, Field(description="Where: our code or the sender's.", examples=["DC01"])]
    quantity: Annotated[Whole, Field(description="Whole units of `uom`; above 0, a COUNT from 0, an ADJUST signed, "
        "with `corrects` the signed difference.", examples=[24])]  # fmt: skip
    uom: Annotated[Text, Field(description="Unit: the item's base unit or one of its packs.", examples=["EA"])]
    disposition: Annotated[Disposition | None, Field(description="State of the goods before the scan.")] = None
    to_disposition: Annotated[Disposition | None, Field(description="State after PUTAWAY, HOLD or RELEASE.")] = None
    to_location: Annotated[Text | None, Field(description="Where a TRANSFER_OUT goes.")] = None
    lot: Annotated[Text | None, Field(description="Lot number as printed.")] = None
    device_id: Annotated[Text | None, Field(description="Scanning device.")] = None
    operator: Annotated[Text | None, Field(description="Who scanned.")] = None
    reference: Annotated[ReferenceIn, Field(description="The document it belongs to.")] = ReferenceIn()
    corrects: Annotated[Text | None, Field(description="event_id of the scan this one corrects.")] = None
    occurred_at: Annotated[Moment, Field(description="When: ISO 8601 with a zone, or ms since 1970 UTC.")]
    sent_at: Annotated[Moment | None, Field(description="When it was sent; left out: now.")] = None
    source: Annotated[Name | None, Field(description="The feed, for example WMS-DC01; a caller bound to a partner "
        "may leave it out.")] = None  # fmt: skip
    correlation_id: CorrelationId = None


class AsnLineIn(Inbound):
    po_number: Annotated[Text, Field(description="Purchase order of the line.")]
    po_line: Annotated[Text | Literal[""], Field(description="Line of that order; empty where unknown.")] = ""
    item: Annotated[ItemIn, Field(description="The item as the supplier names it.")]
    quantity: Annotated[Count, Field(description="Units shipped, whole.")]
    uom: Annotated[Text, Field(description="Unit of the quantity.")]
    shipped_to_date: Annotated[Count | None, Field(description="Cumulative units shipped of the order line.")] = None
    sscc: Annotated[Text | None, Field(description="SSCC-18 of the pallet or package.")] = None
    lot: Annotated[Text | None, Field(description="Lot number.")] = None
    expires: Annotated[Day | None, Field(description="Expiry date, YYYY-MM-DD.")] = None


class AsnIn(Inbound):
    """A supplier's ship notice, whole."""

    event_id: EventId = None
    supplier: Annotated[Name | None, Field(description="Who sends it; a bound caller may leave it out.")] = None
    shipment_id: Annotated[Text, Field(description="The shipment.", examples=["SH-77"])]
    purpose: Annotated[Literal["ORIGINAL", "CANCEL", "REPLACE"], Field(description="What it does.")] = "ORIGINAL"
    carrier: Annotated[Text | None, Field(description="Carrier.")] = None
    tracking: Annotated[Text | None, Field(description="The carrier's reference.")] = None
    ship_from: Annotated[Text, Field(description="Where it leaves.")]
    ship_to: Annotated[Text, Field(description="Where it goes: our code or the supplier's.")]
    shipped_at: Annotated[Moment, Field(description="When it left: ISO 8601 with a zone, or ms.")]
    estimated_arrival: Annotated[Moment | None, Field(description="When it should arrive.")] = None
    lines: Annotated[list[AsnLineIn], Field(max_length=2_000, description="Its lines; none only in a CANCEL.")]
    document: Annotated[Text | None, Field(description="The sender's document number; left out: the event's id.")] = (
        None
    )
    correlation_id: CorrelationId = None


class AckLineIn(Inbound):
    line: Annotated[Text, Field(description="Line of the purchase order.")]
    item: Annotated[ItemIn | None, Field(description="The item, needed with a quantity.")] = None
    status: Annotated[LineStatus, Field(description="Line status, X12 668.", examples=["IA"])]
    quantity: Annotated[Count | None, Field(description="Units, whole.")] = None
    uom: Annotated[Text | None, Field(description="Unit of the quantity.")] = None
    date_kind: Annotated[
        DateKind | None,
        Field(description="What the date is, X12 374."),
    ] = None
    date: Annotated[Day | None, Field(description="The date, YYYY-MM-DD.")] = None
    substitute: Annotated[ItemIn | None, Field(description="The item offered instead (status IS).")] = None
    note: Annotated[Note | None, Field(description="Free text.")] = None


class AckIn(Inbound):
    """A supplier's answer to a purchase order."""

    event_id: EventId = None
    supplier: Annotated[Name | None, Field(description="Who answers; a bound caller may leave it out.")] = None
    po_number: Annotated[Text, Field(description="The purchase order.", examples=["450001"])]
    po_revision: Annotated[Count | None, Field(description="Its revision, where known.")] = None
    ack_type: Annotated[AckType, Field(description="Kind of answer, X12 587.", examples=["AC"])]
    acknowledged_at: Annotated[Moment, Field(description="When: ISO 8601 with a zone, or ms.")]
    lines: Annotated[
        list[AckLineIn], Field(max_length=2_000, description="Answers by line; none: the whole order.")
    ] = []
    document: Annotated[Text | None, Field(description="The sender's document number; left out: the event's id.")] = (
        None
    )
    correlation_id: CorrelationId = None


class MilestoneIn(Inbound):
    """A carrier's status of a shipment."""

    event_id: EventId = None
    carrier: Annotated[Name | None, Field(description="Who tells it; a bound caller may leave it out.")] = None
    shipment_id: Annotated[Text, Field(description="The shipment.")]
    status: Annotated[Text, Field(max_length=10, description="Status, X12 1650.", examples=["X6"])]
    reason: Annotated[Text | None, Field(description="Reason, X12 1651.")] = None
    place: Annotated[Text | None, Field(description="Where.")] = None
    occurred_at: Annotated[Moment, Field(description="When: ISO 8601 with a zone, or ms.")]
    estimated_arrival: Annotated[Moment | None, Field(description="When it should arrive now.")] = None
    document: Annotated[Text | None, Field(description="The sender's document number; left out: the event's id.")] = (
        None
    )
    correlation_id: CorrelationId = None


class HeartbeatIn(Inbound):
    """A feed is alive although it has nothing to tell."""

    source: Annotated[Name | None, Field(description="The feed; a bound caller may leave it out.")] = None
    location: Annotated[Name, Field(description="Location the feed speaks for.", examples=["DC01"])]
    sent_at: Annotated[Moment | None, Field(description="When it was sent; left out: now.")] = None

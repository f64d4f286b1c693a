"""The shapes of the API's answers, for its description; answers are built from stored records without passing here."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Ms = Annotated[int, Field(description="Milliseconds since 1970-01-01 UTC.", examples=[1795852800000])]
Days = Annotated[int, Field(description="Days since 1970-01-01.", examples=[20785])]
Units = Annotated[int, Field(description="Base units of the item.", examples=[120])]
Sku = Annotated[str, Field(examples=["SKU-0001"])]
Place = Annotated[str, Field(examples=["DC01"])]
Freshness = Literal["FRESH", "LATE", "STALE", "UNKNOWN"]
Severity = Literal["LOW", "MEDIUM", "HIGH", "CRITICAL"]
State = Literal["OPEN", "RESOLVED", "REPLAYED", "DISMISSED"]
SalesStatus = Literal["IN_STOCK", "LOW", "OUT", "EXPECTED"]


class Shape(BaseModel):
    """Fields may be added: readers take no offence at ones they do not know."""

    model_config = ConfigDict(extra="allow")


class SourceStamp(Shape):
    source: Annotated[str, Field(examples=["WMS-DC01"])]
    location: Place
    event_time: Ms
    ingested_at: Ms


class Feed(Shape):
    """Whether a source is heard of at a location."""

    source: Annotated[str, Field(examples=["WMS-DC01"])]
    location: Place
    status: Literal["FRESH", "LATE", "STALE"]
    since: Ms
    last_event_at: Ms | None
    last_heartbeat_at: Ms | None
    computed_at: Ms


class Promise(Shape):
    date: Days
    quantity: Units


class Bucket(Shape):
    date: Days
    atp: Units


class OfferPlace(Shape):
    location: Place
    quantity: Units
    feed: Freshness


class Because(Shape):
    """A location whose feed is not fresh, and the channel's rule for that."""

    location: Place
    feed: Literal["LATE", "STALE"]
    rule: Annotated[str, Field(examples=["HAIRCUT 30%"])]


class Offer(Shape):
    """What a channel may offer of a SKU now, its fallback rules applied."""

    channel: Annotated[str, Field(examples=["webshop"])]
    sku: Sku
    revision: int
    previous_revision: int
    quantity: Units
    previous_quantity: Units
    status: SalesStatus
    by_location: list[OfferPlace]
    next_date: Days | None
    buffer: Units
    fallback: Annotated[str | None, Field(examples=["HAIRCUT 30% DC02 STALE"])]
    fallback_because: list[Because]
    as_of: Ms
    age_ms: Annotated[int, Field(description="Business time now less as_of.", ge=0)]
    computed_at: Ms
    stamps: list[SourceStamp]
    stale: Annotated[bool, Field(description="Last known; the view could not be read.")]
    correlation_id: str
    promise: Promise | None = None


class OneOffer(Offer):
    feeds: list[Feed]
    last_known_at: Ms | None = None
    last_known_age_ms: int | None = None
    stale_because: str | None = None


class Position(Shape):
    """All that is known of a SKU at a location."""

    sku: Sku
    location: Place
    revision: int
    on_hand: int
    disposition: dict[str, int]
    allocated: int
    safety_stock: int
    atp: Units
    atp_signed: int
    schedule: Annotated[list[Bucket], Field(description="Later dates at which the promise changes.")]
    next_receipt: Days | None
    as_of: Ms
    age_ms: Annotated[int, Field(ge=0)]
    feed: Freshness
    computed_at: Ms
    promise: Promise | None = None


class Network(Shape):
    """The sum over all locations."""

    on_hand: int
    atp: Units
    promise: Promise | None = None


class SkuAnswer(Shape):
    """One SKU: positions and network total for callers bound to no channel, and the channels the caller may see."""

    sku: Sku
    positions: list[Position]
    network: Network | None
    channels: list[Offer]
    as_of: Ms
    age_ms: Annotated[int, Field(ge=0)]
    computed_at: Ms
    stale: bool
    feeds: list[Feed]


class QueryAnswer(Shape):
    """The SKUs that are known, and those that are not."""

    answers: list[SkuAnswer]
    unknown: list[str]


class OfferPage(Shape):
    channel: str
    offers: list[Offer]
    unknown: Annotated[list[str], Field(description="Of the SKUs asked for by name, those without an offer.")]
    next_cursor: str | None
    feeds: list[Feed]


class FeedList(Shape):
    feeds: list[Feed]


class Subject(Shape):
    kind: str
    id: str


class Resolution(Shape):
    resolution: Literal["RESOLVED", "REPLAYED", "DISMISSED"]
    note: str
    resolved_at: Ms
    resolved_by: str


class ExceptionAnswer(Shape):
    """An exception with its owner, what would settle it, and what became of it."""

    exception_id: str
    category: Annotated[str, Field(examples=["SHORT_RECEIPT"])]
    severity: Severity
    owner: Annotated[str, Field(examples=["buyer"])]
    partner: str | None
    subject: Subject
    message: str
    remedy: str
    evidence: dict[str, str]
    coordinate: str
    raised_at: Ms
    age_ms: Annotated[int, Field(ge=0)]
    state: State
    resolved: Resolution | None
    correlation_id: str


class OneException(ExceptionAnswer):
    original: Annotated[str, Field(description="The record that caused it, base64.")]


class ExceptionPage(Shape):
    exceptions: list[ExceptionAnswer]
    next_cursor: str | None


class Snapshot(Shape):
    """A channel's whole state; follow the stream from `cursor` to keep it."""

    channel: str
    cursor: str
    feeds: list[Feed]
    offers: list[Offer]
    count: int
    complete: Annotated[bool, Field(description="The last member: without it the answer was cut off.")]


class FieldError(Shape):
    field: Annotated[str, Field(examples=["query.limit"])]
    wrong: Annotated[str, Field(examples=["Input should be less than or equal to 500"])]
    takes: Annotated[str, Field(examples=["le 500"])]


class ProblemShape(Shape):
    """RFC 9457 problem details."""

    type: Annotated[str, Field(examples=["/docs/problems#not-found"])]
    title: Annotated[str, Field(examples=["Not found"])]
    status: Annotated[int, Field(examples=[404])]
    detail: Annotated[str, Field(examples=["no position of SKU-0404 is known"])]
    errors: list[FieldError] | None = None

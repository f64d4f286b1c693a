"""The records as Python sees them: one TypedDict for each Avro record in `schemas/avro`.

Conventions everywhere in the product: times are integer milliseconds since the epoch, UTC (Avro timestamp-millis read
as a plain long); dates are integer days since the epoch (Avro date read as a plain int); quantities are integers. On
public inbound records a quantity is in the record's own unit of measure; after intake it is always in base units.
A source coordinate is the string `topic[partition]@offset`.
"""

from typing import Literal, TypedDict

# ---- code lists -------------------------------------------------------------------------------------------------

ScanType = Literal[
    "RECEIPT", "PUTAWAY", "PICK", "PACK", "SHIP", "ADJUST", "COUNT", "RETURN", "HOLD", "RELEASE", "TRANSFER_OUT",
    "TRANSFER_IN",
]  # fmt: skip
ReferenceKind = Literal["PURCHASE_ORDER", "ASN", "SHIPMENT", "SALES_ORDER", "TRANSFER", "COUNT", "NONE"]
Disposition = Literal["available", "quality_hold", "damaged", "returned", "reserved_for_count", "expired"]
SELLABLE: Disposition = "available"

# ---- public: inbound --------------------------------------------------------------------------------------------


class ItemCode(TypedDict):
    scheme: str  # SKU, GTIN, VENDOR_PART, BUYER_PART
    code: str


class Reference(TypedDict):
    kind: ReferenceKind
    number: str
    line: str | None


class WarehouseScan(TypedDict):
    event_id: str
    scan_type: ScanType
    item: ItemCode
    location: str
    quantity: int
    uom: str
    disposition: str | None
    to_disposition: str | None
    to_location: str | None
    lot: str | None
    device_id: str | None
    operator: str | None
    reference: Reference
    corrects: str | None
    occurred_at: int
    sent_at: int
    source: str
    correlation_id: str


class AckLine(TypedDict):
    line: str
    item: ItemCode | None
    status: str  # X12 668
    quantity: int | None
    uom: str | None
    date_kind: str | None  # X12 374
    date: int | None
    substitute: ItemCode | None
    note: str | None


class SupplierAck(TypedDict):
    event_id: str
    supplier: str
    po_number: str
    po_revision: int | None
    ack_type: str  # X12 587 (BAK02)
    acknowledged_at: int
    lines: list[AckLine]
    document: str
    correlation_id: str


class AsnLine(TypedDict):
    po_number: str
    po_line: str
    item: ItemCode
    quantity: int
    uom: str
    shipped_to_date: int | None
    sscc: str | None
    lot: str | None
    expires: int | None


class AdvanceShipNotice(TypedDict):
    event_id: str
    supplier: str
    shipment_id: str
    purpose: Literal["ORIGINAL", "CANCEL", "REPLACE"]
    carrier: str | None
    tracking: str | None
    ship_from: str
    ship_to: str
    shipped_at: int
    estimated_arrival: int | None
    lines: list[AsnLine]
    document: str
    correlation_id: str


class CarrierMilestone(TypedDict):
    event_id: str
    carrier: str
    shipment_id: str
    status: str  # X12 1650
    reason: str | None  # X12 1651
    place: str | None
    occurred_at: int
    estimated_arrival: int | None
    document: str
    correlation_id: str


class PurchaseOrderLine(TypedDict):
    line: str
    item: ItemCode
    quantity: int
    uom: str
    requested_date: int
    tolerance_over: int | None  # percent of the ordered quantity
    tolerance_under: int | None


class PurchaseOrder(TypedDict):
    event_id: str
    po_number: str
    revision: int
    supplier: str
    ship_to: str
    ordered_at: int
    status: Literal["OPEN", "CLOSED", "CANCELLED"]
    lines: list[PurchaseOrderLine]
    correlation_id: str


class SalesOrderLine(TypedDict):
    line: str
    item: ItemCode
    location: str | None
    quantity: int
    uom: str
    allocated: int  # in the line's unit of measure, never reduced by what has shipped
    requested_ship_date: int | None
    status: Literal["OPEN", "CANCELLED", "CLOSED"]


class SalesOrder(TypedDict):
    event_id: str
    order_number: str
    revision: int
    channel: str
    status: Literal["OPEN", "CANCELLED", "CLOSED"]
    priority: int
    lines: list[SalesOrderLine]
    ordered_at: int
    correlation_id: str


class Pack(TypedDict):
    uom: str
    factor: int  # base units in one of this unit


class Identifier(TypedDict):
    scheme: str
    code: str
    party: str | None


class SafetyStock(TypedDict):
    location: str | None  # null: every location without a value of its own
    quantity: int


class Item(TypedDict):
    sku: str
    description: str
    base_uom: str
    packs: list[Pack]
    identifiers: list[Identifier]
    segment: str
    safety_stock: list[SafetyStock]
    shelf_life_days: int | None
    active: bool


class LocationCode(TypedDict):
    party: str
    code: str


class Location(TypedDict):
    location: str
    kind: Literal["WAREHOUSE", "STORE", "SUPPLIER", "CUSTOMER", "IN_TRANSIT"]
    time_zone: str
    calendar: str
    priority: int
    codes: list[LocationCode]
    active: bool


class ReservationRequest(TypedDict):
    event_id: str
    reservation_id: str  # sku, a dot, a name without dots
    action: Literal["RESERVE", "CONFIRM", "CANCEL"]
    channel: str
    sku: str
    location: str | None
    quantity: int
    ttl_ms: int
    order_number: str | None
    line: str | None
    requested_at: int
    correlation_id: str


class PartnerProfile(TypedDict):
    partner: str
    kind: Literal["SUPPLIER", "CARRIER", "CHANNEL"]
    name: str
    owner: str  # who works this partner's exceptions
    ship_days: int  # days from a promised ship date to arrival
    overdue_fence_days: int  # overdue supply younger than this stays in ATP
    overdue_offset_days: int  # and is expected this many days from today
    backorder_in_ack: bool  # ACK02 holds the backordered quantity under BP and IB
    active: bool
    posts_without_notice: bool | None  # null: false


class StockSnapshot(TypedDict):
    event_id: str
    sku: str
    location: str
    on_hand: int
    disposition: str
    taken_at: int
    source: str
    correlation_id: str


class FeedHeartbeat(TypedDict):
    source: str
    location: str
    sent_at: int


# ---- internal: canonical events ---------------------------------------------------------------------------------


class Envelope(TypedDict):
    """What every canonical event carries: where it came from, when it happened, when it was taken in."""

    event_id: str
    occurred_at: int
    recorded_at: int  # the time input of every fold: business time at intake
    source: str  # the feed, for example WMS-DC01
    coordinate: str  # source coordinate of the record that caused it
    correlation_id: str


class ShipmentLine(TypedDict):
    po_number: str
    po_line: str
    sku: str
    quantity: int
    shipped_to_date: int | None
    sscc: str | None
    lot: str | None
    expires: int | None


class ShipmentNotice(TypedDict):
    supplier: str
    purpose: str
    carrier: str | None
    tracking: str | None
    ship_to: str
    shipped_at: int
    estimated_arrival: int | None
    lines: list[ShipmentLine]
    document: str


class ShipmentMilestone(TypedDict):
    carrier: str
    status: str
    reason: str | None
    place: str | None
    estimated_arrival: int | None
    document: str


class ShipmentReceipt(TypedDict):
    sku: str
    location: str
    quantity: int
    disposition: str
    line: str | None
    corrects: str | None


class ShipmentInspection(TypedDict):
    """Goods of the shipment that changed disposition, named by a RELEASE, HOLD or PUTAWAY scan."""

    line: str | None
    sku: str
    location: str
    quantity: int
    disposition: str
    to_disposition: str


class ShipmentEvent(Envelope):
    kind: Literal["NOTICE", "MILESTONE", "RECEIVED", "CLOCK", "INSPECTED"]
    shipment_id: str
    notice: ShipmentNotice | None
    milestone: ShipmentMilestone | None
    received: ShipmentReceipt | None
    inspected: ShipmentInspection | None


class PostingAnswer(TypedDict):
    """The ERP's last word on one posting of a document."""

    step: str
    revision: int
    outcome: str  # POSTED, DUPLICATE or REFUSED
    erp_document: str | None
    reason: str | None


class SupplyOrderLine(TypedDict):
    line: str
    sku: str
    quantity: int
    requested_date: int
    tolerance_over: int | None
    tolerance_under: int | None


class SupplyOrder(TypedDict):
    revision: int
    supplier: str
    ship_to: str
    ordered_at: int
    status: str
    lines: list[SupplyOrderLine]
    ship_days: int
    overdue_fence_days: int
    overdue_offset_days: int
    posts_without_notice: bool | None


class SupplyAckLine(TypedDict):
    line: str
    status: str
    sku: str | None
    quantity: int | None
    date: int | None  # expected arrival: a ship date has the partner's ship_days added by intake
    substitute_sku: str | None
    note: str | None


class SupplyAck(TypedDict):
    supplier: str
    ack_type: str
    po_revision: int | None
    backorder_in_ack: bool
    document: str
    lines: list[SupplyAckLine]


class SupplyShippedLine(TypedDict):
    line: str
    sku: str
    quantity: int  # shipped and not cancelled, returned or lost: the whole of it, whether received or not
    received: int  # received against this shipment, of that quantity
    held: dict[str, int] | None  # of what was received, by disposition other than available, or location|disposition
    notified_at: int | None  # when the ship notice came in


class SupplyShipped(TypedDict):
    """The whole of one shipment as far as one PO is concerned; each replaces the one before."""

    shipment_id: str
    state: str
    location: str
    date: int  # estimated arrival
    lines: list[SupplyShippedLine]


class SupplyReceipt(TypedDict):
    """A receipt that names the purchase order; one that names a ship notice comes in SupplyShippedLine.received."""

    line: str | None
    sku: str
    location: str
    quantity: int
    disposition: str | None  # null: available


class SupplyInspection(TypedDict):
    """Goods of the order that changed disposition, named by a RELEASE, HOLD or PUTAWAY scan."""

    line: str | None
    sku: str
    location: str
    quantity: int
    disposition: str
    to_disposition: str


class SupplyEvent(Envelope):
    kind: Literal["ORDERED", "ACKNOWLEDGED", "SHIPPED", "RECEIVED", "CLOCK", "INSPECTED", "POSTED"]
    po_number: str
    order: SupplyOrder | None
    ack: SupplyAck | None
    shipped: SupplyShipped | None
    received: SupplyReceipt | None
    inspected: SupplyInspection | None
    posted: PostingAnswer | None


class OrderDocumentLine(TypedDict):
    line: str
    sku: str
    location: str | None
    quantity: int
    allocated: int
    requested_ship_date: int | None
    status: str


class OrderDocument(TypedDict):
    revision: int
    channel: str
    status: str
    priority: int
    ordered_at: int
    lines: list[OrderDocumentLine]


class OrderScan(TypedDict):
    line: str | None
    sku: str
    location: str
    quantity: int
    disposition: str | None  # RETURNED: it came into; SHIPPED (null: available) and INSPECTED: it leaves
    to_disposition: str | None  # INSPECTED: it comes into


class OrderReserved(TypedDict):
    """One location's share of a confirmed reservation: the order holds it until the order itself says."""

    reservation_id: str
    channel: str
    line: str | None
    sku: str
    location: str
    quantity: int


class OrderPromisedLine(TypedDict):
    line: str
    quantity: int
    date: int | None  # earliest date all of it can be promised; null: no supply for it is known


class OrderPromised(TypedDict):
    """When the backordered lines of an order can be had at one location; replaces the one before."""

    sku: str
    location: str
    lines: list[OrderPromisedLine]


class OrderEvent(Envelope):
    kind: Literal[
        "ORDERED", "PICKED", "PACKED", "SHIPPED", "CLOCK", "RETURNED", "INSPECTED", "RESERVED", "PROMISED", "POSTED"
    ]
    order_number: str
    order: OrderDocument | None
    scan: OrderScan | None
    reserved: OrderReserved | None
    promised: OrderPromised | None
    posted: PostingAnswer | None


LedgerKind = Literal[
    "RECEIPT", "ISSUE", "ADJUST", "COUNT", "MOVE", "TRANSFER_OUT", "TRANSFER_IN", "TRANSFER_DUE", "RETURN", "ALLOCATE",
    "EXPECT", "POLICY", "SNAPSHOT", "CLOCK", "RESERVATION",
]  # fmt: skip


class ClaimPart(TypedDict):
    """One line of a supply or demand document at one SKU and location."""

    line: str
    shipment: str | None  # supply only
    quantity: int
    date: int | None  # arrival for supply, requested ship date for demand; null: now
    state: str  # supply: ORDERED, ACKNOWLEDGED, TENTATIVE, IN_TRANSIT; demand: ALLOCATED, RESERVED, BACKORDERED


class Claim(TypedDict):
    """All that one document expects (EXPECT) or holds (ALLOCATE) at one SKU and location; replaces the one before.

    `settled` is the quantity of direct movements against this document at this SKU and location (receipts for supply,
    issues for demand) already taken out of the parts. The position takes out what it has seen beyond that, so a
    receipt is never counted both as on hand and as expected, whichever of the two entries comes first.
    """

    parts: list[ClaimPart]
    settled: int
    fence_days: int  # supply: overdue by up to this many days stays in ATP
    offset_days: int  # and is placed this many days from today
    reservations: list[str] | None  # taken over here by an order not known yet; null: the document speaks for itself


class Policy(TypedDict):
    segment: str
    safety_stock: list[SafetyStock]


class ReservationTerms(TypedDict):
    """What is asked of a reservation; its quantity is the entry's."""

    reservation_id: str
    request_id: str
    action: str  # RESERVE, CONFIRM, CANCEL
    channel: str
    location: str | None
    ttl_ms: int  # counted from recorded_at
    order_number: str | None
    line: str | None


class LedgerEntry(Envelope):
    """One immutable fact about a position; SKU and location stand in the record's key, `sku|location`."""

    kind: LedgerKind
    quantity: int
    disposition: str
    to_disposition: str | None  # MOVE
    reference: str | None  # PURCHASE_ORDER:450001, SALES_ORDER:S1, TRANSFER:T1, ASN:…, COUNT:…
    line: str | None
    corrects: str | None
    claim: Claim | None  # EXPECT, ALLOCATE
    policy: Policy | None  # POLICY, key `sku|*`
    reservation: ReservationTerms | None  # RESERVATION, key `sku|*`


class FeedEvent(TypedDict):
    kind: Literal["HEARTBEAT", "EVENTS", "CLOCK"]
    source: str
    location: str
    event_time: int  # newest occurred_at seen (EVENTS), sent_at (HEARTBEAT), 0 for CLOCK
    recorded_at: int


# ---- public: outbound -------------------------------------------------------------------------------------------


class Expected(TypedDict):
    po_number: str
    line: str
    shipment: str | None
    quantity: int
    date: int
    state: str
    overdue: bool


class PromiseBucket(TypedDict):
    date: int
    atp: int


class Stamp(TypedDict):
    source: str
    event_time: int
    ingested_at: int
    coordinate: str


class Availability(TypedDict):
    sku: str
    location: str
    revision: int
    on_hand: int
    disposition: dict[str, int]
    allocated: int
    safety_stock: int
    expected: list[Expected]
    atp: int
    atp_signed: int
    schedule: list[PromiseBucket]
    next_receipt: int | None
    as_of: int
    stamps: list[Stamp]
    computed_at: int
    causes: list[str]
    correlation_id: str


class AvailabilityDelta(TypedDict):
    sku: str
    location: str
    revision: int
    previous_revision: int
    atp: int
    previous_atp: int
    atp_signed: int
    on_hand: int
    previous_on_hand: int
    allocated: int
    safety_stock: int
    expected: int  # total counted in ATP
    reasons: list[str]  # ledger kinds folded since the previous delta
    material_because: str
    schedule: list[PromiseBucket]
    as_of: int
    computed_at: int
    causes: list[str]
    correlation_id: str


class ChannelLocation(TypedDict):
    location: str
    quantity: int


class ChannelAvailability(TypedDict):
    channel: str
    sku: str
    revision: int
    previous_revision: int
    quantity: int
    previous_quantity: int
    status: Literal["IN_STOCK", "LOW", "OUT", "EXPECTED"]
    by_location: list[ChannelLocation]
    next_date: int | None
    buffer: int
    fallback: str | None
    as_of: int
    computed_at: int
    correlation_id: str


class FeedStatus(TypedDict):
    source: str
    location: str
    status: Literal["FRESH", "LATE", "STALE"]
    since: int
    last_event_at: int | None
    last_heartbeat_at: int | None
    computed_at: int


class Subject(TypedDict):
    kind: str
    id: str


class ExceptionRaised(TypedDict):
    exception_id: str
    category: str
    severity: Literal["LOW", "MEDIUM", "HIGH", "CRITICAL"]
    owner: str
    partner: str | None
    subject: Subject
    message: str
    remedy: str
    evidence: dict[str, str]
    coordinate: str
    original: bytes
    raised_at: int
    correlation_id: str


class ExceptionResolved(TypedDict):
    exception_id: str
    category: str
    resolution: Literal["RESOLVED", "REPLAYED", "DISMISSED"]
    note: str
    resolved_at: int
    resolved_by: str
    correlation_id: str


class DeadLetter(TypedDict):
    coordinate: str
    topic: str
    partition: int
    offset: int
    key: bytes | None
    original: bytes
    error: str
    category: str
    owner: str
    remedy: str
    failed_at: int


PostingStep = Literal[
    "GOODS_RECEIPT", "GOODS_RECEIPT_REVERSAL", "SHIPMENT_CONFIRM", "SHIPMENT_CONFIRM_REVERSAL", "INVOICE_RELEASE",
    "INVOICE_RELEASE_REVERSAL", "CREDIT", "CREDIT_REVERSAL", "PURCHASE_ORDER_UPDATE", "INVENTORY_ADJUSTMENT",
    "BACKORDER",
]  # fmt: skip
"""Quantities add up over a step's revisions and a reversal takes some back; the newest PURCHASE_ORDER_UPDATE and
BACKORDER replace the ones before."""
PostingOperation = Literal[
    "goods_receipt", "shipment_confirm", "invoice_release", "credit", "purchase_order_update", "inventory_adjustment",
    "backorder",
]  # fmt: skip


class ErpPosting(TypedDict):
    document: str  # PURCHASE_ORDER:number, SALES_ORDER:number, STOCK:sku|location
    step: str  # a PostingStep
    revision: int
    idempotency_key: str
    operation: str  # a PostingOperation
    priority: int  # smaller goes first
    lines: list["ErpPostingLine"]
    causes: list[str]
    created_at: int
    correlation_id: str
    reverses: str | None  # idempotency key of the newest posting a reversal takes back from
    partner: str | None


class ErpPostingLine(TypedDict):
    line: str
    sku: str
    location: str
    quantity: int
    disposition: str
    date: int | None
    note: str | None
    substitute: str | None


class ErpPostingResult(TypedDict):
    document: str
    step: str
    revision: int
    idempotency_key: str
    outcome: Literal["POSTED", "DUPLICATE", "REFUSED", "FAILED", "UNKNOWN"]
    attempt: int
    erp_document: str | None
    reason: str | None
    answered_at: int
    correlation_id: str
    operation: str | None
    system: str | None
    shadow: bool | None


class ReservationPart(TypedDict):
    location: str
    quantity: int


class ReservationReply(TypedDict):
    reservation_id: str
    request_id: str
    action: Literal["RESERVE", "CONFIRM", "CANCEL", "EXPIRE"]
    accepted: bool
    reason: str | None
    state: Literal["HELD", "REFUSED", "CONFIRMED", "CANCELLED", "EXPIRED", "NOT_OPEN"]
    channel: str
    sku: str
    quantity: int
    parts: list[ReservationPart]
    available: int
    expires_at: int | None
    order_number: str | None
    revision: int
    decided_at: int
    correlation_id: str


class WebhookSubscription(TypedDict):
    """Times are those of the wall clock: they are about receivers, not about stock."""

    subscription: str
    channel: str
    state: Literal["ENABLED", "DISABLED"]
    declaration: str
    reason: str | None
    attempts: int
    first_failed_at: int | None
    next_attempt_at: int | None
    exception_id: str | None
    changed_at: int

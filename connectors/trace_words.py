"""What a record says happened, in a few words, for people who follow one event through the topics."""

from collections.abc import Callable, Mapping
from typing import Any, Final

Value = Mapping[str, Any]


def words(record: str, value: Value) -> str:
    """One line for a record of this kind; raise KeyError for a kind that is none of the catalogue's."""
    return WORDS[record](value)


def _lines(value: Value) -> str:
    number = len(value["lines"])
    return f"{number} line{'' if number == 1 else 's'}"


def _scan(v: Value) -> str:
    document = f" for {v['reference']['kind']} {v['reference']['number']}" if v["reference"]["number"] else ""
    return f"{v['scan_type']} {v['quantity']} {v['uom']} of {v['item']['code']} at {v['location']}{document}"


def _ledger(v: Value) -> str:
    state = f" {v['disposition']}" if v["disposition"] else ""
    to = f" to {v['to_disposition']}" if v["to_disposition"] else ""
    document = f", {v['reference']}" if v["reference"] else ""
    return f"{v['kind']} {v['quantity']}{state}{to}{document}"


def _event(number: str) -> Callable[[Value], str]:
    return lambda v: f"{v['kind']} {v[number]}"


def _delta(v: Value) -> str:
    return (
        f"{v['sku']} at {v['location']}: on hand {v['previous_on_hand']} → {v['on_hand']}, "
        f"ATP {v['previous_atp']} → {v['atp']} ({', '.join(v['reasons'])})"
    )


def _offer(v: Value) -> str:
    return f"{v['channel']} may offer {v['quantity']} of {v['sku']} (was {v['previous_quantity']}), {v['status']}"


def _posting(v: Value) -> str:
    return f"{v['operation']} of {v['document']}, step {v['step']}/{v['revision']}"


def _result(v: Value) -> str:
    more = f" as {v['erp_document']}" if v["erp_document"] else f": {v['reason']}" if v["reason"] else ""
    shadow = " (shadow)" if v["shadow"] else ""
    return f"{v['outcome']} by {v['system'] or 'the ERP'}{shadow}, attempt {v['attempt']}, of {v['document']}{more}"


def _request(v: Value) -> str:
    return f"{v['action']} {v['quantity'] or ''} of {v['sku']} for {v['channel']}".replace("  ", " ")


def _reply(v: Value) -> str:
    why = "" if v["accepted"] else f", refused: {v['reason']}"
    return f"{v['action']} of {v['sku']} for {v['channel']}: {v['state']}{why}"


WORDS: Final[Mapping[str, Callable[[Value], str]]] = {
    "WarehouseScan": _scan,
    "SupplierAck": lambda v: f"{v['supplier']} answers {v['po_number']}: {v['ack_type']}, {_lines(v)}",
    "AdvanceShipNotice": lambda v: f"{v['supplier']} ships {v['shipment_id']}: {v['purpose']}, {_lines(v)}",
    "CarrierMilestone": lambda v: f"{v['carrier']}: {v['shipment_id']} is {v['status']}",
    "PurchaseOrder": lambda v: (
        f"{v['po_number']} revision {v['revision']} at {v['supplier']}: {v['status']}, {_lines(v)}"
    ),
    "SalesOrder": lambda v: (
        f"{v['order_number']} revision {v['revision']} of {v['channel']}: {v['status']}, {_lines(v)}"
    ),
    "Item": lambda v: f"item {v['sku']}",
    "Location": lambda v: f"location {v['location']}",
    "PartnerProfile": lambda v: f"partner {v['partner']}",
    "StockSnapshot": lambda v: f"the ERP has {v['on_hand']} of {v['sku']} at {v['location']}",
    "FeedHeartbeat": lambda v: f"{v['source']} at {v['location']} is alive",
    "ReservationRequest": _request,
    "ShipmentEvent": _event("shipment_id"),
    "SupplyEvent": _event("po_number"),
    "OrderEvent": _event("order_number"),
    "LedgerEntry": _ledger,
    "FeedEvent": lambda v: f"{v['kind']} of {v['source']} at {v['location']}",
    "Availability": lambda v: f"{v['sku']} at {v['location']}: on hand {v['on_hand']}, ATP {v['atp']}",
    "AvailabilityDelta": _delta,
    "ChannelAvailability": _offer,
    "FeedStatus": lambda v: f"{v['source']} at {v['location']} is {v['status']}",
    "ReservationReply": _reply,
    "ErpPosting": _posting,
    "ErpPostingResult": _result,
    "WebhookSubscription": lambda v: f"{v['subscription']} is {v['state']}",
    "ExceptionRaised": lambda v: f"{v['category']} ({v['severity']}), {v['owner']}: {v['message']}",
    "ExceptionResolved": lambda v: f"{v['category']} {v['resolution']}: {v['note'] or ''}".rstrip(": "),
    "DeadLetter": lambda v: f"{v['category']}, {v['owner']}: {v['error']}",
}
"""By record; every record of the catalogue has its words."""

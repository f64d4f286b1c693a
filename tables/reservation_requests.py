"""What intake makes of a channel's request about a reservation: a ledger entry of its SKU, or a refusal at once.

A request never waits for reference data: somebody stands at a till. What is wrong with it is one exception, which the
channel's owner mends, and one reply.
"""

from typing import Any, Final

from schemas.records import SELLABLE, ReservationReply, ReservationRequest
from tables.document_lines import Inbound, Record, check_filled
from tables.intake_rules import DAY_MS
from tables.outcome import Output
from tables.reference_checks import check_name
from tables.refusal import Refused
from tables.units import QUANTITY_LIMIT

TOPIC: Final = "reservations.requests"
CATEGORY: Final = "INVALID_RESERVATION"
SHORTEST_MS: Final = 1_000
LONGEST_MS: Final = 30 * DAY_MS
"""How long a channel may ask stock to be held for."""


def reservation_request(record: Record, at: Inbound) -> list[Output]:
    """ReservationRequest → one RESERVATION entry under `sku|*`; raise Refused, never to wait."""
    request: ReservationRequest = record  # type: ignore[assignment]
    subject = ("reservation", request["reservation_id"] or at.coordinate)
    at.check_key(subject, request["sku"])
    try:
        _check(subject, request, at)
    except Refused as refused:
        raise Refused(CATEGORY, subject, refused.message) from None
    action, sku = request["action"], request["sku"]
    asks = action == "RESERVE"
    entry: dict[str, Any] = at.envelope(record, request["requested_at"], f"CHANNEL:{request['channel']}") | {
        "kind": "RESERVATION",
        "quantity": request["quantity"] if asks else 0,
        "disposition": SELLABLE,
        "to_disposition": None,
        "reference": f"RESERVATION:{request['reservation_id']}",
        "line": None,
        "corrects": None,
        "claim": None,
        "policy": None,
        "reservation": {
            "reservation_id": request["reservation_id"],
            "request_id": request["event_id"],
            "action": action,
            "channel": request["channel"],
            "location": request["location"] if asks else None,
            "ttl_ms": request["ttl_ms"] if asks else 0,
            "order_number": request["order_number"] if action == "CONFIRM" else None,
            "line": request["line"] if action == "CONFIRM" else None,
        },
    }
    return [("inventory.ledger", f"{sku}|*", entry)]


def refusals(topic: str, content: Record | None, now: int) -> list[Output]:
    """The reply to a request that intake does not take; the exception beside it says why. Other topics have none."""
    return [_refusal(content, now)] if topic == TOPIC and content is not None else []


def _refusal(record: Record, now: int) -> Output:
    request: ReservationRequest = record  # type: ignore[assignment]
    reply: ReservationReply = {
        "reservation_id": request["reservation_id"],
        "request_id": request["event_id"],
        "action": request["action"],
        "accepted": False,
        "reason": "INVALID",
        "state": "REFUSED",
        "channel": request["channel"],
        "sku": request["sku"],
        "quantity": request["quantity"],
        "parts": [],
        "available": 0,
        "expires_at": None,
        "order_number": request["order_number"],
        "revision": 0,
        "decided_at": now,
        "correlation_id": request["correlation_id"],
    }
    return "reservations.replies", request["reservation_id"], reply


def _check(subject: tuple[str, str], request: ReservationRequest, at: Inbound) -> None:
    """Raise Refused for the first thing wrong; its category does not matter."""
    name, sku = request["reservation_id"], request["sku"]
    check_filled(
        subject,
        event_id=request["event_id"],
        reservation_id=name,
        channel=request["channel"],
        sku=sku,
        correlation_id=request["correlation_id"],
    )
    asks = request["action"] == "RESERVE"
    at.check_time(subject, "requested_at", request["requested_at"], old=False)
    if asks and at.arrived - request["requested_at"] > at.rules.window_ms:  # its id may be forgotten: held once more
        raise Refused(CATEGORY, subject, f"requested_at is {at.arrived - request['requested_at']} ms old")
    of, _, rest = name.rpartition(".")
    if of != sku or not rest.strip():
        raise Refused(
            CATEGORY, subject, f"reservation_id {name!r} is not the SKU {sku!r}, a dot and a name without dots"
        )
    check_name("item", sku)
    if asks or sku not in at.reference.items:  # a hold can be ended although the item's record is gone
        _check_item(subject, sku, at, must_be=asks)
    if asks:
        _check_asked(subject, request)
    elif request["action"] == "CONFIRM":
        check_filled(subject, order_number=request["order_number"] or "")
        if request["line"] is not None:
            check_filled(subject, line=request["line"])


def _check_item(subject: tuple[str, str], sku: str, at: Inbound, *, must_be: bool) -> None:
    try:
        known = at.reference.item("SKU", sku, None).sku
    except Refused:
        if must_be:
            raise
        return
    if known != sku:
        raise Refused(CATEGORY, subject, f"{sku!r} is another name of an item; reserve it by its own SKU")


def _check_asked(subject: tuple[str, str], request: ReservationRequest) -> None:
    quantity, ttl = request["quantity"], request["ttl_ms"]
    if not 0 < quantity < QUANTITY_LIMIT:
        raise Refused(
            CATEGORY, subject, f"quantity {quantity}; more than 0 is needed, less than {QUANTITY_LIMIT} allowed"
        )
    if not SHORTEST_MS <= ttl <= LONGEST_MS:
        raise Refused(CATEGORY, subject, f"ttl_ms {ttl}; from {SHORTEST_MS} to {LONGEST_MS} are allowed")
    if request["location"] is not None:
        check_filled(subject, location=request["location"])

"""What a caller is told of a reservation: the shapes, and the status that goes with each decision."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote

import orjson
from fastapi import Response
from pydantic import Field

from connectors.api import metrics
from connectors.api.problems import Problem
from connectors.api.shapes import Ms, Place, Shape, Sku, Units
from schemas.records import ReservationReply, ReservationRequest

PENDING: Final = "PENDING"
REASONS: Final[dict[str, str]] = {
    "INSUFFICIENT": "the channel cannot have that many",
    "FEED_NOT_FRESH": "the channel's rule withholds stock of locations whose feed is not fresh",
    "NOT_SOLD": "the channel does not sell items of this segment",
    "UNKNOWN_CHANNEL": "the channel is not declared",
    "LOCATION_NOT_SOURCED": "the channel does not sell from this location",
    "NOT_OPEN": "nothing is held under this id for the channel any more",
    "EXPIRED": "its time was up",
    "INVALID": "the request cannot be taken: is the SKU known?",
}
"""Why a request about a reservation is refused."""


class Part(Shape):
    location: Place
    quantity: Units


class Reservation(Shape):
    """A reservation after the newest decision about it."""

    reservation_id: str
    state: Literal["HELD", "REFUSED", "CONFIRMED", "CANCELLED", "EXPIRED", "NOT_OPEN"]
    reason: Annotated[str | None, Field(description="Why it was refused.")]
    channel: str
    sku: Sku
    quantity: Units
    parts: Annotated[list[Part], Field(description="What is held where.")]
    available: Annotated[int, Field(description="What the channel could still reserve after the decision.")]
    expires_at: Annotated[Ms | None, Field(description="When the hold ends by itself.")]
    order_number: str | None
    revision: int
    decided_at: Ms


class Pending(Shape):
    """Asked for, not decided yet."""

    reservation_id: str
    state: Literal["PENDING"]
    channel: str
    sku: Sku


def shown(reply: Mapping[str, Any]) -> dict[str, Any]:
    """A reply as callers see it."""
    return {name: reply[name] for name in Reservation.model_fields}


def location_of(reservation_id: str) -> str:
    """Where the reservation can be asked for."""
    return f"/v1/reservations/{quote(reservation_id, safe='')}"


def answer(request: ReservationRequest, reply: ReservationReply) -> Response:
    """201 for a hold, 200 for a change, 409 for a refusal (422 for a request that can never be taken)."""
    if not reply["accepted"]:
        return _refused(request, reply["reason"] or reply["state"], reply["available"], reply["state"])
    return _done(request, reply)


def already(request: ReservationRequest, found: Mapping[str, Any]) -> Response | None:
    """The answer where the reservation's state tells that the request was decided before, or can only be refused.

    Nothing opens a reservation again that was refused, confirmed, cancelled or has expired.
    """
    state, action = found["state"], request["action"]
    if state == PENDING:
        return None
    if action == "RESERVE":
        if state == "REFUSED":
            return _refused(request, found["reason"] or state, found["available"], state)
        return _done(request, found)
    if state == "HELD":
        return None
    if action == "CANCEL" and state == "CANCELLED":
        return _done(request, found)
    if action == "CONFIRM" and state == "CONFIRMED" and found["order_number"] == request["order_number"]:
        return _done(request, found)
    return _refused(request, "EXPIRED" if state == "EXPIRED" else "NOT_OPEN", found["available"], state)


def kept_back(request: ReservationRequest, available: int) -> Response:
    """409: the channel's rule for feeds that are not fresh leaves only so many."""
    return _refused(request, "FEED_NOT_FRESH", available, "REFUSED")


def _done(request: ReservationRequest, reply: Mapping[str, Any]) -> Response:
    metrics.RESERVATIONS.labels(request["action"], "accepted").inc()
    reserving = request["action"] == "RESERVE"
    headers = {"Location": location_of(reply["reservation_id"])} if reserving else None
    return Response(orjson.dumps(shown(reply)), 201 if reserving else 200, headers, "application/json")


def _refused(request: ReservationRequest, reason: str, available: int, state: str) -> Response:
    metrics.RESERVATIONS.labels(request["action"], reason).inc()
    return Problem(
        422 if reason == "INVALID" else 409,
        "Reservation refused",
        REASONS.get(reason, reason),
        reason=reason,
        available=available,
        reservation_id=request["reservation_id"],
        state=state,
    ).response()


def pending(request: ReservationRequest) -> Response:
    """202: the decision will stand at Location."""
    metrics.RESERVATIONS.labels(request["action"], "pending").inc()
    headers = {"Location": location_of(request["reservation_id"]), "Retry-After": "1"}
    return Response(orjson.dumps(waiting(request)), 202, headers, "application/json")


def waiting(request: ReservationRequest) -> dict[str, Any]:
    """A reservation that is not decided yet."""
    return {
        "reservation_id": request["reservation_id"],
        "state": PENDING,
        "channel": request["channel"],
        "sku": request["sku"],
    }

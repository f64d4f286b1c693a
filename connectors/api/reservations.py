"""Reservations over HTTP: a request becomes a record, the single writer decides, its reply becomes the answer.

The API decides nothing about stock. It only keeps back what the channel's fallback rule withholds while feeds are
not fresh, and never asks for that.
"""

import asyncio
import contextlib
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from structlog.contextvars import bind_contextvars

from connectors.api.answers import json, refusals
from connectors.api.edge import Edge, edge_of
from connectors.api.idempotency import Kept, Key, OptionalKey, digest
from connectors.api.problems import Problem, invalid
from connectors.api.reservation_answers import PENDING, Pending, Reservation, already, answer, kept_back, pending, shown
from connectors.api.reservation_view import Withheld, known, note_pending, place_allowed
from connectors.api.security import Principal, require
from connectors.api.writing import Writing, writing, writing_of
from connectors.writer import NotWritten
from schemas.records import ReservationReply, ReservationRequest
from tables.units import QUANTITY_LIMIT

router = APIRouter(tags=["reservations"], lifespan=writing)
REQUESTS: Final = "reservations.requests"
MOST_TTL_S: Final = 30 * 86_400
Caller = Annotated[Principal, require("reservations:write")]
Site = Annotated[Edge, Depends(edge_of)]
Log = Annotated[Writing, Depends(writing_of)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\s|*]([^|]*[^\s|])?$")]
ReservationId = Annotated[
    str,
    Path(
        min_length=1, max_length=140, description="As answered.", examples=["SKU-0001.9b1deb4d3b7d4bad9bdd2b0d7b3dcb6d"]
    ),
]
ChannelName = Annotated[Text | None, Field(description="Who asks; a caller bound to a channel may leave it out.")]


class Reserve(BaseModel):
    """Stock to hold."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"sku": "SKU-0001", "quantity": 3, "ttl_seconds": 900, "channel": "webshop"}]},
    )
    sku: Annotated[Text, Field(description="The SKU.")]
    quantity: Annotated[int, Field(strict=True, ge=1, lt=QUANTITY_LIMIT, description="Base units, all or nothing.")]
    ttl_seconds: Annotated[int, Field(strict=True, ge=1, le=MOST_TTL_S, description="How long it is held.")]
    location: Annotated[
        Text | None, Field(description="Hold here only; left out: wherever the channel sells from.")
    ] = None
    channel: ChannelName = None


class Confirm(BaseModel):
    """The order a hold becomes part of."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"order_number": "0080077001", "line": "10"}]}
    )
    order_number: Annotated[Text, Field(description="The sales order.")]
    line: Annotated[Text | None, Field(description="Its line, where known.")] = None


@router.post(
    "/v1/reservations",
    status_code=201,
    response_model=Reservation,
    responses={**refusals(409), 202: {"model": Pending, "description": "Not decided yet; ask at `Location`."}},
    operation_id="reserve",
    summary="Hold stock",
)
async def reserve(body: Reserve, caller: Caller, edge: Site, log: Log, idempotency_key: Key) -> Response:
    """Hold stock for a channel until it is confirmed, cancelled or its time is up; all of the quantity or nothing."""
    channel = _channel(edge, caller, body.channel)
    request: ReservationRequest = {
        "event_id": digest(channel, "RESERVE", idempotency_key),
        "reservation_id": f"{body.sku}.{digest(channel, idempotency_key)}",
        "action": "RESERVE",
        "channel": channel,
        "sku": body.sku,
        "location": body.location,
        "quantity": body.quantity,
        "ttl_ms": body.ttl_seconds * 1000,
        "order_number": None,
        "line": None,
        "requested_at": edge.clock(),
        "correlation_id": digest(channel, idempotency_key),
    }
    content = {**body.model_dump(), "channel": channel}
    return await _decided(edge, log, request, idempotency_key, content)


@router.get(
    "/v1/reservations/{reservation_id:path}",
    response_model=Reservation | Pending,
    responses=refusals(404),
    operation_id="reservation",
    summary="A reservation as it stands",
)
async def reservation(reservation_id: ReservationId, caller: Caller, edge: Site, log: Log) -> Response:
    """What became of a reservation: HELD, REFUSED, CONFIRMED, CANCELLED or EXPIRED; PENDING while not decided."""
    found = await known(edge, log, reservation_id, certain=True)
    if found is None or not caller.sees_channel(found["channel"]):
        raise Problem(404, "Not found", f"no reservation {reservation_id!r} is known for this caller")
    return json(found if found["state"] == PENDING else shown(found))


@router.post(
    "/v1/reservations/{reservation_id:path}:confirm",
    response_model=Reservation,
    responses={**refusals(404, 409), 202: {"model": Pending, "description": "Not decided yet; ask at `Location`."}},
    operation_id="confirm_reservation",
    summary="Make a hold an order's",
)
async def confirm(
    reservation_id: ReservationId,
    body: Confirm,
    caller: Caller,
    edge: Site,
    log: Log,
    idempotency_key: OptionalKey = None,
) -> Response:
    """The stock held becomes allocated to the order. Without an Idempotency-Key, order and line name the request."""
    content = body.model_dump()
    key = idempotency_key or digest(body.order_number, body.line or "")
    return await _changed(edge, log, caller, reservation_id, "CONFIRM", key, content)


@router.post(
    "/v1/reservations/{reservation_id:path}:cancel",
    response_model=Reservation,
    responses={**refusals(404, 409), 202: {"model": Pending, "description": "Not decided yet; ask at `Location`."}},
    operation_id="cancel_reservation",
    summary="Let a hold go",
)
@router.delete(
    "/v1/reservations/{reservation_id:path}",
    response_model=Reservation,
    responses={**refusals(404, 409), 202: {"model": Pending, "description": "Not decided yet; ask at `Location`."}},
    operation_id="delete_reservation",
    summary="Let a hold go",
)
async def cancel(
    reservation_id: ReservationId, caller: Caller, edge: Site, log: Log, idempotency_key: OptionalKey = None
) -> Response:
    """The stock held is free again. A confirmed reservation is its order's and cannot be cancelled here."""
    return await _changed(edge, log, caller, reservation_id, "CANCEL", idempotency_key or "", {})


# ---- asking the single writer -----------------------------------------------------------------------------------


async def _changed(
    edge: Edge, log: Writing, caller: Principal, reservation_id: str, action: Any, key: str, content: dict[str, Any]
) -> Response:
    """Confirm or cancel a reservation of the caller's."""
    sku, _, name = reservation_id.rpartition(".")
    found = await known(edge, log, reservation_id, certain=caller.channel is None)
    channel = caller.channel if found is None else found["channel"]
    if not sku or not name or channel is None or not caller.sees_channel(channel):
        raise Problem(404, "Not found", f"no reservation {reservation_id!r} is known for this caller")
    request: ReservationRequest = {
        "event_id": digest(channel, action, reservation_id, key),
        "reservation_id": reservation_id,
        "action": action,
        "channel": channel,
        "sku": sku,
        "location": None,
        "quantity": 0,
        "ttl_ms": 0,
        "order_number": content.get("order_number"),
        "line": content.get("line"),
        "requested_at": edge.clock(),
        "correlation_id": name,
    }
    return await _decided(edge, log, request, key, content)


async def _decided(
    edge: Edge, log: Writing, request: ReservationRequest, key: str, content: dict[str, Any]
) -> Response:
    """The answer to a request: the one given before, or the reply to it, or that it is pending."""
    named = {"correlation_id": request["correlation_id"], "channel": request["channel"]}
    bind_contextvars(**named, document=f"RESERVATION:{request['reservation_id']}")
    scope = f"reservations {request['channel']} {request['action']}"
    if request["action"] != "RESERVE":
        scope += f" {request['reservation_id']}"
    before = await log.answers.begin(scope, key, content, alone=False)
    if isinstance(before, Kept):
        return before.response()
    response = await _answered(edge, log, request)
    if response is None:
        await note_pending(edge, request)
        return pending(request)
    await log.answers.keep(scope, key, content, response)
    return response


async def _answered(edge: Edge, log: Writing, request: ReservationRequest) -> Response | None:
    """The decision as an answer; None while there is none."""
    if (reply := log.replies.reply(request["event_id"])) is not None:
        return answer(request, reply)
    found = await known(edge, log, request["reservation_id"])
    if found is not None and (settled := already(request, found)) is not None:
        return settled
    if found is None and request["action"] == "RESERVE":
        try:
            request = {**request, "location": await place_allowed(edge, request)}
        except Withheld as withheld:
            return kept_back(request, withheld.available)
    if (reply := await _ask(edge, log, request)) is not None:
        return answer(request, reply)
    found = await known(edge, log, request["reservation_id"])
    return None if found is None else already(request, found)


async def _ask(edge: Edge, log: Writing, request: ReservationRequest) -> ReservationReply | None:
    """Write the request and wait for its reply; None when there is none yet. Raise Problem when it is not written.

    A repeat is written again: should the first have been lost it counts, else intake drops it.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + edge.settings.reply_wait_ms / 1000
    followed = await log.replies.ready(end - loop.time())
    with log.replies.expecting(request["event_id"]) as reply:
        try:
            await log.writer.write(REQUESTS, request["sku"], edge.codec.encode(REQUESTS, request))
        except NotWritten as error:
            detail = f"{error}; send it again with the same Idempotency-Key, it counts once"
            raise Problem(503, "Not acknowledged", detail, headers={"Retry-After": "2"}) from None
        if followed or reply.done():
            with contextlib.suppress(TimeoutError):
                return await asyncio.wait_for(reply, max(end - loop.time(), 0.001))
    return None


def _channel(edge: Edge, caller: Principal, named: str | None) -> str:
    """The channel a request is for; raise Problem 403 or 422."""
    if caller.channel is not None and named not in (None, caller.channel):
        raise Problem(403, "Not allowed", f"this caller reserves for {caller.channel!r} only")
    channel = named or caller.channel
    if channel is None:
        raise invalid("body.channel", "is missing", f"one of {', '.join(edge.by_id)}")
    if channel not in edge.by_id:
        raise invalid("body.channel", f"there is no channel {channel!r}", f"one of {', '.join(edge.by_id)}")
    return channel

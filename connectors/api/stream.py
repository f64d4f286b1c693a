"""A channel's changes as Server-Sent Events, resumed exactly by Last-Event-ID, and the snapshot to begin from."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

import orjson
from confluent_kafka import KafkaException
from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse

from connectors import view_keys as keys
from connectors.api import cursor as cursors
from connectors.api.answers import refusals
from connectors.api.availability import BATCH, Reader, Site
from connectors.api.channels import CHANNEL, names, read_offers, seen
from connectors.api.edge import Edge
from connectors.api.event_stream import EventStream
from connectors.api.fanout import OutOfRange, Replay
from connectors.api.problems import Problem, invalid
from connectors.api.shapes import Snapshot
from connectors.api.view import Unavailable
from tables.channels import Channel

router = APIRouter(tags=["streams"])
SNAPSHOT_S: Final = 300.0
"""Longest time a client may take to read a snapshot."""
EVENTS: Final = (
    "retry: 2000\n\n"
    'id: AQAAAAAC\nevent: start\ndata: {"channel":"webshop","cursor":"AQAAAAAC","feeds":[]}\n\n'
    'id: AQAAAAAD\nevent: offer\ndata: {"channel":"webshop","sku":"SKU-0001","revision":8,"quantity":12}\n\n'
    ": alive\n\n"
)


def endless(request: Request, seconds: float | None = None) -> None:
    """Take the request's time limit away, or set another."""
    request.scope["endless"] = True
    now = asyncio.get_running_loop().time()
    request.scope["deadline"].reschedule(None if seconds is None else now + seconds)


@router.get(
    "/v1/channels/{channel}/stream",
    summary="A channel's changes as they come (Server-Sent Events)",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"text/event-stream": {"schema": {"type": "string"}, "example": EVENTS}}},
        **refusals(404, 410),
    },
)
async def stream(
    channel: CHANNEL,
    request: Request,
    caller: Reader,
    edge: Site,
    cursor: Annotated[str | None, Query(max_length=4_000, description="Start here: a snapshot's cursor.")] = None,
    last_event_id: Annotated[str | None, Header(max_length=4_000, description="Go on after this event.")] = None,
) -> Response:
    """Events `start` (where the stream begins), `offer` (one change), `feeds` (the channel's feeds changed), and, before
    the server ends it, `end` with the reason. Each `id` is a cursor: coming back with it goes on exactly after it.
    Without one the stream begins now. Comments keep it open.
    """
    chosen = seen(edge, caller, channel)
    given, field = (last_event_id, "header.last-event-id") if last_event_id else (cursor, "query.cursor")
    try:
        start = cursors.decode(chosen.topic, given) if given else None
    except cursors.NoCursor as error:
        raise invalid(field, str(error), "an `id` or `cursor` of this channel's stream or snapshot") from None
    events = EventStream(edge, chosen, caller)
    try:
        await events.open(start, Replay(edge.settings, chosen.topic))
    except OutOfRange as error:
        raise Problem(410, "Cursor expired", f"{error}; take a snapshot") from None
    except KafkaException as error:
        reason = f"the channel's topic cannot be read: {error.args[0].str()}"
        raise Problem(503, "Availability unknown", reason, headers={"Retry-After": "5"}) from None
    endless(request)
    return events


@router.get(
    "/v1/channels/{channel}/snapshot",
    summary="A channel's whole state, and where to go on from",
    response_model=Snapshot,
    responses=refusals(404),
)
async def snapshot(channel: CHANNEL, request: Request, caller: Reader, edge: Site) -> Response:
    """Every offer of the channel, and a cursor taken before the first was read: a stream resumed from it misses nothing,
    and repeats are known by `revision`. An answer without `complete` was cut off.
    """
    chosen = seen(edge, caller, channel)
    try:
        start = await _applied(edge, chosen)
        first = await names(edge, chosen, None, BATCH)
    except Unavailable as why:
        raise why.problem() from None
    endless(request, SNAPSHOT_S)
    return StreamingResponse(
        _written(edge, chosen, start, first), media_type="application/json", headers={"Cache-Control": "no-store"}
    )


async def _applied(edge: Edge, channel: Channel) -> str:
    """Up to where the view holds the channel's topic, as a cursor."""
    (state,) = await edge.view.read(lambda pipeline: pipeline.hgetall(keys.view(edge.settings.app)))
    prefix = keys.offset_field(channel.topic, 0)[:-1].encode()
    offsets = {int(name[len(prefix) :]): int(value) for name, value in state.items() if name.startswith(prefix)}
    return cursors.encode(channel.topic, offsets)


async def _written(edge: Edge, channel: Channel, start: str, skus: list[str]) -> AsyncIterator[bytes]:
    """The snapshot piece by piece; where the view fails on the way the answer breaks off before its end."""
    head: dict[str, Any] = {"channel": channel.id, "cursor": start, "feeds": edge.view.feeds_of(channel.sourcing)}
    yield orjson.dumps(head)[:-1] + b',"offers":['
    count = 0
    while skus:
        found = await read_offers(edge, channel, skus)
        if found:
            yield (b"," if count else b"") + orjson.dumps(found)[1:-1]
            count += len(found)
        skus = await names(edge, channel, skus[-1], BATCH) if len(skus) == BATCH else []
    yield b'],"count":%d,"complete":true}' % count

"""What is known of reservations without asking the single writer, and what a channel's rule keeps back."""

from collections.abc import Mapping
from typing import Any, Final

import orjson
from redis.asyncio.client import Pipeline

from connectors import view_keys as keys
from connectors.api.edge import Edge
from connectors.api.reservation_answers import waiting
from connectors.api.view import DOWN, Unavailable
from connectors.api.writing import Writing
from schemas.records import ChannelAvailability, ReservationRequest
from tables.channels import Channel
from tables.fallback import Freshness, fallback

PENDING_S: Final = 3_600
"""How long a request without a decision is remembered as pending."""


def _pending_key(app: str, reservation_id: str) -> str:
    return f"{app}:pending-reservation:{reservation_id}"


async def known(edge: Edge, log: Writing, reservation_id: str, *, certain: bool = False) -> Any | None:
    """The newest reply that changed a reservation, from this process or the Redis view; or that it is pending.

    None where nothing is known; with `certain`, raise Problem 503 where there might be something nevertheless.
    """
    mine, app = log.replies.state(reservation_id), edge.settings.app
    pipeline = edge.redis.pipeline(transaction=False)
    pipeline.hget(keys.reservation(app, reservation_id), keys.VALUE)
    pipeline.get(_pending_key(app, reservation_id))
    try:
        value, noted = await pipeline.execute()
    except DOWN as error:
        if mine is None and certain:
            raise Unavailable(f"Redis does not answer: {type(error).__name__}").problem() from None
        return mine
    theirs = None if value is None else orjson.loads(value)
    if mine is not None and (theirs is None or theirs["revision"] < mine["revision"]):
        return mine
    if theirs is None and noted is None and certain and (why := edge.view.why_not()) is not None:
        raise Unavailable(why).problem()
    return theirs if theirs is not None or noted is None else orjson.loads(noted)


async def note_pending(edge: Edge, request: ReservationRequest) -> None:
    """Remember that a decision is awaited, so that whoever asks for it is not told that there is no such thing."""
    if request["action"] != "RESERVE":
        return
    place = _pending_key(edge.settings.app, request["reservation_id"])
    try:
        await edge.redis.set(place, orjson.dumps(waiting(request)), ex=PENDING_S)
    except DOWN:
        return


class Withheld(Exception):
    """The channel's fallback rule keeps back what is asked for; `available` is what it leaves."""

    def __init__(self, available: int) -> None:
        super().__init__(available)
        self.available = available


async def place_allowed(edge: Edge, request: ReservationRequest) -> str | None:
    """Where the channel's fallback rule lets the quantity be held; None: the single writer may choose.

    Stock that the rule withholds must not be chosen, so while one of its locations is withheld a single other one is
    named. Raise Withheld, or Problem 503 where the feeds' status is not known and a rule might keep something back.
    """
    channel = edge.by_id[request["channel"]]
    if not _keeps_back(channel):
        return request["location"]

    def ask(pipeline: Pipeline) -> None:
        pipeline.hget(keys.offer(edge.settings.app, channel.id, request["sku"]), keys.VALUE)

    try:
        (value,) = await edge.view.read(ask)
    except Unavailable as why:
        raise why.problem() from None
    if value is None:  # nothing offered: the single writer says why
        return request["location"]
    offer: ChannelAvailability = orjson.loads(value)
    return allowed(offer, channel, edge.view.worst, request["location"], request["quantity"])


def allowed(
    offer: ChannelAvailability,
    channel: Channel,
    statuses: Mapping[str, Freshness],
    location: str | None,
    quantity: int,
) -> str | None:
    """The same of an offer, with the feeds' status by location; raise Withheld."""
    shown = fallback(offer, statuses, channel.fallback, channel.low_at)
    if shown is offer:
        return location
    left = {place["location"]: min(place["quantity"], shown["quantity"]) for place in shown["by_location"]}
    if location is not None:
        if location in left and quantity > left[location]:
            raise Withheld(left[location])
        return location
    withheld = [name for name in left if channel.fallback.of(statuses.get(name, "FRESH")).action == "WITHHOLD"]
    if not withheld:
        if quantity > shown["quantity"]:
            raise Withheld(shown["quantity"])
        return None
    for name in channel.sourcing:
        if quantity <= left.get(name, 0):
            return name
    raise Withheld(max(left.values(), default=0))


def _keeps_back(channel: Channel) -> bool:
    """Whether any rule of the channel shows less than the last figure."""
    return any(rule.action != "USE_LAST" for rule in (channel.fallback.late, channel.fallback.stale))

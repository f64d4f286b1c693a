"""The feeds' status: which sources are heard of, late or stale."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from connectors.api.answers import json, refusals
from connectors.api.availability import Site
from connectors.api.security import Principal, require
from connectors.api.shapes import FeedList
from connectors.api.view import Unavailable

router = APIRouter(tags=["feeds"])


@router.get("/v1/feeds", summary="Which sources are heard of", response_model=FeedList, responses=refusals())
async def all_feeds(
    caller: Annotated[Principal, require("feeds:read")],
    edge: Site,
    location: Annotated[str | None, Query(max_length=100, examples=["DC01"])] = None,
    source: Annotated[str | None, Query(max_length=200, examples=["WMS-DC01"])] = None,
    status: Literal["FRESH", "LATE", "STALE"] | None = None,
) -> Response:
    """Every feed's status with since when; a caller bound to a channel sees those of its sourcing locations."""
    if (why := edge.view.why_not()) is not None:
        raise Unavailable(why).problem()
    own = None
    if caller.channel is not None:
        own = edge.by_id[caller.channel].sourcing if caller.channel in edge.by_id else ()
    shown = [
        feed
        for feed in edge.view.feeds
        if (own is None or feed["location"] in own)
        and location in (None, feed["location"])
        and source in (None, feed["source"])
        and status in (None, feed["status"])
    ]
    return json({"feeds": shown}, {"Cache-Control": "no-store"})

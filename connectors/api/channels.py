"""What one channel may offer: SKU by SKU, or page by page in the order of SKUs."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Query, Request, Response

from connectors import view_keys as keys
from connectors.api import offers
from connectors.api.answers import (
    CURSOR,
    LIMIT,
    NOT_MODIFIED,
    ON_DATE,
    Answer,
    bounded,
    days,
    decoded,
    encoded,
    json,
    refusals,
    stale,
    validated,
)
from connectors.api.availability import BATCH, SKU, Reader, Site, last_known_offer
from connectors.api.edge import Edge
from connectors.api.problems import Problem, invalid
from connectors.api.redis_line import Questions
from connectors.api.security import Principal, own_channel
from connectors.api.shapes import OfferPage, OneOffer, SalesStatus
from connectors.api.view import Unavailable
from tables.channels import Channel

router = APIRouter(tags=["channels"])
CHANNEL = Annotated[str, Path(max_length=64, description="A channel of channels.yaml.", examples=["webshop"])]
ROUNDS = 20
"""Batches looked through for one page; a filter that few pass gives short pages, never long waits."""


def seen(edge: Edge, caller: Principal, name: str) -> Channel:
    """The channel, if it exists and the caller may see it; Problem 404 otherwise."""
    own_channel(caller, name, name in edge.by_id)
    return edge.by_id[name]


def ask(edge: Edge, channel: Channel, questions: Questions, sku: str) -> None:
    """The commands for one offer: the record, and the positions behind it for their stamps."""
    questions.hget(keys.offer(edge.settings.app, channel.id, sku), keys.VALUE)
    questions.hmget(keys.sku(edge.settings.app, sku), channel.sourcing)


def build(edge: Edge, channel: Channel, found: Sequence[Any], date: int | None = None) -> tuple[dict[str, Any], Any]:
    """The answer for one offer read by `ask`, and the revisions it rests on."""
    record, now = orjson.loads(found[0]), edge.clock()
    mine = {place["location"] for place in record["by_location"]}
    positions = [one for value in found[1] if value and (one := orjson.loads(value))["location"] in mine]
    answer = offers.offer(record, channel, edge.view.worst, now, positions=positions, date=date)
    return answer, [record["revision"], [(one["location"], one["revision"]) for one in positions]]


@router.get(
    "/v1/channels/{channel}/availability/{sku}",
    summary="What a channel may offer of one SKU",
    response_model=OneOffer,
    responses={**NOT_MODIFIED, **refusals(404)},
)
async def one_offer(
    channel: CHANNEL, sku: SKU, request: Request, caller: Reader, edge: Site, date: ON_DATE = None
) -> Response:
    """The offer with the channel's fallback rules applied, how old it is, and the state of the feeds behind it."""
    answered = await answer_one(edge, caller, channel, sku, request.headers.get("if-none-match"), days(date))
    return answered.response()


async def answer_one(
    edge: Edge, caller: Principal, channel: str, sku: str, if_none_match: str | None, on: int | None = None
) -> Answer:
    """The whole of one_offer for parameters that fit; raise Problem."""
    chosen = seen(edge, caller, channel)
    try:
        found = await edge.view.look_up(lambda questions: ask(edge, chosen, questions, sku))
    except Unavailable as why:
        held = edge.view.last_known.find(channel, sku)
        if held is None or chosen.fallback.stale.action == "WITHHOLD":
            raise why.problem() from None
        return stale({**last_known_offer(edge, chosen, held, why), "feeds": []})
    if found[0] is None:
        edge.view.last_known.forget(channel, sku)
        raise Problem(404, "Not found", f"{channel} has no offer of {sku}")
    edge.view.last_known.keep(channel, sku, found[0])
    answer, revisions = build(edge, chosen, found, on)
    feeds = edge.view.written_feeds(chosen.sourcing)
    answer["feeds"] = feeds.shown
    return validated(edge, if_none_match, answer, channel, sku, on, offers.rules(chosen), revisions, feeds.mark)


@router.get(
    "/v1/channels/{channel}/availability",
    summary="What a channel may offer, page by page",
    response_model=OfferPage,
    responses=refusals(404),
)
async def page_of_offers(
    channel: CHANNEL,
    caller: Reader,
    edge: Site,
    sku: Annotated[list[str] | None, Query(description="Only these SKUs; may be repeated.")] = None,
    status: Annotated[SalesStatus | None, Query(description="Only offers in this status.")] = None,
    limit: LIMIT = 100,
    cursor: CURSOR = None,
) -> Response:
    """Offers in the order of their SKUs. With a status asked for, a page may be short or empty and yet have a
    `next_cursor`: go on until it is null.
    """
    chosen = seen(edge, caller, channel)
    most = bounded(edge, limit)
    try:
        if sku:
            shown, after, unknown = await _named(edge, chosen, sku, status)
        else:
            start = decoded(cursor, str) if cursor else None
            (shown, after), unknown = await _page(edge, chosen, start, status, most), []
    except Unavailable as why:
        raise why.problem() from None
    return json(
        {
            "channel": channel,
            "offers": shown,
            "unknown": unknown,
            "next_cursor": None if after is None else encoded(after),
            "feeds": edge.view.feeds_of(chosen.sourcing),
        },
        {"Cache-Control": "no-store"},
    )


async def _named(edge: Edge, channel: Channel, skus: Sequence[str], status: str | None) -> tuple[Any, None, list[str]]:
    if len(skus) > edge.settings.page_limit:
        raise invalid("query.sku", f"{len(skus)} are too many", f"1 to {edge.settings.page_limit}")
    wanted = list(dict.fromkeys(skus))
    found = await read_offers(edge, channel, wanted)
    known = {answer["sku"] for answer in found}
    shown = [answer for answer in found if status in (None, answer["status"])]
    return shown, None, [sku for sku in wanted if sku not in known]


async def _page(
    edge: Edge, channel: Channel, after: str | None, status: str | None, most: int
) -> tuple[list[dict[str, Any]], str | None]:
    """Offers after a SKU, and the SKU to go on from; None at the end."""
    shown: list[dict[str, Any]] = []
    for _ in range(ROUNDS):
        skus = await names(edge, channel, after, BATCH)
        for answer in await read_offers(edge, channel, skus):
            if status in (None, answer["status"]):
                shown.append(answer)
                if len(shown) == most:
                    return shown, answer["sku"]
        if len(skus) < BATCH:
            return shown, None
        after = skus[-1]
    return shown, after


async def names(edge: Edge, channel: Channel, after: str | None, count: int) -> list[str]:
    """The channel's next SKUs in order; raise Unavailable."""
    key, start = keys.offers(edge.settings.app, channel.id), "-" if after is None else f"({after}"
    (found,) = await edge.view.read(lambda pipeline: pipeline.zrangebylex(key, start, "+", 0, count))
    return [name.decode() for name in found]


async def read_offers(edge: Edge, channel: Channel, skus: Sequence[str]) -> list[dict[str, Any]]:
    """The answers for those SKUs that the channel has an offer of; raise Unavailable."""
    answers: list[dict[str, Any]] = []
    for first in range(0, len(skus), BATCH):
        part = skus[first : first + BATCH]

        def commands(questions: Questions, part: Sequence[str] = part) -> None:
            for sku in part:
                ask(edge, channel, questions, sku)

        found = await edge.view.look_up(commands)
        answers += [
            build(edge, channel, found[place : place + 2])[0] for place in range(0, len(found), 2) if found[place]
        ]
        await asyncio.sleep(0)
    return answers

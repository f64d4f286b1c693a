"""Availability by SKU: positions and network total for callers bound to no channel, and each channel's offer."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date as Day  # noqa: N812 - fields and parameters are called date
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Body, Depends, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from connectors import view_keys as keys
from connectors.api import offers
from connectors.api.answers import NOT_MODIFIED, ON_DATE, Answer, channel_of, days, json, refusals, stale, validated
from connectors.api.edge import Edge, edge_of
from connectors.api.problems import Problem, invalid
from connectors.api.redis_line import Questions
from connectors.api.security import Principal, own_channel, require
from connectors.api.shapes import QueryAnswer, SkuAnswer
from connectors.api.view import Unavailable
from tables.channels import Channel

router = APIRouter(tags=["availability"])
SKU = Annotated[str, Path(min_length=1, max_length=200, examples=["SKU-0001"])]
SkuText = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Reader = Annotated[Principal, require("availability:read")]
Site = Annotated[Edge, Depends(edge_of)]
BATCH = 100
"""SKUs built between two looks at other requests."""


class Question(BaseModel):
    """Many SKUs at once."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"skus": ["SKU-0001", "SKU-0002"], "channel": "webshop"}]}
    )
    skus: Annotated[list[SkuText], Field(min_length=1, description="Up to 1,000 by default.")]
    channel: Annotated[str | None, Field(description="Only this channel's offers.")] = None
    location: Annotated[str | None, Field(description="Only this location's positions.")] = None
    date: Annotated[Day | None, Field(description="Also tell what can be promised at this date.")] = None


class Asked:
    """What of a SKU is asked for, and by whom; also what the validator depends on beyond the revisions."""

    def __init__(
        self, edge: Edge, caller: Principal, *, channel: str | None = None, location: str | None, on: int | None
    ) -> None:
        chosen = channel or caller.channel
        self.edge, self.location, self.date = edge, location, on
        self.whole = chosen is None
        self.channels: Sequence[Channel] = (
            edge.channels.channels if chosen is None else [edge.by_id[chosen]] if chosen in edge.by_id else []
        )

    def ask(self, questions: Questions, sku: str) -> None:
        """The commands for one SKU: its positions, then each channel's offer."""
        app = self.edge.settings.app
        questions.hgetall(keys.sku(app, sku))
        for channel in self.channels:
            questions.hget(keys.offer(app, channel.id, sku), keys.VALUE)

    @property
    def width(self) -> int:
        """Replies for one SKU."""
        return 1 + len(self.channels)

    def answer(self, sku: str, found: Sequence[Any]) -> tuple[dict[str, Any], list[object]] | None:
        """The answer and its revisions, None for a SKU that is not known to the caller."""
        view, now = self.edge.view, self.edge.clock()
        stored = [value for _, value in sorted(keys.records(found[0]).items())]
        all_positions = [orjson.loads(value) for value in stored]
        offered = [
            (channel, orjson.loads(value)) for channel, value in zip(self.channels, found[1:], strict=True) if value
        ]
        if not offered and not (self.whole and all_positions):
            return None
        shown = [
            (one, value)
            for one, value in zip(all_positions, stored, strict=True)
            if self.whole and self.location in (None, one["location"])
        ]
        channels = [self._offer(channel, record, all_positions, now) for channel, record in offered]
        facts = [*(all_positions if self.whole else ()), *(record for _, record in offered)]
        as_of = max(fact["as_of"] for fact in facts)
        places = {one["location"] for one, _ in shown} | {p["location"] for o in channels for p in o["by_location"]}
        feeds = view.written_feeds(places)
        answer = {
            "sku": sku,
            "positions": [offers.position(*one, view, now, self.date) for one in shown],
            "network": self._network(all_positions) if self.whole else None,
            "channels": channels,
            "as_of": as_of,
            "age_ms": max(0, now - as_of),
            "computed_at": max(fact["computed_at"] for fact in facts),
            "stale": False,
            "feeds": feeds.shown,
        }
        revisions: list[object] = [
            [sku, self.date, self.location],
            [(one["location"], one["revision"]) for one in all_positions],
            [(record["channel"], record["revision"], *offers.rules(channel)) for channel, record in offered],
            feeds.mark,
        ]
        return answer, revisions

    def _offer(self, channel: Channel, record: Any, positions: Sequence[Any], now: int) -> dict[str, Any]:
        mine = {place["location"] for place in record["by_location"]}
        used = [one for one in positions if one["location"] in mine]
        return offers.offer(record, channel, self.edge.view.worst, now, positions=used, date=self.date)

    def _network(self, positions: Sequence[Any]) -> dict[str, Any]:
        total: dict[str, Any] = {
            "on_hand": sum(one["on_hand"] for one in positions),
            "atp": sum(one["atp"] for one in positions),
        }
        if self.date is not None:
            quantity = sum(offers.promised(one, self.date) for one in positions)
            total["promise"] = {"date": self.date, "quantity": quantity}
        return total


@router.get(
    "/v1/availability/{sku}",
    summary="One SKU: by location, by channel, by date",
    response_model=SkuAnswer,
    responses={**NOT_MODIFIED, **refusals(404)},
)
async def one_sku(
    sku: SKU,
    request: Request,
    caller: Reader,
    edge: Site,
    date: ON_DATE = None,
    location: Annotated[str | None, Query(max_length=100, description="Only this location's position.")] = None,
) -> Response:
    """Positions with their schedule by date and the network's total, for callers bound to no channel; and what each
    channel the caller may see is offered, its fallback rules applied.
    """
    answered = await answer_one(edge, caller, sku, request.headers.get("if-none-match"), days(date), location)
    return answered.response()


async def answer_one(
    edge: Edge,
    caller: Principal,
    sku: str,
    if_none_match: str | None,
    on: int | None = None,
    location: str | None = None,
) -> Answer:
    """The whole of one_sku for parameters that fit; raise Problem."""
    asked = Asked(edge, caller, location=location, on=on)
    try:
        found = await edge.view.look_up(lambda questions: asked.ask(questions, sku))
    except Unavailable as why:
        return _last_known(edge, caller, sku, why)
    answered = asked.answer(sku, found)
    if answered is None or (asked.whole and location is not None and not answered[0]["positions"]):
        where = f" at {location}" if location is not None else ""
        raise Problem(404, "Not found", f"no availability of {sku}{where} is known here")
    if caller.channel is not None:
        edge.view.last_known.keep(caller.channel, sku, found[1])
    return validated(edge, if_none_match, answered[0], caller.channel, answered[1])


def _last_known(edge: Edge, caller: Principal, sku: str, why: Unavailable) -> Answer:
    """A bound caller's last known offer, where its channel's rule allows; positions have no such rule."""
    channel = edge.by_id.get(caller.channel or "")
    held = edge.view.last_known.find(channel.id, sku) if channel else None
    if channel is None or held is None or channel.fallback.stale.action == "WITHHOLD":
        raise why.problem() from None
    shown = last_known_offer(edge, channel, held, why)
    return stale(
        {
            "sku": sku,
            "positions": [],
            "network": None,
            "channels": [shown],
            "as_of": shown["as_of"],
            "age_ms": shown["age_ms"],
            "computed_at": shown["computed_at"],
            "stale": True,
            "feeds": [],
        }
    )


def last_known_offer(edge: Edge, channel: Channel, held: tuple[int, Any], why: Unavailable) -> dict[str, Any]:
    """An offer read earlier, shown as if every feed were stale."""
    read_at, value = held
    record = orjson.loads(value)
    shown = offers.offer(record, channel, offers.all_stale(record), edge.clock())
    return {
        **shown,
        "stale": True,
        "stale_because": str(why),
        "last_known_at": read_at,
        "last_known_age_ms": max(0, edge.wall() - read_at),
    }


@router.post(
    "/v1/availability:query",
    summary="Many SKUs at once",
    response_model=QueryAnswer,
    responses=refusals(404, 413, 415),
)
async def many_skus(question: Annotated[Question, Body()], caller: Reader, edge: Site) -> Response:
    """The same as for one SKU, for up to 1,000; those nobody knows are listed in `unknown`."""
    most = edge.settings.query_limit
    if len(question.skus) > most:
        raise invalid("body.skus", f"{len(question.skus)} are too many", f"1 to {most}")
    if question.channel is not None:
        own_channel(caller, question.channel, question.channel in edge.by_id)
        channel_of(edge, question.channel)
    asked = Asked(edge, caller, channel=question.channel, location=question.location, on=days(question.date))
    skus = list(dict.fromkeys(question.skus))
    found = await _read(asked, skus)
    answers = [answered[0] for sku in skus if (answered := found[sku]) is not None]
    return json(
        {"answers": answers, "unknown": [sku for sku in skus if found[sku] is None]},
        {"Cache-Control": "no-store"},
    )


async def _read(asked: Asked, skus: Sequence[str]) -> Mapping[str, Any]:
    """Answers by SKU, None for one that is not known."""

    def ask(questions: Questions) -> None:
        for sku in skus:
            asked.ask(questions, sku)

    try:
        found = await asked.edge.view.look_up(ask)
    except Unavailable as why:
        raise why.problem() from None
    answers: dict[str, Any] = {}
    for number, sku in enumerate(skus):
        answers[sku] = asked.answer(sku, found[number * asked.width : (number + 1) * asked.width])
        if number % BATCH == BATCH - 1:
            await asyncio.sleep(0)
    return answers

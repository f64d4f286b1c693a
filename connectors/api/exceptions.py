"""Owned exceptions: what could not be placed, who works it, and what became of it."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Path, Query, Response

from connectors import view_keys as keys
from connectors.api.answers import CURSOR, LIMIT, bounded, decoded, encoded, json, refusals
from connectors.api.availability import Site
from connectors.api.edge import Edge
from connectors.api.problems import Problem
from connectors.api.security import Principal, require
from connectors.api.shapes import ExceptionPage, OneException, Severity, State
from connectors.api.view import Unavailable

router = APIRouter(tags=["exceptions"])
Reader = Annotated[Principal, require("exceptions:read")]
BATCH: Final = 200
ROUNDS: Final = 20
FIELDS: Final = (keys.VALUE, keys.STATUS, keys.RESOLUTION)


def partner_of(caller: Principal) -> str | None:
    """Whose exceptions the caller may see; None: everyone's."""
    return caller.partner or caller.channel


@router.get("/v1/exceptions", summary="Exceptions, newest first", response_model=ExceptionPage, responses=refusals())
async def page_of_exceptions(
    caller: Reader,
    edge: Site,
    owner: Annotated[str | None, Query(max_length=200, examples=["buyer"])] = None,
    category: Annotated[str | None, Query(max_length=100, examples=["SHORT_RECEIPT"])] = None,
    severity: Severity | None = None,
    state: State = "OPEN",
    limit: LIMIT = 100,
    cursor: CURSOR = None,
) -> Response:
    """Open ones by default. A caller bound to a partner or channel sees that one's only. A page may be short and yet
    have a `next_cursor`: go on until it is null.
    """
    most = bounded(edge, limit)
    asked = {"owner": owner, "category": category, "severity": severity, "partner": partner_of(caller)}
    wanted = {name: value for name, value in asked.items() if value is not None}
    after = (float(found[0]), str(found[1])) if cursor and (found := decoded(cursor, (float, str))) else None
    try:
        shown, after = await _page(edge, state, wanted, after, most)
    except Unavailable as why:
        raise why.problem() from None
    return json(
        {"exceptions": shown, "next_cursor": None if after is None else encoded(after)}, {"Cache-Control": "no-store"}
    )


Place = tuple[float, str]
"""An exception's place in its index: when (ms), and its id among those of the same time."""


async def _page(
    edge: Edge, state: str, wanted: Mapping[str, str], after: Place | None, most: int
) -> tuple[list[dict[str, Any]], Place | None]:
    shown: list[dict[str, Any]] = []
    for _ in range(ROUNDS):
        places = await _places(edge, state, after)
        for place, answer in await _answers(edge, places):
            if answer["state"] == state and all(answer[name] == value for name, value in wanted.items()):
                shown.append(answer)
                if len(shown) == most:
                    return shown, place
        if not places:
            return shown, None
        after = places[-1]
    return shown, after


async def _places(edge: Edge, state: str, after: Place | None) -> list[Place]:
    """The next places in the state's index, newest first; among those of one time, by id backwards."""
    app = edge.settings.app
    key = keys.exceptions_open(app) if state == keys.OPEN else keys.exceptions_closed(app)
    most, skip = ("+inf" if after is None else repr(after[0])), 0
    while True:
        start = skip

        def command(pipeline: Any, start: int = start) -> None:
            pipeline.zrevrangebyscore(key, most, "-inf", start, BATCH, withscores=True)

        (found,) = await edge.view.read(command)
        places = [(score, name.decode()) for name, score in found]
        later = [place for place in places if after is None or place < after]
        if later or len(found) < BATCH:
            return later
        skip += BATCH


async def _answers(edge: Edge, places: list[Place]) -> Iterator[tuple[Place, dict[str, Any]]]:
    def commands(pipeline: Any) -> None:
        for _, name in places:
            pipeline.hmget(keys.exception(edge.settings.app, name), FIELDS)

    found = await edge.view.read(commands)
    now = edge.clock()
    return ((place, _answer(one, now)) for place, one in zip(places, found, strict=True) if one[0] is not None)


def _answer(found: list[bytes | None], now: int, *, original: bool = False) -> dict[str, Any]:
    value, status, settled = found
    record: dict[str, Any] = orjson.loads(value or b"{}")
    if not original:
        record.pop("original", None)
    resolution = orjson.loads(settled) if settled else None
    return {
        **record,
        "age_ms": max(0, now - record["raised_at"]),
        "state": (status or b"OPEN").decode(),
        "resolved": resolution
        and {name: resolution[name] for name in ("resolution", "note", "resolved_at", "resolved_by")},
    }


@router.get(
    "/v1/exceptions/{exception_id}",
    summary="One exception with the record that caused it",
    response_model=OneException,
    responses=refusals(404),
)
async def one_exception(
    exception_id: Annotated[str, Path(max_length=200, examples=["0f8d6a3c2b1e4f5a9c8b7d6e5f4a3b2c"])],
    caller: Reader,
    edge: Site,
) -> Response:
    """Everything about one exception; another partner's is not found."""
    key = keys.exception(edge.settings.app, exception_id)
    try:
        (found,) = await edge.view.read(lambda pipeline: pipeline.hmget(key, FIELDS))
    except Unavailable as why:
        raise why.problem() from None
    answer = _answer(found, edge.clock(), original=True) if found[0] is not None else None
    own = partner_of(caller)
    if answer is None or own not in (None, answer["partner"]):
        raise Problem(404, "Not found", f"no exception {exception_id} is known here")
    return json(answer, {"Cache-Control": "no-store"})

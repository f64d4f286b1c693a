"""From a request to an answer of the view: parameters that several routes take, validators, headers, cursors."""

import base64
import binascii
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Final, NamedTuple

import orjson
from fastapi import Query, Response

from connectors.api import offers, problems
from connectors.api.edge import Edge
from connectors.api.problems import Problem, invalid
from connectors.api.shapes import ProblemShape
from schemas.dates import days_of
from tables.channels import Channel

ON_DATE = Annotated[
    date | None,
    Query(alias="date", description="Also tell what can be promised at this date.", examples=["2026-12-01"]),
]
LIMIT = Annotated[int, Query(ge=1, le=100_000, description="Most entries; the API may set a lower bound.")]
CURSOR = Annotated[str | None, Query(max_length=1_000, description="`next_cursor` of the page before.")]
VARY: Final = "Authorization, X-API-Key"


def days(on: date | None) -> int | None:
    """An ISO date as days since 1970-01-01."""
    return None if on is None else days_of(on)


def bounded(edge: Edge, limit: int) -> int:
    """The page size asked for; raise Problem 422 above the API's own bound."""
    most = edge.settings.page_limit
    if limit > most:
        raise invalid("query.limit", f"{limit} is too many", f"1 to {most}")
    return limit


def json(answer: object, headers: Mapping[str, str] | None = None) -> Response:
    return Response(orjson.dumps(answer), headers=headers, media_type="application/json")


class Answer(NamedTuple):
    """What a route that is asked often answers, ready to be sent."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def response(self) -> Response:
        response = Response(self.body, self.status)
        response.raw_headers = self.headers
        return response


def validated(edge: Edge, if_none_match: str | None, answer: dict[str, Any], *parts: object) -> Answer:
    """The answer under its validator, or 304 to a caller that has it already."""
    tag = offers.etag(*parts)
    headers = [
        (b"etag", tag.encode()),
        (b"cache-control", edge.settings.cache_control.encode("latin-1")),
        (b"vary", VARY.encode()),
    ]
    return Answer(304, headers, b"") if offers.matches(tag, if_none_match) else _ready(answer, headers)


def stale(answer: dict[str, Any]) -> Answer:
    """A last known answer, not to be kept by anyone."""
    headers = [
        (b"cache-control", b"no-store"),
        (b"warning", b'110 - "Response is Stale"'),
        (b"vary", VARY.encode()),
    ]
    return _ready(answer, headers)


def _ready(answer: dict[str, Any], headers: list[tuple[bytes, bytes]]) -> Answer:
    body = orjson.dumps(answer)
    length = (b"content-length", str(len(body)).encode())
    return Answer(200, [*headers, length, (b"content-type", b"application/json")], body)


def channel_of(edge: Edge, name: str) -> Channel:
    """A declared channel; raise Problem 404."""
    channel = edge.by_id.get(name)
    if channel is None:
        raise Problem(404, "Not found", f"there is no channel {name!r}")
    return channel


# ---- cursors ----------------------------------------------------------------------------------------------------


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(value)).decode().rstrip("=")


def decoded(cursor: str, kind: type | tuple[type, ...], *, field: str = "query.cursor") -> Any:
    """What a cursor holds: a list of these kinds, or one of this kind; raise Problem 422 for one we did not give."""
    try:
        value = orjson.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True))
    except (ValueError, binascii.Error):
        value = None
    kinds = kind if isinstance(kind, tuple) else ()
    fits = (
        isinstance(value, list) and len(value) == len(kinds) and all(map(isinstance, value, kinds))
        if kinds
        else isinstance(value, kind)
    )
    if not fits:
        raise invalid(field, "this is no cursor of ours", "`next_cursor` of an earlier answer, unchanged")
    return value


# ---- for the description ----------------------------------------------------------------------------------------


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Problems a route may answer with, beyond those any route may."""
    return {
        status: {"model": ProblemShape, "description": problems.TITLES.get(status, "Problem")}
        for status in (400, 401, 403, 422, 429, 503, *statuses)
    }


NOT_MODIFIED: Final[dict[int | str, dict[str, Any]]] = {304: {"description": "The caller has the newest answer."}}

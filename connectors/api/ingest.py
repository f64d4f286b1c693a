"""Ingest over HTTP: scans, ship notices, acknowledgements, milestones, heartbeats and EPCIS events onto their topics.

Every item is checked, written and answered by itself; 202 only after the broker's acknowledgement.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response

from connectors.api import inbound_records as records
from connectors.api.answers import refusals
from connectors.api.edge import Edge, edge_of
from connectors.api.idempotency import Kept, OptionalKey
from connectors.api.inbound_records import Kind, Sent, Unfit, fault
from connectors.api.ingest_description import EPCIS_BODY, MULTI_STATUS, Taken, body_of
from connectors.api.ingest_items import Piece, answer, refused, write
from connectors.api.problems import Problem, invalid
from connectors.api.security import Principal, require
from connectors.api.writing import Writing, writing, writing_of
from connectors.inbound import epcis
from connectors.inbound.unmapped import Unmapped

router = APIRouter(tags=["ingest"], lifespan=writing)
Sender = Annotated[Principal, require("ingest:write")]
Site = Annotated[Edge, Depends(edge_of)]
Log = Annotated[Writing, Depends(writing_of)]
SCANS_EACH: Final = 10
"""Scans that EPCIS events may become, on average, in a request of the largest size."""
DEEPEST: Final = 250
"""Levels of lists and objects in a body; what writes JSON goes a little deeper, and not without end."""
PLACE: Final = 200
"""Most characters of a place that a refusal names."""
Work = Callable[[], Awaitable[Response]]
REFUSALS: Final = {**refusals(409, 413, 415), **MULTI_STATUS}


def _route(kind: Kind) -> None:
    """POST /v1/NAME for one kind of record."""

    async def take(
        request: Request, caller: Sender, edge: Site, log: Log, idempotency_key: OptionalKey = None
    ) -> Response:
        body = await _json(request)

        async def work() -> Response:
            items = _items(body, edge)
            sent = Sent(caller, edge.clock(), idempotency_key)
            pieces = [_piece(kind, item, number, sent) for number, item in enumerate(items)]
            return answer(kind.name, await write(edge, log, pieces))

        return await _once(log, caller, kind.name, idempotency_key, body, work)

    take.__doc__ = f"Send {kind.name}: one object, a list of them, or {{items: […]}}."
    router.post(
        f"/v1/{kind.name}",
        status_code=202,
        response_model=Taken,
        responses=REFUSALS,
        operation_id=f"send_{kind.name}",
        summary=f"Send {kind.name}",
        openapi_extra=body_of(kind),
    )(take)


for _kind in (records.SCANS, records.ASNS, records.ACKS, records.MILESTONES, records.HEARTBEATS):
    _route(_kind)


@router.post(
    "/v1/epcis",
    status_code=202,
    response_model=Taken,
    responses=REFUSALS,
    operation_id="send_epcis",
    summary="Send EPCIS 2.0 events",
    openapi_extra=EPCIS_BODY,
)
async def take_epcis(
    request: Request,
    caller: Sender,
    edge: Site,
    log: Log,
    source: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=100,
            pattern=r"^[^|]+$",
            description="The feed, for example WMS-DC01; a caller bound to a partner may leave it out.",
        ),
    ] = None,
    idempotency_key: OptionalKey = None,
) -> Response:
    """Send an EPCISDocument or one event; object and aggregation events become warehouse scans."""
    body = await _json(request)
    feed = source or caller.partner
    if feed is None:
        raise invalid("query.source", "is missing", "the feed that sends, for example WMS-DC01")
    try:
        records.check_speaker("query.source", feed, caller)
    except Unfit as unfit:
        raise refused(unfit) from None

    async def work() -> Response:
        skipped = frozenset(step.strip() for step in edge.settings.epcis_skipped.split(",") if step.strip())
        capture = epcis.Capture(feed, edge.clock(), skipped)
        return answer("epcis", await write(edge, log, _events(body, edge, capture)))

    return await _once(log, caller, f"epcis {feed}", idempotency_key, body, work)


# ---- a request --------------------------------------------------------------------------------------------------


async def _json(request: Request) -> Any:
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind not in ("application/json", "application/ld+json"):
        raise Problem(415, "Unsupported media type", f"{kind!r} is not taken; send application/json")
    try:
        body = orjson.loads(await request.body())
    except orjson.JSONDecodeError as error:
        raise Problem(400, "Malformed request", f"the body is not JSON: {error}") from None
    try:
        orjson.dumps(body)  # ids and fingerprints need it written again, which goes less deep than reading
    except orjson.JSONEncodeError:
        raise invalid(_too_deep(body), "is nested too deep", f"at most {DEEPEST} levels") from None
    return body


def _too_deep(body: Any) -> str:
    """The first place nested deeper than allowed; a long one is cut."""
    way = [("body", _inside(body))]
    while way and len(way) <= DEEPEST:
        found = next(way[-1][1], None)
        if found is None:
            way.pop()
        else:
            way.append((found[0], _inside(found[1])))
    place = "".join(name for name, _ in way)
    return place if len(place) <= PLACE else f"{place[:PLACE]}…"


def _inside(value: Any) -> Iterator[tuple[str, Any]]:
    """The lists and objects in a list or object, each with its place there."""
    if isinstance(value, dict):
        return ((f".{name}", inner) for name, inner in value.items() if isinstance(inner, dict | list))
    return ((f"[{number}]", inner) for number, inner in enumerate(value) if isinstance(inner, dict | list))


async def _once(log: Writing, caller: Principal, name: str, key: str | None, body: Any, work: Work) -> Response:
    """Do the work, or give the answer that the same request had before; what may be sent again is not kept.

    A key is free again only where nothing was handed to the broker, which is so where the work itself refuses.
    """
    if key is None:
        return await work()
    scope = f"ingest {caller.partner or caller.id} {name}"
    turn = await log.answers.begin(scope, key, body, alone=True)
    if isinstance(turn, Kept):
        return turn.response()
    try:
        response = await work()
    except Problem as problem:
        if problem.status_code in (403, 422):
            await log.answers.give_up(scope, key, turn)
        else:
            await log.answers.leave(scope, key)
        raise
    except BaseException:
        await log.answers.leave(scope, key)
        raise
    if response.status_code == 202 or (response.status_code == 207 and b'"status":503' not in response.body):
        await log.answers.keep(scope, key, body, response)
    else:
        await log.answers.leave(scope, key)
    return response


def _items(body: Any, edge: Edge) -> Sequence[Any]:
    batch = body["items"] if isinstance(body, Mapping) and set(body) == {"items"} else body
    if not isinstance(batch, list):
        return [batch]
    if not 1 <= len(batch) <= edge.settings.batch_limit:
        raise invalid("items", f"there are {len(batch)}", f"1 to {edge.settings.batch_limit} in one request")
    return batch


def _piece(kind: Kind, item: Any, number: int, sent: Sent) -> Piece:
    piece = Piece(number, kind)
    try:
        piece.records = [kind.record(item, number, sent)]
    except Unfit as unfit:
        piece.unfit = unfit
    return piece


def _events(body: Any, edge: Edge, capture: epcis.Capture) -> list[Piece]:
    """What each event of a document becomes."""
    try:
        given = list(epcis.events(body))
    except Unmapped as unmapped:
        raise invalid(unmapped.path or "body", unmapped.wrong, unmapped.mend) from None
    if len(given) > edge.settings.batch_limit:
        raise invalid("eventList", f"there are {len(given)} events", f"at most {edge.settings.batch_limit}")
    made = [_scans(event, path, number, capture) for number, (path, event) in enumerate(given)]
    most = SCANS_EACH * edge.settings.batch_limit
    if (count := sum(len(piece.records) for piece in made)) > most:
        raise invalid("eventList", f"becomes {count} scans", f"at most {most} in one request")
    return made


def _scans(event: Any, path: str, number: int, capture: epcis.Capture) -> Piece:
    piece = Piece(number, records.SCANS, path=path)
    try:
        piece.records = [dict(scan) for scan in epcis.scans(event, path, capture)]
    except Unmapped as unmapped:
        piece.unfit = Unfit([fault(unmapped.path or "body", unmapped.wrong, unmapped.mend)])
        return piece
    found = [one for scan in piece.records for one in records.scan_faults(scan)]
    if found:
        at = f"{path}: " if path else ""
        piece.unfit = Unfit([{**one, "field": f"{at}scan.{one['field']}"} for one in found])
    return piece

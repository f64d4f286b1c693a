"""The items of one ingest request: written in their order, each answered by itself."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from fastapi import Response

from connectors.api import metrics
from connectors.api.edge import Edge
from connectors.api.inbound_records import Fault, Kind, Record, Unfit, fault
from connectors.api.problems import Problem
from connectors.api.writing import Writing
from connectors.writer import NotWritten
from schemas.catalogue import catalogue
from tables.document_names import document_of

log = logging.getLogger(__name__)
Item = dict[str, Any]
"""What is answered for one item: index, status, and ids and coordinates or the faults."""


@dataclass(slots=True)
class Piece:
    """One item, or one EPCIS event with its path: the records it becomes, all of them or none."""

    index: int
    kind: Kind
    records: list[Record] = field(default_factory=list)
    unfit: Unfit | None = None
    path: str | None = None
    on_the_way: list[asyncio.Future[str]] = field(default_factory=list)

    def begin(self, edge: Edge, log: Writing) -> None:
        """Hand the records to the writer, unless one of them is no record that intake takes."""
        encoded = [self._encoded(edge, record) for record in self.records]
        if self.unfit is None:
            self.on_the_way = [log.writer.begin(self.kind.topic, key, value) for key, value in encoded]

    def _encoded(self, edge: Edge, record: Record) -> tuple[str, bytes]:
        key, value = self.kind.key(record), edge.codec.encode(self.kind.topic, record)
        most = catalogue().topic(self.kind.topic).max_record_bytes
        if most is not None and len(value) + len(key.encode()) > most and self.unfit is None:
            self.unfit = Unfit([fault(self.path or "item", f"is {len(value)} bytes as a record", f"at most {most}")])
        return key, value

    async def answer(self) -> Item:
        """What became of it, once the broker has spoken."""
        item: Item = {"index": self.index}
        if self.path is not None:
            item["path"] = self.path
        if self.unfit is not None:
            return item | {"status": self.unfit.status, "errors": self.unfit.faults}
        parts = [
            _named(record) | await _written(waiting)
            for record, waiting in zip(self.records, self.on_the_way, strict=True)
        ]
        if log.isEnabledFor(logging.INFO):
            for record, part in zip(self.records, parts, strict=True):
                log.info("record written", extra=_line(record, part))
        if self.path is None:
            return item | parts[0]
        return item | {"status": max((part["status"] for part in parts), default=202), "scans": parts}


def _named(record: Record) -> Item:
    return {"event_id": record["event_id"]} if "event_id" in record else {}


def _line(record: Record, part: Item) -> dict[str, Any]:
    """What the log says of one record: which business event it belongs to, and where it stands now."""
    told = {"correlation_id": record.get("correlation_id"), "document": document_of(record)}
    return {**told, "coordinate": part.get("coordinate"), "status": part["status"]}


async def _written(waiting: asyncio.Future[str]) -> Item:
    try:
        return {"status": 202, "coordinate": await waiting}
    except NotWritten as error:
        return {"status": 503, "detail": f"{error}; send it again, it counts once"}


async def write(edge: Edge, log: Writing, pieces: Sequence[Piece]) -> list[Item]:
    """Write what is fit, in order, and say of each item what became of it."""
    for piece in pieces:
        piece.begin(edge, log)
    return [await piece.answer() for piece in pieces]


def answer(name: str, found: Sequence[Item]) -> Response:
    """202 where all items are taken, 207 where some are; a problem where none is."""
    for item in found:
        metrics.ITEMS.labels(name, str(item["status"])).inc()
    statuses = {item["status"] for item in found}
    if statuses == {503}:
        detail = "the broker has not acknowledged; send it again, it counts once"
        raise Problem(503, "Not acknowledged", detail, headers={"Retry-After": "2"}, items=[*found])
    if not statuses & {202, 503}:
        raise _none_fit(found)
    taken = {"accepted": sum(item["status"] == 202 for item in found), "items": found}
    return Response(orjson.dumps(taken), 202 if statuses == {202} else 207, media_type="application/json")


def _none_fit(found: Sequence[Item]) -> Problem:
    errors: list[Fault] = [
        one if len(found) == 1 or "path" in item else {**one, "field": f"items[{item['index']}].{one['field']}"}
        for item in found
        for one in item["errors"]
    ]
    return refused(Unfit(errors, 403 if all(item["status"] == 403 for item in found) else 422))


def refused(unfit: Unfit) -> Problem:
    """The problem of a request of which nothing can be used."""
    title = "Not allowed" if unfit.status == 403 else "Invalid request"
    named = ", ".join(dict.fromkeys(one["field"] for one in unfit.faults[:20]))
    return Problem(unfit.status, title, f"cannot use {named}", errors=unfit.faults)

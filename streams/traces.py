"""The way of a trace through a worker: from the headers of what comes in to those of what it causes, and its spans.

Records carry their correlation id from stage to stage; which trace that belongs to is remembered here, for a while. So
headers pass through whether or not spans are made, a record that waited finds its trace again, and rows know nothing.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from schemas.trace_context import TraceContext, from_kafka
from schemas.tracing import Span, tracer

Headers = list[tuple[str, bytes]]
NONE: Final[Headers] = []
REMEMBERED: Final = 40_000
"""Names of events of which the trace is known, about 300 bytes each; two a traced record."""


class Traces:
    """What a worker knows of traces. Most spend their lives with `known` empty: then nothing else need be asked."""

    def __init__(self, decode: Callable[[str, bytes], Any], most: int = REMEMBERED) -> None:
        self._decode, self._most = decode, most
        self.known: dict[str, TraceContext] = {}
        """By correlation id and source coordinate, the newest last."""

    def note(self, topic: str, records: Sequence[Any]) -> list[TraceContext]:
        """Remember which traces these records belong to, those of a chunk that have headers; each trace place once."""
        found: dict[TraceContext, None] = {}
        for record in records:
            context = from_kafka(record.headers)
            if context is not None:
                found[context] = None
                self._keep(f"{topic}[{record.partition}]@{record.offset}", context)
                if (name := self._correlation(topic, record)) is not None:
                    self._keep(name, context)
        return list(found)

    def of(self, record: Mapping[str, Any]) -> Headers:
        """The headers of what a record of ours says, by its correlation id, or by where what it is about came from."""
        known = self.known
        context = known.get(record.get("correlation_id", "")) or known.get(record.get("coordinate", ""))
        return NONE if context is None else context.kafka()

    def _keep(self, name: str, context: TraceContext) -> None:
        known = self.known
        known.pop(name, None)
        known[name] = context
        if len(known) > self._most:
            del known[next(iter(known))]

    def _correlation(self, topic: str, record: Any) -> str | None:
        """What the record calls the business event, if it can be read and does."""
        try:
            name = self._decode(topic, record.value).get("correlation_id")
        except Exception:  # noqa: BLE001 - what is wrong with it is its stage's business
            return None
        return name if isinstance(name, str) and name else None


class ChunkSpan:
    """One chunk's way through its stage, told afterwards, since it is over before anything else can happen."""

    __slots__ = ("_attributes", "_began", "_links", "_topic")

    def __init__(self, app: str, stage: str, topic: str, run: Sequence[Any], links: Sequence[TraceContext]) -> None:
        self._began, self._topic, self._links = time.time_ns(), topic, links
        self._attributes = {
            "messaging.system": "kafka",
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "messaging.destination.name": topic,
            "messaging.destination.partition.id": str(run[0].partition),
            "messaging.batch.message_count": len(run),
            "messaging.consumer.group.name": app,
            "stockstream.stage": stage,
            "stockstream.offset.first": run[0].offset,
            "stockstream.offset.last": run[-1].offset,
        }

    def end(self) -> TraceContext | None:
        """Tell it; where it is in its trace."""
        name = f"process {self._topic}"
        span = tracer.begin(name, "CONSUMER", links=self._links, attributes=self._attributes, at_ns=self._began)
        span.end()
        return span.context


def transaction(partition: int, chunks: Sequence[TraceContext], places: int) -> Span:
    """The span of a transaction that carries what these chunks became, among others, to so many partitions."""
    attributes: dict[str, str | int] = {
        "messaging.system": "kafka",
        "stockstream.partition": partition,
        "stockstream.chunks": len(chunks),
        "stockstream.partitions.written": places,
    }
    return tracer.begin("transaction", "INTERNAL", links=chunks, attributes=attributes)

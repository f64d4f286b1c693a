"""The audit trail and what people have to settle: results, exceptions and dead letters, delivered before offsets move."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

from confluent_kafka.aio import AIOProducer

from connectors import refusal_log
from connectors.heartbeat import DELIVERY_S
from connectors.kafka import Lost, Record
from connectors.outbound.erp import metrics
from connectors.writer import Writer
from schemas.clock import Clock
from schemas.codec import Codec, Undecodable
from schemas.logs import AtMost
from schemas.records import DeadLetter, ErpPosting, ErpPostingResult
from schemas.trace_context import TraceContext, from_kafka
from tables.exceptions import CATEGORIES, raised

POSTINGS, RESULTS, EXCEPTIONS, LETTERS = "erp.postings", "erp.posting-results", "exceptions", "dead-letters"
Outcome = Literal["POSTED", "DUPLICATE", "REFUSED", "FAILED", "UNKNOWN"]

log: Final = logging.getLogger("erp.postings")
log.addFilter(AtMost(200))
SAID: Final = (
    "correlation_id", "document", "step", "revision", "operation", "system", "outcome", "attempt", "reason",
    "erp_document", "idempotency_key", "shadow",
)  # fmt: skip
"""Fields of a result that its line has."""


class Results:
    """Writes to the topics; every method returns once the broker has the record."""

    def __init__(self, producer: AIOProducer, codec: Codec, now: Clock, traced: Callable[[], Writer]) -> None:
        self._producer, self._codec, self.now = producer, codec, now
        self._make_traced = traced
        self._traced: Writer | None = None
        """Writes what belongs to a trace, made with the first of it: the other takes no headers."""

    async def close(self) -> None:
        """Give back what was made here."""
        if self._traced is not None:
            await self._traced.close()

    async def attempt(
        self,
        posting: ErpPosting,
        outcome: Outcome,
        *,
        system: str,
        attempt: int,
        erp_document: str | None = None,
        reason: str | None = None,
        shadow: bool = False,
        trace: TraceContext | None = None,
    ) -> None:
        """What came of one attempt."""
        record: ErpPostingResult = {
            "document": posting["document"],
            "step": posting["step"],
            "revision": posting["revision"],
            "idempotency_key": posting["idempotency_key"],
            "outcome": outcome,
            "attempt": max(attempt, 1),
            "erp_document": erp_document,
            "reason": reason,
            "answered_at": self.now(),
            "correlation_id": posting["correlation_id"],
            "operation": posting["operation"],
            "system": system,
            "shadow": shadow,
        }
        metrics.ATTEMPTS.labels(system, posting["operation"], outcome, str(shadow).lower()).inc()
        if outcome in ("POSTED", "DUPLICATE") and not shadow:
            waited = max(0, record["answered_at"] - posting["created_at"]) / 1000
            metrics.POSTING_SECONDS.labels(system, posting["operation"]).observe(waited)
        await self._write(RESULTS, posting["document"], record, trace)
        if log.isEnabledFor(logging.INFO):
            log.info("posting attempted", extra=_line(record, posting))

    async def exception(
        self,
        category: str,
        posting: ErpPosting,
        message: str,
        *,
        coordinate: str,
        owner: str | None = None,
        evidence: Mapping[str, str] | None = None,
        original: bytes = b"",
        trace: TraceContext | None = None,
    ) -> None:
        """Something a person has to settle about one posting."""
        record = raised(
            category,
            ("POSTING", posting["idempotency_key"]),
            message,
            coordinate=coordinate,
            raised_at=self.now(),
            correlation_id=posting["correlation_id"],
            partner=posting["partner"],
            owner=owner,
            evidence=evidence,
            original=original,
        )
        metrics.EXCEPTIONS.labels(category).inc()
        await self._write(EXCEPTIONS, record["exception_id"], record, trace)

    async def finding(
        self, category: str, subject: tuple[str, str], message: str, *, coordinate: str, evidence: Mapping[str, str]
    ) -> None:
        """Something a person has to settle about a file."""
        record = raised(
            category, subject, message, coordinate=coordinate, raised_at=self.now(), correlation_id=subject[1],
            evidence=evidence,
        )  # fmt: skip
        metrics.EXCEPTIONS.labels(category).inc()
        await self._write(EXCEPTIONS, record["exception_id"], record)

    async def dead_letter(self, record: Record, error: Undecodable) -> None:
        """A record that cannot be read, with its bytes as they came."""
        category = CATEGORIES[error.category]
        letter: DeadLetter = {
            "coordinate": record.coordinate,
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
            "key": record.key or None,
            "original": record.value or b"",
            "error": str(error),
            "category": error.category,
            "owner": category.owner,
            "remedy": category.remedy,
            "failed_at": self.now(),
        }
        metrics.DEAD_LETTERS.labels(error.category).inc()
        await self._write(LETTERS, record.coordinate, letter, from_kafka(record.headers))

    async def _write(self, topic: str, key: str, record: Mapping[str, Any], trace: TraceContext | None = None) -> None:
        value = self._codec.encode(topic, record)
        try:
            async with asyncio.timeout(DELIVERY_S):  # an attempt is in no loop that is missed when it stands still
                if trace is not None:
                    self._traced = self._traced or self._make_traced()
                    await self._traced.write(topic, key, value, dict(trace.kafka()))
                else:
                    await (await self._producer.produce(topic, value, key.encode()))
        except TimeoutError as error:
            raise Lost(f"{topic}: no answer about a record within {DELIVERY_S:.0f} s") from error
        refusal_log.tell(topic, record)


def _line(record: ErpPostingResult, posting: ErpPosting) -> dict[str, Any]:
    """What the log says of an attempt."""
    told: Mapping[str, Any] = record
    return {"partner": posting["partner"], **{name: told[name] for name in SAID}}

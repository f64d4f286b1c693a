"""One system that is posted to over its API: picks who goes next, makes one attempt, and says what became of it.

Each pick is one attempt. What fails rests at the head of its document and is picked again, so that no wait holds up
anything but its own document.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from structlog.contextvars import bind_contextvars

from connectors.away import pause
from connectors.outbound.erp import metrics
from connectors.outbound.erp.adapter import OPERATIONS, OWNERS, Adapter, Answer, Unanswered
from connectors.outbound.erp.breaker import Breaker
from connectors.outbound.erp.driver import told_fault
from connectors.outbound.erp.inquiries import Inquiries
from connectors.outbound.erp.lanes import Entry, Lanes
from connectors.outbound.erp.results import Outcome, Results
from connectors.outbound.erp.throttle import INQUIRY, Throttle
from schemas.tracing import tracer

log: Final = logging.getLogger("erp.postings")
T = TypeVar("T")
LOOK_S: Final = 0.02
Settled = Callable[[Entry, Answer], None]
Handover = Callable[[Entry, str], None]


@dataclass(frozen=True, slots=True)
class Pace:
    """Limits of one system's attempts, in seconds."""

    concurrency: int
    total_s: float
    backoff_first_s: float
    backoff_most_s: float


class OnlineSystem:
    """Postings of one system. `settled` hears of each one that needs no further attempt, once its result is written."""

    def __init__(
        self,
        name: str,
        adapter: Adapter,
        results: Results,
        *,
        breaker: Breaker,
        throttle: Throttle,
        pace: Pace,
        settled: Settled,
        move: Handover,
        keep: Handover,
        shadow: bool = False,
    ) -> None:
        self.name, self.adapter, self.breaker, self.shadow = name, adapter, breaker, shadow
        self.lanes = Lanes()
        self._results, self._throttle, self._pace = results, throttle, pace
        self._settled, self._move, self._keep = settled, move, keep
        self._inquiries = Inquiries(name, adapter, throttle, pace.total_s, self.lanes.answered)
        self._slots = asyncio.Semaphore(pace.concurrency)
        self._under_way: set[asyncio.Task[None]] = set()
        self._last_fault: dict[str, Any] | None = None
        self._stopping = False

    # ---- what comes in ------------------------------------------------------------------------------------------

    def add(self, entry: Entry) -> None:
        self.lanes.add(entry)
        if entry.ask and not entry.former:  # else another system's answer might be taken for the one that counts
            self._inquiries.expect(entry)

    def withdraw(self, entry: Entry) -> bool:
        """Take a posting back that has not been picked."""
        self._inquiries.forget(entry)
        return self.lanes.withdraw(entry)

    def urge(self, partition: int) -> None:
        """It goes as fast as it may in any case."""

    def committed(self, partition: int, note: list[int] | None) -> None:
        """Nothing waits for a commit."""

    def has(self, document: str) -> bool:
        return self.lanes.has(document)

    async def assigned(self, partition: int, note: list[int] | None) -> None:
        """Nothing is kept by partition."""

    def notes(self, partition: int) -> list[int] | None:  # noqa: ARG002 - the driver's interface
        return None

    def state(self) -> dict[str, Any]:
        """For /readyz; a 429 is no fault, for it opens no breaker."""
        return {
            "breaker": self.breaker.state.name.lower(),
            "waiting": len(self.lanes),
            "shadow": self.shadow,
            "last_fault": self._last_fault,
        }

    async def ask(self, keys: list[str]) -> dict[str, Answer]:
        """What this system has taken of these keys, at its pace; raise Unanswered."""
        await self._throttle.spend(INQUIRY)
        return dict(await self._limited(self.adapter.inquiry(keys)))

    # ---- the loop -----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Pick and start attempts until cancelled; a fault of ours (not of the ERP) ends it."""
        async with asyncio.TaskGroup() as attempts:
            while not self._stopping:
                await self._slots.acquire()
                entry = await self._next()
                if entry is None:
                    return
                self.breaker.enter()
                if entry.kind != INQUIRY:
                    await self._throttle.spend(entry.kind)
                if entry.dropped:  # its partition went while it waited for its token: another instance sends it
                    self.breaker.left()
                    self._slots.release()
                    self.lanes.done(entry)
                    continue
                task = attempts.create_task(self._attempt(entry))
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)

    async def stop(self, within_s: float) -> None:
        """Start nothing more and wait for what is under way."""
        self._stopping = True
        self.lanes.changed.set()
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=within_s)

    async def drop(self, partition: int, within_s: float) -> None:
        """A partition goes to another instance: forget its postings, wait for those under way."""
        busy = self.lanes.drop(lambda entry: entry.record.partition == partition)
        for _ in range(int(within_s / LOOK_S)):
            if not any(entry.busy for entry in busy):
                return
            await asyncio.sleep(LOOK_S)

    async def _next(self) -> Entry | None:
        while not self._stopping:
            await self.breaker.admitted()
            self.lanes.changed.clear()
            entry = self.lanes.take(self._throttle.allows)
            if entry is not None:
                return entry
            try:
                async with asyncio.timeout(self._throttle.look_again_s() if self.lanes.ready() else None):
                    await self.lanes.changed.wait()
            except TimeoutError:
                continue
        return None

    # ---- one attempt --------------------------------------------------------------------------------------------

    async def _attempt(self, entry: Entry) -> None:
        bind_contextvars(**entry.bound, system=self.name)  # each attempt is a task of its own
        metrics.UNDER_WAY.labels(self.name).inc()
        try:
            answer = await self._contained(entry)
        except Unanswered as fault:
            self._judge(fault)
            await self._failed(entry, fault)
            return
        finally:
            self.breaker.left()
            self._slots.release()
            metrics.UNDER_WAY.labels(self.name).dec()
        self.breaker.succeeded()
        if answer is None:  # asked, and to be sent, or moved to another system
            return
        await self._told(entry, answer)

    async def _contained(self, entry: Entry) -> Answer | None:
        """The answer; a shadow's fault that no adapter may have is one of the system, which holds up nothing else."""
        try:
            return await self._answer(entry)
        except Unanswered:
            raise
        except Exception as error:
            if not self.shadow:
                raise
            log.exception("a fault in a shadow")
            raise Unanswered(f"{type(error).__name__}: {error}", taken=True) from error

    async def _answer(self, entry: Entry) -> Answer | None:
        """The ERP's word on the posting; None: it only was asked."""
        if entry.former:
            await self._keep_or_move(entry)
            return None
        if entry.ask and entry.found is None:
            await self._inquiries.ask(entry)
            if entry.found is None:
                self.lanes.again(entry, 0)
                return None
        if entry.found is not None:
            return entry.found
        return await self._send(entry)

    async def _send(self, entry: Entry) -> Answer:
        operation = entry.posting["operation"]
        entry.attempt += 1
        contexts = () if (trace := entry.trace) is None else (trace,)
        with tracer.sending(f"POST {operation}", contexts) as span:
            if span.recorded:
                span.tell(self._said(entry))
            started = time.monotonic()
            try:
                answer = await self._limited(OPERATIONS[operation](self.adapter, entry.posting))
            finally:
                metrics.ATTEMPT_SECONDS.labels(self.name, operation).observe(time.monotonic() - started)
            if span.recorded:
                span.tell({"stockstream.erp.outcome": answer.outcome})
            return answer

    def _said(self, entry: Entry) -> dict[str, str | int]:
        """What a span says of an attempt."""
        return {
            "http.request.method": "POST",
            "http.request.resend_count": entry.attempt - 1,
            "stockstream.erp.system": self.name,
            "stockstream.erp.operation": entry.posting["operation"],
            "stockstream.correlation_id": entry.posting["correlation_id"],
        }

    async def _limited(self, call: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self._pace.total_s):
                return await call
        except TimeoutError:
            raise Unanswered(f"no answer within {self._pace.total_s:g} s", taken=True) from None

    async def _keep_or_move(self, entry: Entry) -> None:
        """The document stays here if this system has any of it; otherwise the next one is asked, or takes it."""
        await self._throttle.spend(INQUIRY)
        held = await self._limited(self.adapter.holds(entry.document))
        if held:
            entry.former = ()
            self._keep(entry, self.name)
            self.lanes.again(entry, 0)
        else:
            self.lanes.done(entry)
            self._move(entry, self.name)

    # ---- what comes of it ---------------------------------------------------------------------------------------

    async def _told(self, entry: Entry, answer: Answer) -> None:
        await self._results.attempt(
            entry.posting,
            answer.outcome,
            system=self.name,
            attempt=entry.attempt,
            erp_document=answer.erp_document,
            reason=answer.reason,
            shadow=self.shadow,
            trace=entry.trace,
        )
        if answer.outcome == "REFUSED" and not self.shadow:
            await self._refused(entry, answer)
        self.lanes.done(entry)
        self._settled(entry, answer)

    async def _refused(self, entry: Entry, answer: Answer) -> None:
        posting = entry.posting
        await self._results.exception(
            "ERP_REFUSED",
            posting,
            f"{self.name} refused {posting['operation']} of {posting['document']}: {answer.reason}",
            coordinate=entry.record.coordinate,
            owner=OWNERS.get(posting["operation"]),
            evidence={
                "system": self.name,
                "document": posting["document"],
                "step": posting["step"],
                "revision": str(posting["revision"]),
                "reason": answer.reason or "",
            },
            original=entry.record.value or b"",
            trace=entry.trace,
        )

    def _judge(self, fault: Unanswered) -> None:
        if fault.retry_after_s is not None:
            self._throttle.hold(fault.retry_after_s)
        if not fault.healthy:
            self._last_fault = told_fault(fault.reason)
            self.breaker.failed()

    async def _failed(self, entry: Entry, fault: Unanswered) -> None:
        """Write the attempt down and let the posting rest; a question that went wrong is no attempt."""
        asked = entry.ask or bool(entry.former)
        if asked:
            log.info("question unanswered", extra={"operation": entry.posting["operation"], "reason": fault.reason})
        if not asked:
            outcome: Outcome = "UNKNOWN" if fault.taken else "FAILED"
            entry.ask = fault.taken
            await self._results.attempt(
                entry.posting,
                outcome,
                system=self.name,
                attempt=entry.attempt,
                reason=fault.reason,
                shadow=self.shadow,
                trace=entry.trace,
            )
        if entry.dropped:
            self.lanes.done(entry)
            return
        wait = pause(entry.attempt + 1, self._pace.backoff_first_s, self._pace.backoff_most_s)
        self.lanes.again(entry, max(wait, fault.retry_after_s or 0))

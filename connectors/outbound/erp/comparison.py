"""Compares what a shadow system answered with what the system of record answered; neither waits for the other.

The answer of the system of record is remembered when it was given in this process, and asked for by key otherwise. A
posting it does not have, though its group is past it, was refused there.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from connectors.outbound.erp import metrics
from connectors.outbound.erp.adapter import Answer, Unanswered, shortened
from connectors.outbound.erp.lanes import Entry
from connectors.outbound.erp.results import Results

REMEMBERED: Final = 50_000
LOOK_S: Final = 0.2
TOGETHER: Final = 50
"""Most questions of one round: what was answered meanwhile need not be asked."""

Systems = Callable[[Entry], tuple[str, ...]]
"""The systems of record that may have taken the entry's document."""
Ask = Callable[[Entry, list[str]], Awaitable[dict[str, Answer]]]
"""Asks these systems by key; raises Unanswered."""
Passed = Callable[[int], Awaitable[int]]
"""The offset below which the systems of record have settled everything of a partition."""


class Answers:
    """The newest answers of the systems of record, by idempotency key."""

    def __init__(self) -> None:
        self._answers: OrderedDict[str, Answer] = OrderedDict()

    def remember(self, entry: Entry, answer: Answer | None) -> None:
        if answer is not None:
            self._answers[entry.posting["idempotency_key"]] = answer
            if len(self._answers) > REMEMBERED:
                self._answers.popitem(last=False)

    def get(self, entry: Entry) -> Answer | None:
        return self._answers.get(entry.posting["idempotency_key"])


@dataclass(slots=True)
class _Pending:
    entry: Entry
    answer: Answer


class Comparison:
    """Of one shadow system. `done` hears of each entry that has been compared."""

    def __init__(
        self,
        system: str,
        answers: Answers,
        results: Results,
        *,
        systems: Systems,
        ask: Ask,
        passed: Passed,
        done: Callable[[Entry], None],
    ) -> None:
        self._system, self._answers, self._results = system, answers, results
        self._systems, self._ask, self._passed, self._done = systems, ask, passed, done
        self._pending: dict[int, _Pending] = {}

    def add(self, entry: Entry, answer: Answer) -> None:
        """The shadow system has answered."""
        self._pending[id(entry)] = _Pending(entry, answer)

    async def run(self) -> None:
        """Compare until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            for pending in list(self._pending.values()):
                if pending.entry.dropped:
                    del self._pending[id(pending.entry)]
                elif (known := self._answers.get(pending.entry)) is not None:
                    await self._compare(pending, known)
            await self._ask_for_some()

    async def _ask_for_some(self) -> None:
        """A round of questions; neither a partition that stands still nor a system that is down holds up others."""
        past, down, asked = dict[int, int](), set[tuple[str, ...]](), 0
        for pending in list(self._pending.values()):
            entry, partition = pending.entry, pending.entry.record.partition
            if partition not in past:
                past[partition] = await self._passed(partition)
            if past[partition] <= entry.record.offset or (down and self._systems(entry) in down):
                continue
            key = entry.posting["idempotency_key"]
            try:
                found = await self._ask(entry, [key])
            except Unanswered:
                down.add(self._systems(entry))
                continue
            await self._compare(pending, found.get(key) or Answer("REFUSED", reason="not in the system of record"))
            asked += 1
            if asked == TOGETHER:
                return

    async def _compare(self, pending: _Pending, record: Answer) -> None:
        entry, shadow = pending.entry, pending.answer
        findings = differences(record, shadow)
        if findings:
            posting, told = entry.posting, shortened("; ".join(findings))
            await self._results.exception(
                "SHADOW_DIFFERENCE",
                posting,
                f"{self._system} differs from the system of record on {posting['idempotency_key']}: {told}",
                coordinate=entry.record.coordinate,
                evidence={"shadow": self._system, "differences": told},
                original=entry.record.value or b"",
            )
        metrics.COMPARED.labels(self._system, "different" if findings else "equal").inc()
        self._pending.pop(id(entry), None)
        self._done(entry)


def differences(record: Answer, shadow: Answer) -> list[str]:
    """How two answers differ: taken or refused, and what the document has come to where both tell."""
    refused = record.outcome == "REFUSED", shadow.outcome == "REFUSED"
    if refused[0] != refused[1]:
        return [f"{_told(record)} in the system of record, {_told(shadow)} in the shadow"]
    if record.totals is None or shadow.totals is None:
        return []
    return [
        f"{line}: {record.totals.get(line, 0)} in the system of record, {shadow.totals.get(line, 0)} in the shadow"
        for line in sorted(record.totals.keys() | shadow.totals.keys())
        if record.totals.get(line, 0) != shadow.totals.get(line, 0)
    ]


def _told(answer: Answer) -> str:
    return f"refused ({answer.reason})" if answer.outcome == "REFUSED" else f"taken as {answer.erp_document}"

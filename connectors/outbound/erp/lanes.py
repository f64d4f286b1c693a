"""Who goes next in one system: strict order within a document, the most urgent document first among the ready ones.

A document is as urgent as the most urgent posting waiting in it: what stands before that one would hold it up.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from connectors.kafka import Record
from connectors.outbound.erp.adapter import Answer
from connectors.outbound.erp.throttle import INQUIRY
from schemas.records import ErpPosting
from schemas.trace_context import TraceContext, from_kafka


@dataclass(eq=False, slots=True)
class Entry:
    """One posting under way."""

    record: Record
    posting: ErpPosting
    system: str
    document: str
    """What is kept in order: the posting's document; in a system that takes files, the system."""
    ask: bool = False
    """It may have been sent before: the ERP is asked first."""
    found: Answer | None = None
    """What the ERP answered when asked ahead."""
    former: tuple[str, ...] = ()
    """Systems still to be asked whether they have the document, this one first; the one that has it keeps it."""
    chain: tuple[str, ...] = ()
    """Of a document that may change over: all systems that may have it, as routed, the last of which takes it else."""
    attempt: int = 0
    busy: bool = False
    resting: asyncio.TimerHandle | None = None
    dropped: bool = False
    """Its partition went to another instance."""

    @property
    def trace(self) -> TraceContext | None:
        """The trace it belongs to, by its record's headers."""
        return from_kafka(self.record.headers) if self.record.headers else None

    @property
    def bound(self) -> dict[str, str | None]:
        """What every line of the log about it says."""
        posting, trace = self.posting, self.trace
        named = {"correlation_id": posting["correlation_id"], "document": posting["document"]}
        told = {**named, "partner": posting["partner"], "coordinate": self.record.coordinate}
        return told if trace is None else {**told, "trace_id": trace.trace_id}

    @property
    def priority(self) -> int:
        return self.posting["priority"]

    @property
    def kind(self) -> str:
        """The bucket it needs a token of."""
        return INQUIRY if self.ask or self.former or self.found is not None else self.posting["operation"]


class Rank(NamedTuple):
    """Smaller goes first: urgency, then age."""

    priority: int
    created_at: int
    number: int
    document: str


class Lanes:
    """All postings of one system that are held in memory."""

    def __init__(self) -> None:
        self._queues: dict[str, deque[Entry]] = {}
        self._urgency: dict[str, int] = {}
        self._ranks: dict[str, Rank] = {}
        self._ready: dict[str, list[Rank]] = {}
        self._number = 0
        self.changed = asyncio.Event()

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    def has(self, document: str) -> bool:
        return document in self._queues

    def add(self, entry: Entry) -> None:
        """At the end of its document's queue."""
        queue = self._queues.setdefault(entry.document, deque())
        queue.append(entry)
        if entry.priority < self._urgency.get(entry.document, 1 << 62):
            self._urgency[entry.document] = entry.priority
            self._offer(queue[0])

    def take(self, allows: Callable[[str], bool]) -> Entry | None:
        """The most urgent ready posting whose kind has a token; it is busy until `again` or `done`."""
        best: tuple[Rank, str] | None = None
        for kind in list(self._ready):
            rank = self._first(kind)
            if rank is not None and (best is None or rank < best[0]) and allows(kind):
                best = rank, kind
        if best is None:
            return None
        rank, kind = best
        heapq.heappop(self._ready[kind])
        entry = self._queues[rank.document][0]
        entry.busy = True
        del self._ranks[rank.document]
        return entry

    def ready(self) -> bool:
        """Whether anything could be taken if there were tokens."""
        return any(self._first(kind) is not None for kind in list(self._ready))

    def again(self, entry: Entry, seconds: float) -> None:
        """It waits, at the head of its document, and holds the document up; what was dropped meanwhile does not."""
        if entry.dropped:
            self.done(entry)
            return
        entry.busy = False
        if seconds <= 0:
            self._offer(entry)
            return
        entry.resting = asyncio.get_running_loop().call_later(seconds, self._rested, entry)

    def answered(self, entry: Entry) -> None:
        """It was asked for ahead: from now on it needs another token."""
        queue = self._queues.get(entry.document)
        if queue is not None and queue[0] is entry:
            self._offer(entry)

    def done(self, entry: Entry) -> None:
        """It is settled: the next of its document may go."""
        queue = self._queues.get(entry.document)
        if queue is None or queue[0] is not entry:
            return
        queue.popleft()
        entry.busy = False
        self._ranks.pop(entry.document, None)
        if not queue:
            del self._queues[entry.document], self._urgency[entry.document]
            return
        urgency = self._urgency[entry.document]
        if entry.priority == urgency and queue[0].priority != urgency:
            self._urgency[entry.document] = min(each.priority for each in queue)
        self._offer(queue[0])

    def withdraw(self, entry: Entry) -> bool:
        """Take it out again, if nothing of its document stands behind it and it is not under way."""
        queue = self._queues.get(entry.document)
        if queue is None or queue[-1] is not entry or entry.busy or entry.attempt:
            return False
        queue.pop()
        if entry.resting is not None:
            entry.resting.cancel()
        if queue:
            self._urgency[entry.document] = min(each.priority for each in queue)
        else:
            del self._queues[entry.document], self._urgency[entry.document]
            self._ranks.pop(entry.document, None)
        return True

    def drop(self, gone: Callable[[Entry], bool]) -> list[Entry]:
        """Forget what is `gone`; return those under way, which end by themselves."""
        busy = []
        for document, queue in list(self._queues.items()):
            if not any(map(gone, queue)):
                continue
            for entry in queue:
                entry.dropped = entry.dropped or gone(entry)
                if entry.resting is not None and entry.dropped:
                    entry.resting.cancel()
            busy += [entry for entry in queue if entry.busy and entry.dropped]
            kept = deque(entry for entry in queue if not entry.dropped or entry.busy)
            self._ranks.pop(document, None)
            if not kept:
                del self._queues[document], self._urgency[document]
                continue
            self._queues[document] = kept
            self._urgency[document] = min(each.priority for each in kept)
            self._offer(kept[0])
        return busy

    def _rested(self, entry: Entry) -> None:
        entry.resting = None
        self._offer(entry)

    def _offer(self, head: Entry) -> None:
        """Let the head of a document compete, unless it is under way or rests."""
        if head.busy or head.resting is not None or head.dropped:
            return
        self._number += 1
        rank = Rank(self._urgency[head.document], head.posting["created_at"], self._number, head.document)
        self._ranks[head.document] = rank
        heapq.heappush(self._ready.setdefault(head.kind, []), rank)
        self.changed.set()

    def _first(self, kind: str) -> Rank | None:
        """The best of a kind; ranks that no longer hold are thrown away on the way."""
        heap = self._ready[kind]
        while heap:
            rank = heap[0]
            if self._ranks.get(rank.document) is not rank:
                heapq.heappop(heap)
                continue
            return rank
        return None

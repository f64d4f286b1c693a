"""What of one partition is held, done or left in the topic for later: memory stays bounded, and so does the wait.

The connector reads on beyond what it can hold, up to the horizon, because a shipment must not wait behind a million
adjustments. What is less urgent than all that is held stays in the topic; its documents are marked, so that nothing
of theirs overtakes it; and once the held ones thin out the partition is read again from the first one left.
"""

import heapq
from collections import Counter
from collections.abc import Callable
from typing import Final

from connectors.outbound.erp.lanes import Entry

MARKS: Final = 1 << 23
"""Marks for documents left behind; two documents may share one, which only makes one of them wait for the next pass."""
SLACK: Final = 10_000
"""How far one read may go beyond the horizon."""


class Track:
    """One partition. `limit` postings of each system are held; offsets up to `horizon` beyond the base are searched."""

    def __init__(self, partition: int, start: int, ask_below: int, *, limit: int, horizon: int) -> None:
        self.partition, self.ask_below, self.limit, self.horizon = partition, ask_below, limit, horizon
        self.position = start
        self.end = ask_below
        """End of the partition as far as known."""
        self.held: dict[int, Entry] = {}
        self.count: Counter[str] = Counter()
        self.left: Counter[str] = Counter()
        self.oldest_left: int | None = None
        """Business time at which the oldest posting left in the topic became due."""
        self.revoked = False
        self.paused = False
        self._base = start
        self._first_left_of: dict[str, int] = {}
        """Of what is left in the topic, by system: also by the one that may take over what is left for another."""
        self._done = bytearray(horizon + SLACK)
        self._marks = bytearray(MARKS // 8)
        self._worst: dict[str, list[tuple[int, int]]] = {}

    # ---- reading ------------------------------------------------------------------------------------------------

    def seen(self, offset: int) -> bool:
        """Whether it was read in an earlier pass and is held or done; the position moves past it."""
        self.position = offset + 1
        return offset in self.held or bool(self._done[offset % len(self._done)])

    def admit(self, entry: Entry, withdraw: Callable[[Entry], bool], *, promised: bool = False) -> bool:
        """Hold it, where need be instead of a less urgent one that `withdraw` can take back; False: it is left.

        What is `promised` to a file already planned is held in any case: an instance with more room planned it.
        """
        offset, system = entry.record.offset, entry.system
        if not promised and self._marked(entry.document):
            return self._leave(entry)
        if not promised and self.count[system] >= self.limit:
            worst = self._least_urgent(entry, withdraw)
            if worst is None:
                return self._leave(entry)
            del self.held[worst.record.offset]
            self.count[system] -= 1
            self._leave(worst)
        self.held[offset] = entry
        self.count[system] += 1
        self._rank(entry)
        return True

    def again_from(self) -> int | None:
        """Where to read again for what was left, once there is room for a good part of it; else None."""
        start = min(self._first_left_of.values(), default=None)
        if start is None:
            return None
        searched = self.paused or self.position >= self.end
        for system, left in self.left.items():
            held = self.count[system]
            if left and (held < self.limit // 20 + 1 or (searched and held < self.limit // 2)):
                break
        else:
            return None
        self.position, self.oldest_left = start, None
        self.left.clear()
        self._first_left_of.clear()
        self._marks = bytearray(MARKS // 8)
        return self.position

    @property
    def full(self) -> bool:
        """Whether reading on would pass the horizon."""
        return self.position - self._base >= self.horizon

    # ---- settling -----------------------------------------------------------------------------------------------

    def finished(self, entry: Entry) -> None:
        """It is settled and told: it need not be read again."""
        if self.held.pop(entry.record.offset, None) is not None:
            self.count[entry.system] -= 1
            self._done[entry.record.offset % len(self._done)] = 1

    def moved(self, entry: Entry, system: str) -> None:
        """Another system takes it."""
        self.count[entry.system] -= 1
        self.count[system] += 1
        entry.system = system
        self._rank(entry)

    def committable(self) -> int:
        """The offset below which everything is settled."""
        base = min(min(self.held, default=self.position), self.position, *self._first_left_of.values())
        size = len(self._done)
        while self._base < base:  # what is committed is no longer remembered
            start = self._base % size
            length = min(base - self._base, size - start)
            self._done[start : start + length] = bytes(length)
            self._base += length
        return base

    def read_to(self, system: str) -> int:
        """Below this offset all that the system gets was read and is held by it, or settled."""
        return min(self.position, self.clear_to(system))

    def clear_to(self, system: str) -> int:
        """The first offset that may be the system's and is left in the topic, or held by one that is asked first."""
        undecided = (o for o, entry in self.held.items() if entry.former and system in entry.chain)
        return min(self._first_left_of.get(system, 1 << 62), min(undecided, default=1 << 62))

    def oldest(self) -> int | None:
        """Business time at which the oldest unsettled posting became due, as far as known."""
        due = [entry.posting["created_at"] for entry in self.held.values()]
        if self.oldest_left is not None:
            due.append(self.oldest_left)
        return min(due, default=None)

    # ---- inside -------------------------------------------------------------------------------------------------

    def _leave(self, entry: Entry) -> bool:
        offset, due = entry.record.offset, entry.posting["created_at"]
        mark = hash(entry.document) % MARKS
        self._marks[mark >> 3] |= 1 << (mark & 7)
        self.oldest_left = due if self.oldest_left is None else min(self.oldest_left, due)
        self.left[entry.system] += 1
        for system in {entry.system, *(entry.chain if entry.former else ())}:
            self._first_left_of[system] = min(offset, self._first_left_of.get(system, offset))
        return False

    def _marked(self, document: str) -> bool:
        mark = hash(document) % MARKS
        return bool(self._marks[mark >> 3] & (1 << (mark & 7)))

    def _rank(self, entry: Entry) -> None:
        heap = self._worst.setdefault(entry.system, [])
        if len(heap) > 2 * self.limit + 100:
            heap[:] = [(-e.priority, -offset) for offset, e in self.held.items() if e.system == entry.system]
            heapq.heapify(heap)
        else:
            heapq.heappush(heap, (-entry.priority, -entry.record.offset))

    def _least_urgent(self, than: Entry, withdraw: Callable[[Entry], bool]) -> Entry | None:
        """A held posting less urgent than this one, taken back; None where there is none."""
        heap = self._worst.get(than.system, [])
        while heap and -heap[0][0] > than.priority:
            worst = self.held.get(-heap[0][1])
            if worst is not None and worst.document == than.document:
                return None
            heapq.heappop(heap)
            if worst is not None and worst.system == than.system and withdraw(worst):
                return worst
        return None

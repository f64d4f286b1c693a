"""What is still to be told: one change a SKU, newest offer last, so the queue is no longer than the channel is wide.

Knows which offsets are dealt with, and so what may be committed; knows no Kafka, no clock and no receiver.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from schemas.records import ChannelAvailability
from schemas.trace_context import TraceContext


@dataclass(frozen=True, slots=True)
class Change:
    """All there is to tell of one SKU: its newest offer, which continues where the receiver is."""

    sku: str
    partition: int
    first: int  # offset of the oldest record in it
    coordinate: str  # of the newest
    offer: ChannelAvailability
    since: float  # when the oldest came in; any steady clock
    again: bool = False  # the receiver has this very offer; only what to go by has changed
    trace: TraceContext | None = None  # that of the newest record in it that has one

    @property
    def before(self) -> tuple[int, int]:
        """Revision and quantity that the receiver has."""
        if self.again:
            return self.offer["revision"], self.offer["quantity"]
        return self.offer["previous_revision"], self.offer["previous_quantity"]

    def then(self, newer: "Change") -> "Change":
        """Both in one: the newest state, with the revision and quantity before the older one.

        The receiver sees an unbroken chain: what it has is at or above `previous_revision`.
        """
        if newer.offer["revision"] <= self.offer["revision"]:
            return self
        revision, quantity = self.before
        offer: ChannelAvailability = {
            **newer.offer,
            "previous_revision": min(revision, newer.offer["previous_revision"]),
            "previous_quantity": quantity,
        }
        trace = newer.trace or self.trace
        return replace(newer, first=min(self.first, newer.first), since=self.since, offer=offer, trace=trace)


@dataclass(slots=True)
class Lane:
    """One partition."""

    pending: dict[str, Change] = field(default_factory=dict)
    """By SKU; in order of their first offsets, since a later change of a SKU keeps its place."""
    out: dict[str, Change] = field(default_factory=dict)
    """With a receiver now."""
    held: dict[str, int] = field(default_factory=dict)
    """First offsets of what has been told but shall be looked at again, by SKU."""
    live: bool = False
    """Read to its end once: before that, a record read may not be the newest of its SKU."""
    position: int = -1
    committed: int = -1
    anew: set[str] = field(default_factory=set)
    """SKUs to be told again by other rules, and not yet."""

    def end(self) -> int:
        """The offset below which everything is dealt with; -1 when nothing is known."""
        lowest = min(
            (change.first for change in self.out.values()),
            default=self.position,
        )
        if self.held:
            lowest = min(lowest, *self.held.values())
        for change in self.pending.values():
            return min(lowest, change.first)
        return lowest


def traces(changes: Iterable[Change]) -> tuple[TraceContext, ...]:
    """The traces these changes belong to, each once, that of the newest record last."""
    newest = sorted((change for change in changes if change.trace), key=lambda change: change.offer["computed_at"])
    return tuple(reversed(dict.fromkeys(change.trace for change in reversed(newest) if change.trace)))


class Outbox:
    """Pending changes of one reader. A SKU with a receiver is not taken again before it is back."""

    def __init__(self) -> None:
        self._lanes: dict[int, Lane] = {}

    def __len__(self) -> int:
        return sum(len(lane.pending) for lane in self._lanes.values())

    def add(self, partition: int, offset: int, change: Change | None) -> None:
        """A record was read; None: it is nobody's business here."""
        lane = self._lanes.setdefault(partition, Lane())
        lane.position = offset + 1
        if change is not None:
            older = lane.pending.get(change.sku)
            lane.pending[change.sku] = change if older is None else older.then(change)

    def open(self, partition: int, committed: int) -> None:
        """It is ours from this offset on; -1: nothing of it was ever told."""
        lane = self._lanes.setdefault(partition, Lane())
        lane.position, lane.committed = max(lane.position, committed), max(lane.committed, committed)

    def positions(self) -> dict[int, int]:
        """Up to where each partition was read."""
        return {number: lane.position for number, lane in self._lanes.items() if lane.position >= 0}

    def anew(self, change: Change) -> None:
        """Tell an offer that has been told once more, unless that or a newer one waits to be told anyhow."""
        lane = self._lanes.get(change.partition)
        if lane is not None:
            lane.anew.add(change.sku)
            if change.sku not in lane.pending:
                lane.pending[change.sku] = replace(change, first=lane.position, again=True)

    def telling_anew(self, partition: int) -> bool:
        """Whether anything is left of what was to be told again."""
        lane = self._lanes.get(partition)
        return lane is not None and bool(lane.anew)

    def oldest(self) -> float | None:
        """When the oldest change that may be taken came in."""
        ready = [lane for lane in self._lanes.values() if lane.live and lane.pending]
        return min(map(_waiting_since, ready), default=None)

    def live(self, partitions: Iterable[int], *, everything: bool = False) -> bool:
        """These (or all) may be told of from now on; True if that is news."""
        news = False
        for number in list(self._lanes) if everything else partitions:
            lane = self._lanes.setdefault(number, Lane())
            news, lane.live = news or not lane.live, True
        return news

    def take(self, most: int) -> list[Change]:
        """Up to `most` changes to tell now, oldest first within a partition."""
        taken: list[Change] = []
        for lane in sorted((lane for lane in self._lanes.values() if lane.live), key=_waiting_since):
            ready = [change for change in lane.pending.values() if change.sku not in lane.out][: most - len(taken)]
            for change in ready:
                del lane.pending[change.sku]
                lane.out[change.sku] = change
            taken += ready
            if len(taken) >= most:
                break
        return taken

    def holds(self, change: Change) -> bool:
        """Whether it is still out: not after its partition went to another reader."""
        lane = self._lanes.get(change.partition)
        return lane is not None and lane.out.get(change.sku) is change

    def done(self, changes: Iterable[Change]) -> None:
        """They have been told."""
        for change in changes:
            if self.holds(change):
                lane = self._lanes[change.partition]
                del lane.out[change.sku]
                if change.sku not in lane.pending and change.sku not in lane.held:
                    lane.anew.discard(change.sku)

    def put_back(self, changes: Iterable[Change]) -> None:
        """They have not; they go first, newer changes of the same SKUs joined to them."""
        back: dict[int, dict[str, Change]] = {}
        for change in changes:
            if self.holds(change):
                del self._lanes[change.partition].out[change.sku]
                back.setdefault(change.partition, {})[change.sku] = change
        for partition, older in back.items():
            lane = self._lanes[partition]
            for sku, change in older.items():
                newer = lane.pending.pop(sku, None)
                older[sku] = change if newer is None else change.then(newer)
            lane.pending = dict(sorted({**older, **lane.pending}.items(), key=lambda each: each[1].first))

    def tell_again(self, change: Change) -> None:
        """A receiver asks for it once more, from nothing; a newer one of the SKU is told from nothing instead."""
        if not self.holds(change):
            return
        lane = self._lanes[change.partition]
        offer: ChannelAvailability = {**change.offer, "previous_revision": 0}
        lane.out[change.sku] = whole = replace(change, offer=offer, again=False)
        self.put_back([whole])

    def hold(self, change: Change) -> None:
        """Told, but not to be committed yet: it will be looked at again."""
        if self.holds(change):
            held = self._lanes[change.partition].held
            held[change.sku] = min(change.first, held.get(change.sku, change.first))

    def look_again(self, change: Change) -> bool:
        """End a hold. True: the SKU is out again for a look; False: a newer change of it is on its way or under way."""
        lane = self._lanes.get(change.partition)
        if lane is None or lane.held.pop(change.sku, None) is None:
            return False
        if change.sku in lane.pending or change.sku in lane.out:
            return False
        lane.out[change.sku] = change
        return True

    def drop(self, partitions: Iterable[int]) -> None:
        """Another reader has these partitions now."""
        for partition in partitions:
            self._lanes.pop(partition, None)

    def ends(self) -> dict[int, int]:
        """Offsets to commit, by partition, where they have moved."""
        return {number: end for number, end in self.told().items() if end > self._lanes[number].committed}

    def told(self) -> dict[int, int]:
        """Below which offset all has been told, by partition; one nothing is known of is not in it."""
        ends = {number: max(lane.end(), lane.committed) for number, lane in self._lanes.items()}
        return {number: end for number, end in ends.items() if end >= 0}

    def committed(self, ends: dict[int, int]) -> None:
        for number, end in ends.items():
            if number in self._lanes:
                self._lanes[number].committed = end


def _waiting_since(lane: Lane) -> float:
    for change in lane.pending.values():
        return change.since
    return float("inf")

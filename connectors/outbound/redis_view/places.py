"""Where the view stands in each partition it keeps, how much there is to catch up, and how long that takes. Pure."""

from dataclasses import dataclass, field

Partition = tuple[str, int]
"""Topic and partition number."""


@dataclass(slots=True)
class Place:
    """One partition: offsets of the next record to read, and of what is known to be in Redis."""

    stored: str
    """The offset Redis has, as it is written there; empty for none."""
    next: int
    low: int
    """The oldest offset there is."""
    target: int
    """End of the log when the partition was opened: what has to be in Redis before the view is live."""
    high: int
    """End of the log, as last asked for."""
    position: int = 0
    live: bool = False
    """Read to the target since it was opened."""
    built: bool = False
    """Redis has it marked as read to its end once."""

    def __post_init__(self) -> None:
        self.reach(self.next)

    def reach(self, offset: int) -> None:
        """All before this offset is in Redis."""
        self.position = max(self.position, offset)
        self.live = self.live or self.position >= self.target

    @property
    def lag(self) -> int:
        return max(0, self.high - self.position)


@dataclass(slots=True)
class Places:
    """All partitions of one instance; those assigned but not opened yet are in `unopened`."""

    opened: dict[Partition, Place] = field(default_factory=dict)
    unopened: set[Partition] = field(default_factory=set)
    known_at: float | None = None
    """When the ends of the logs were last known (monotonic s)."""
    _begun: tuple[float, int] | None = None

    def assign(self, partitions: list[Partition]) -> None:
        self.unopened |= set(partitions)

    def revoke(self, partitions: list[Partition]) -> None:
        for partition in partitions:
            self.opened.pop(partition, None)
            self.unopened.discard(partition)

    def close(self) -> None:
        """What was known of the positions no longer holds: all have to be opened again."""
        self.unopened |= self.opened.keys()
        self.opened.clear()
        self._begun = None

    def open(self, found: dict[Partition, Place]) -> None:
        self.unopened -= found.keys()
        self.opened |= found

    @property
    def all(self) -> set[Partition]:
        return self.opened.keys() | self.unopened

    @property
    def live(self) -> bool:
        """Whether all that was there when the partitions were taken over is in Redis."""
        return not self.unopened and all(place.live for place in self.opened.values())

    @property
    def lag(self) -> int:
        return sum(place.lag for place in self.opened.values())

    def ratio(self) -> float:
        """How much of it is, 0 to 1."""
        whole = sum(place.target - place.low for place in self.opened.values())
        if self.unopened:
            return 0.0
        return 1.0 if whole == 0 or self.live else self._done() / whole

    def seconds_left(self, now: float) -> float | None:
        """At the pace so far; None while there is none. `now` is monotonic."""
        if self.live or self.unopened:
            self._begun = None
            return None
        done = self._done()
        if self._begun is None:
            self._begun = now, done
            return None
        began, before = self._begun
        left = sum(max(0, place.target - place.position) for place in self.opened.values())
        return None if done <= before else left * (now - began) / (done - before)

    def _done(self) -> int:
        return sum(min(place.position, place.target) - place.low for place in self.opened.values())

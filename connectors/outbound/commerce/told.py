"""Under which of the channel's rules each partition's SKUs have been told: what a change of feeds makes to be told anew.

Kept as a note with the committed offset, so that it survives kills and goes with the partition. The order of things:
first the note says that a location is in doubt, then SKUs are told by the new rule, then the note says the new rule.
Wherever a process is killed between these, the next one tells all SKUs of a location in doubt again.
"""

from connectors.outbound.commerce.effective import IN_DOUBT, Rules, Statuses, differing, note, noted, rules
from tables.channels import Channel


class Told:
    """The partitions of one consumer group's member; knows no Kafka."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._told: dict[int, Rules] = {}
        self._using: dict[int, Rules] = {}
        self._statuses: dict[int, Statuses] = {}
        self._committed: dict[int, str] = {}

    def open(self, partition: int, text: str | None) -> None:
        """A partition is ours, and this note came with its offset."""
        self._told[partition] = noted(text, self._channel)
        self._using[partition] = dict(self._told[partition])
        self._committed[partition] = text or ""

    def drop(self, partition: int) -> None:
        for each in (self._told, self._using, self._statuses, self._committed):
            each.pop(partition, None)

    def ready(self, partition: int) -> bool:
        """Whether it may be told of: the statuses that hold for it are known."""
        return partition in self._statuses

    def statuses(self, partition: int) -> Statuses:
        """What to tell its SKUs by."""
        return self._statuses.get(partition, Statuses())

    def doubt(self, now: Statuses) -> dict[int, set[str]]:
        """Locations shown otherwise from now on, by partition; their notes say so, to be committed before `use`."""
        wanted = rules(now, self._channel)
        found: dict[int, set[str]] = {}
        for partition, using in self._using.items():
            if places := differing(using, wanted):
                found[partition] = places
                self._told[partition] |= dict.fromkeys(places, IN_DOUBT)
            else:
                self._statuses[partition] = now
        return found

    def use(self, partition: int, now: Statuses) -> None:
        """Tell by these from now on."""
        if partition in self._using:
            self._using[partition], self._statuses[partition] = rules(now, self._channel), now

    def settled(self, partition: int) -> None:
        """All that was in doubt has been told."""
        if partition in self._statuses:
            self._told[partition] = dict(self._using[partition])

    def notes(self) -> dict[int, str]:
        """What to commit with the offsets."""
        return {partition: note(told) for partition, told in self._told.items()}

    def news(self, partition: int) -> bool:
        """Whether its note differs from what was committed."""
        return note(self._told[partition]) != self._committed[partition]

    def committed(self, partition: int, text: str) -> None:
        if partition in self._committed:
            self._committed[partition] = text

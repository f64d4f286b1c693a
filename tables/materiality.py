"""Which change is worth telling: compares what was last published with what is true now. Used for positions and channels.

Times are milliseconds UTC of the fold's own clock, dates days since the epoch, quantities base units.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

Reason = Literal[
    "FIRST", "ZERO_CROSSED", "LEVEL_CROSSED", "ABSOLUTE_STEP", "RELATIVE_STEP", "DATE_MOVED", "MAX_SILENCE"
]
FAR: Final = 1 << 31  # days: more than any two dates lie apart


@dataclass(frozen=True, slots=True)
class Materiality:
    """When a change is material. None switches a rule off; the defaults tell every change at once."""

    levels: tuple[int, ...] = ()
    """Material when the quantity was above one of these and no longer is, or the other way round."""
    absolute_step: int | None = 1
    """Material when it has changed by this many units or more."""
    relative_step: int | None = None
    """Material when it has changed by this many percent of what was published, or more."""
    date_days: int | None = 0
    """Material when the earliest date of more has moved by more than this many days, has come up or has gone."""
    min_interval: int = 0
    """Milliseconds between two publications; a change waits for it, but crossing zero never does."""
    max_silence: int = 0
    """Milliseconds after which the figures are published whatever they are; 0: never."""


@dataclass(frozen=True, slots=True)
class SegmentMateriality:
    """Rules by segment of the item, and those of every other item."""

    default: Materiality = field(default_factory=Materiality)
    segments: Mapping[str, Materiality] = field(default_factory=dict)

    def of(self, segment: str) -> Materiality:
        return self.segments.get(segment, self.default)


def gate(
    last: tuple[int, int, int | None] | None, now: tuple[int, int, int | None], policy: Materiality
) -> tuple[Reason | None, int]:
    """Return why the figures must be published now (or none), and when to look again at the latest (0: no need).

    Figures are time, quantity, earliest date of more (or none). A material change within the minimum interval waits:
    no reason yet, but a time to look again.
    """
    at, quantity, date = now
    silence = policy.max_silence
    if last is None:
        return "FIRST", at + silence if silence else 0
    since, before, before_date = last
    reason: Reason | None = None
    if quantity != before:
        if (quantity > 0) is not (before > 0):
            return "ZERO_CROSSED", at + silence if silence else 0
        step = quantity - before if quantity > before else before - quantity
        if policy.levels and any((quantity > level) is not (before > level) for level in policy.levels):
            reason = "LEVEL_CROSSED"
        elif policy.absolute_step is not None and step >= policy.absolute_step:
            reason = "ABSOLUTE_STEP"
        elif policy.relative_step is not None and step * 100 >= policy.relative_step * before:
            reason = "RELATIVE_STEP"
    if date != before_date and reason is None and policy.date_days is not None:
        moved = FAR if date is None or before_date is None else abs(date - before_date)
        if moved > policy.date_days:
            reason = "DATE_MOVED"
    if reason is not None:
        wait = since + policy.min_interval
        if since <= at < wait:  # a time before it: the clock was ahead then, nobody can say for how long
            return None, wait
        return reason, at + silence if silence else 0
    if not silence:
        return None, 0
    if at - since >= silence or at < since:
        return "MAX_SILENCE", at + silence
    return None, since + silence

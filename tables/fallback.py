"""What a reader shows while a feed is late or stale: last, cut by a percentage, capped, or withheld.

Every reader (API, webhooks, Redis view) uses this one function, so they all show the same. Pure: no clock, no state.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from schemas.records import ChannelAvailability, ChannelLocation, FeedStatus

Freshness = Literal["FRESH", "LATE", "STALE"]
ORDER: Final = {"FRESH": 0, "LATE": 1, "STALE": 2}


@dataclass(frozen=True, slots=True)
class Rule:
    """What becomes of a quantity whose feed is not fresh."""

    action: Literal["USE_LAST", "HAIRCUT", "CAP", "WITHHOLD"] = "USE_LAST"
    value: int = 0
    """HAIRCUT: percent taken off, 0 to 100. CAP: most units shown."""

    def effective(self, quantity: int) -> int:
        """The quantity to show; a haircut rounds down."""
        if self.action == "HAIRCUT":
            return quantity * (100 - self.value) // 100
        if self.action == "CAP":
            return min(quantity, self.value)
        return 0 if self.action == "WITHHOLD" else quantity

    def __str__(self) -> str:
        return {"HAIRCUT": f"HAIRCUT {self.value}%", "CAP": f"CAP {self.value}"}.get(self.action, self.action)


@dataclass(frozen=True, slots=True)
class FallbackRule:
    """A channel's rules for a location whose feed is late and for one whose feed is stale."""

    late: Rule = field(default_factory=Rule)
    stale: Rule = field(default_factory=Rule)

    def of(self, status: str) -> Rule:
        """The rule for a feed status; a fresh feed is shown as it is."""
        return {"LATE": self.late, "STALE": self.stale}.get(status, _AS_IT_IS)


_AS_IT_IS: Final = Rule()


def worst_by_location(feeds: Iterable[FeedStatus]) -> dict[str, Freshness]:
    """A location is as fresh as the least fresh of its feeds."""
    worst: dict[str, Freshness] = {}
    for feed in feeds:
        known = worst.get(feed["location"], "FRESH")
        worst[feed["location"]] = max(known, feed["status"], key=ORDER.__getitem__)
    return worst


def fallback(
    availability: ChannelAvailability, statuses: Mapping[str, Freshness], rule: FallbackRule, low_at: int = 0
) -> ChannelAvailability:
    """Apply the channel's rule to what each location not fresh contributes; the buffer is taken off what is left.

    `statuses` by location (one without a status counts as fresh). The answer names what was applied in `fallback`, and
    is the very record given where nothing was.
    """
    applied: list[str] = []
    places: list[ChannelLocation] = []
    for place in availability["by_location"]:
        status = statuses.get(place["location"], "FRESH")
        chosen = rule.of(status)
        if chosen.action != "USE_LAST":
            applied.append(f"{chosen} {place['location']} {status}")
        places.append({"location": place["location"], "quantity": chosen.effective(place["quantity"])})
    if not applied:
        return availability
    total = sum(place["quantity"] for place in places) - availability["buffer"]
    quantity = max(0, min(total, availability["quantity"]))
    return {
        **availability,
        "quantity": quantity,
        "status": sales_status(quantity, low_at, availability["next_date"]),
        "by_location": places,
        "fallback": "; ".join(applied),
    }


def sales_status(quantity: int, low_at: int, next_date: int | None) -> Literal["IN_STOCK", "LOW", "OUT", "EXPECTED"]:
    """The word a shop shows for a quantity: above `low_at` in stock, above 0 low, else expected if more will come."""
    if quantity > low_at:
        return "IN_STOCK"
    if quantity > 0:
        return "LOW"
    return "OUT" if next_date is None else "EXPECTED"

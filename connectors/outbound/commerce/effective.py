"""What a receiver may go by now: a channel's offer under the channel's rule for locations with late or stale feeds.

The same pure function as in the API and every other reader (tables/fallback.py); here is what pushes need beside it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from schemas.records import ChannelAvailability
from tables.channels import Channel
from tables.fallback import Freshness, fallback

IN_DOUBT: Final = "?"
"""In place of a rule: some SKUs have been told under it and some under another."""
ALL_IN_DOUBT: Final = "*"
MOST: Final = 3_000
"""Longest note; brokers keep 4,096 bytes with an offset."""

Rules = dict[str, str]
"""What is done to a location's contribution, in words, by location; nothing for one shown as it is."""


@dataclass(frozen=True, slots=True)
class Statuses:
    """How the feeds stand, by location: the worst of each, and when the newest judgement about it was made (ms)."""

    worst: Mapping[str, Freshness] = field(default_factory=dict)
    at: Mapping[str, int] = field(default_factory=dict)


def effective(offer: ChannelAvailability, statuses: Statuses, channel: Channel) -> dict[str, Any]:
    """What to go by, and because of which feeds."""
    shown = fallback(offer, statuses.worst, channel.fallback, channel.low_at)
    places = [place["location"] for place in offer["by_location"]]
    return {
        "quantity": shown["quantity"],
        "status": shown["status"],
        "fallback": shown["fallback"],
        "because": [
            {"location": place, "status": statuses.worst[place]}
            for place in places
            if statuses.worst.get(place, "FRESH") != "FRESH"
        ],
    }


def quantity(offer: ChannelAvailability, statuses: Statuses, channel: Channel) -> int:
    """The quantity to go by."""
    return fallback(offer, statuses.worst, channel.fallback, channel.low_at)["quantity"]


def effective_at(offer: ChannelAvailability, statuses: Statuses) -> int:
    """When what to go by was judged last, ms: rises with every judgement about the same revision, whoever sends it."""
    return max([offer["computed_at"], *(statuses.at.get(place["location"], 0) for place in offer["by_location"])])


# ---- what has been told under which rules ---------------------------------------------------------------------------


def rules(statuses: Statuses, channel: Channel) -> Rules:
    """What these statuses do to the channel's locations."""
    chosen = {place: channel.fallback.of(statuses.worst.get(place, "FRESH")) for place in channel.sourcing}
    return {place: str(rule) for place, rule in chosen.items() if rule.action != "USE_LAST"}


def differing(one: Rules, other: Rules) -> set[str]:
    """Locations that are shown otherwise under the other; never one in doubt alike."""
    return {place for place in one.keys() | other.keys() if one.get(place) != other.get(place)}


def note(told: Rules) -> str:
    """As it is kept with a committed offset."""
    text = orjson.dumps(told, option=orjson.OPT_SORT_KEYS).decode() if told else ""
    return text if len(text.encode()) <= MOST else ALL_IN_DOUBT


def noted(text: str | None, channel: Channel) -> Rules:
    """The inverse; a note that says nothing usable leaves every location in doubt."""
    if not text:
        return {}
    try:
        found = orjson.loads(text)
        return {str(place): str(rule) for place, rule in found.items()}
    except (orjson.JSONDecodeError, AttributeError):
        return dict.fromkeys(channel.sourcing, IN_DOUBT)

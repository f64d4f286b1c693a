"""One channel's answer for one SKU, from what the view holds: fallback applied, every figure with its age and source."""

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any, Final

import orjson

from connectors.api.view import View
from schemas.records import Availability, ChannelAvailability
from tables.channels import Channel
from tables.fallback import Freshness, fallback

STALE: Final[Freshness] = "STALE"


def promised(position: Availability, date: int | None) -> int:
    """What a location can promise at a date (days since the epoch); none: today."""
    value = position["atp"]
    for bucket in position["schedule"]:
        if date is None or bucket["date"] > date:
            break
        value = bucket["atp"]
    return value


def stamps(positions: Iterable[Availability]) -> list[dict[str, Any]]:
    """When each source of these positions was last heard, without the internal coordinates."""
    return [
        {
            "source": stamp["source"],
            "location": position["location"],
            "event_time": stamp["event_time"],
            "ingested_at": stamp["ingested_at"],
        }
        for position in positions
        for stamp in position["stamps"]
    ]


def offer(
    record: ChannelAvailability,
    channel: Channel,
    statuses: Mapping[str, Freshness],
    now: int,
    *,
    positions: Iterable[Availability] = (),
    date: int | None = None,
) -> dict[str, Any]:
    """The answer's fields; with a date, what the sourcing locations can promise then, less the channel's buffer."""
    shown = fallback(record, statuses, channel.fallback, channel.low_at)
    answer: dict[str, Any] = {
        **shown,
        "by_location": [
            {**place, "feed": statuses.get(place["location"], "UNKNOWN")} for place in shown["by_location"]
        ],
        "fallback_because": because(record, channel, statuses),
        "age_ms": max(0, now - record["as_of"]),
        "stamps": stamps(positions),
        "stale": False,
    }
    if date is not None:
        answer["promise"] = {"date": date, "quantity": _at(record, channel, statuses, positions, date)}
    return answer


def because(record: ChannelAvailability, channel: Channel, statuses: Mapping[str, Freshness]) -> list[dict[str, str]]:
    """Which rule of the channel holds at each location whose feed is not fresh; USE_LAST changes no figure."""
    return [
        {"location": name, "feed": status, "rule": str(channel.fallback.of(status))}
        for place in record["by_location"]
        if (status := statuses.get(name := place["location"], "FRESH")) != "FRESH"
    ]


def _at(
    record: ChannelAvailability,
    channel: Channel,
    statuses: Mapping[str, Freshness],
    positions: Iterable[Availability],
    date: int,
) -> int:
    by_location = {position["location"]: promised(position, date) for position in positions}
    places: list[Any] = [
        {"location": name, "quantity": by_location.get(name, place["quantity"])}
        for place in record["by_location"]
        if (name := place["location"])
    ]
    total = max(0, sum(place["quantity"] for place in places) - record["buffer"])
    then: ChannelAvailability = {**record, "quantity": total, "by_location": places}
    return fallback(then, statuses, channel.fallback, channel.low_at)["quantity"]


def all_stale(record: ChannelAvailability) -> dict[str, Freshness]:
    """The statuses under which a last known answer is shown: nothing is known to be fresh."""
    return {place["location"]: STALE for place in record["by_location"]}


def position(record: Availability, stored: bytes, view: View, now: int, date: int | None) -> orjson.Fragment:
    """One location's answer: the whole record, its age, its feeds' status, and the promise at a date if asked for.

    The record is shown as it is stored, a JSON object; what we add is written behind its last field.
    """
    more: dict[str, Any] = {
        "age_ms": max(0, now - record["as_of"]),
        "feed": view.worst.get(record["location"], "UNKNOWN"),
    }
    if date is not None:
        more["promise"] = {"date": date, "quantity": promised(record, date)}
    return orjson.Fragment(stored.rstrip()[:-1] + b"," + orjson.dumps(more)[1:])


def rules(channel: Channel) -> tuple[object, ...]:
    """What of a channel's declaration decides how a record is shown: part of the validator."""
    return str(channel.fallback.late), str(channel.fallback.stale), channel.low_at


def etag(*parts: object) -> str:
    """A weak validator of an answer: its revisions, the channels' rules and the feeds' status, never its age."""
    return f'W/"{blake2b(orjson.dumps(parts), digest_size=12).hexdigest()}"'


def matches(etag: str, header: str | None) -> bool:
    """Whether If-None-Match names this validator (RFC 9110 section 13.1.2, weak comparison)."""
    if header is None:
        return False
    bare = etag.removeprefix("W/")
    return any(one.strip().removeprefix("W/") in (bare, "*") for one in header.split(","))

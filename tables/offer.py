"""What a channel is offered of a SKU: the promises of its sourcing locations, less its buffer."""

from collections.abc import Mapping
from typing import Any

from schemas.records import ChannelAvailability, ChannelLocation
from tables.channels import Channel
from tables.fallback import sales_status
from tables.materiality import gate
from tables.position import Figures
from tables.sku import Told


def offer(
    channel: Channel, segment: str, figures: Mapping[str, Figures], last: Told | None, now: int
) -> tuple[Told | None, int]:
    """Decide whether the channel must be told; return what to tell it (or none) and when to look again (0: no need).

    A channel that never sold the SKU, or sources none of its locations, is not told of it; one that no longer sells it
    is told 0 once.
    """
    total = 0
    date: int | None = None
    known = False
    if channel.segments is None or segment in channel.segments:
        for place in channel.sourcing:
            found = figures.get(place)
            if found is not None:
                known = True
                total += found[0]
                if (arrives := found[1]) is not None and (date is None or arrives < date):
                    date = arrives
    if last is None:
        if not known:
            return None, 0
        before = None
    else:
        before = (last[1], last[2], last[3])
        if not known and not last[2] and last[3] is None:
            return None, 0
    quantity = total - channel.buffers.get(segment, channel.buffer)
    quantity = max(quantity, 0)
    reason, look = gate(before, (now, quantity, date), channel.materiality.of(segment))
    if reason is None:
        return None, look
    return [last[0] + 1 if last else 1, now, quantity, date], look


def described(
    channel: Channel,
    sku: str,
    segment: str,
    figures: Mapping[str, Figures],
    told: Told,
    last: Told | None,
    correlation_id: str,
) -> ChannelAvailability:
    """The record of an offer just decided; `figures` are those it was decided on."""
    revision, at, quantity, date = told
    by_location: list[ChannelLocation] = []
    as_of = 0
    if channel.segments is None or segment in channel.segments:
        for place in channel.sourcing:
            found = figures.get(place)
            if found is not None:
                by_location.append({"location": place, "quantity": found[0]})
                as_of = max(as_of, found[2])
    before: Any = last or (0, 0, 0, None)
    return {
        "channel": channel.id,
        "sku": sku,
        "revision": revision,
        "previous_revision": before[0],
        "quantity": quantity,
        "previous_quantity": before[2],
        "status": sales_status(quantity, channel.low_at, date),
        "by_location": by_location,
        "next_date": date,
        "buffer": channel.buffers.get(segment, channel.buffer),
        "fallback": None,
        "as_of": as_of,
        "computed_at": at,
        "correlation_id": correlation_id,
    }

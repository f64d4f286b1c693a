"""What a channel is offered of a SKU: the promises of its sourcing locations, less its buffer."""

from collections.abc import Sequence
from typing import NamedTuple

from schemas.records import ChannelAvailability
from tables.channels import Channel, Channels
from tables.fallback import sales_status
from tables.materiality import Materiality, gate
from tables.position import NO_DATE, Figures
from tables.sku import Terms, Told


class Share(NamedTuple):
    """One channel's part in a SKU, its rules resolved for the SKU's segment."""

    channel: Channel
    slot: int  # among those told so far; -1: not yet
    places: tuple[int, ...]  # which of the plan's locations it sells from
    buffer: int
    materiality: Materiality


class Plan(NamedTuple):
    """All that follows from the declarations for SKUs of the same terms."""

    segment: str
    locations: tuple[str, ...]  # those that some channel sells from
    keys: tuple[bytes, ...]  # the same as ends of row keys
    shares: tuple[Share, ...]


def plan(config: Channels, terms: bytes) -> Plan:
    """Resolve the declarations for a SKU's terms; remembered, since many SKUs have the same."""
    known = config.plans.get(terms)
    if known is None:
        if len(config.plans) >= _MOST_PLANS:
            config.plans.clear()
        known = config.plans[terms] = _plan(config, Terms(terms))
    return known


_MOST_PLANS = 20_000


def _plan(config: Channels, terms: Terms) -> Plan:
    wanted = frozenset(config.locations)
    locations = tuple(location for location in terms.locations if location in wanted)
    shares = tuple(
        Share(
            channel,
            terms.channels.index(channel.id) if channel.id in terms.channels else -1,
            tuple(locations.index(place) for place in channel.sourcing if place in locations)
            if channel.sells(terms.segment)
            else (),
            channel.buffer_of(terms.segment),
            channel.materiality.of(terms.segment),
        )
        for channel in config.channels
    )
    keys = tuple(f"|{location}".encode() for location in locations)
    return Plan(terms.segment, locations, keys, shares)


def offer(share: Share, figures: Sequence[Figures], last: Told | None, now: int) -> tuple[Told | None, int]:
    """Decide whether the channel must be told; return what to tell it (or none) and when to look again (0: never).

    `figures` are those of the plan's locations. A channel that sells the SKU from none of them is not told of it; one
    that was, is told 0 once.
    """
    total = -share.buffer
    date = NO_DATE
    for place in share.places:
        atp, _, arrives = figures[place]
        total += atp
        if arrives < date:
            date = arrives
    quantity = total if total > 0 else 0
    if last is None:
        if not share.places:
            return None, 0
        return (1, now, quantity, date), gate(None, (now, quantity, date), share.materiality)[1]
    if not share.places and not last[2] and last[3] == NO_DATE:
        return None, 0
    if now < last[1]:
        now = last[1]  # locations have clocks of their own; what a channel hears does not go back in time
    reason, look = gate(last[1:], (now, quantity, date), share.materiality)
    if reason is None:
        return None, look
    return (last[0] + 1, now, quantity, date), look


def described(
    share: Share, plan: Plan, sku: str, figures: Sequence[Figures], told: Told, last: Told | None, correlation_id: str
) -> ChannelAvailability:
    """The record of an offer just decided on these figures."""
    revision, at, quantity, date = told
    channel = share.channel
    return {
        "channel": channel.id,
        "sku": sku,
        "revision": revision,
        "previous_revision": last[0] if last else 0,
        "quantity": quantity,
        "previous_quantity": last[2] if last else 0,
        "status": sales_status(quantity, channel.low_at, None if date == NO_DATE else date),
        "by_location": [
            {"location": plan.locations[place], "quantity": figures[place][0]} for place in share.places
        ],
        "next_date": None if date == NO_DATE else date,
        "buffer": share.buffer,
        "fallback": None,
        "as_of": max([figures[place][1] for place in share.places], default=0),
        "computed_at": at,
        "correlation_id": correlation_id,
    }

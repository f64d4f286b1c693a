"""What a channel is offered of a SKU: the promises of its sourcing locations, less its buffer."""

# ruff: noqa: PLR1730 - max() is a call, and this is the hot path

from collections.abc import Sequence
from typing import NamedTuple

from schemas.records import ChannelAvailability
from tables.channels import Channel, Channels
from tables.clocks import clock_after
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


Telling = tuple[Share, Told, Told | None]
"""Whom to tell, what, and what was told before."""


def offers(
    shares: Sequence[Share], figures: Sequence[Figures], told: Sequence[Told], now: int
) -> tuple[Sequence[Telling], int]:
    """Decide which channels must be told; return them, and when to look again at the latest (ms; 0: never).

    `figures` are those of the plan's locations. A channel that sells the SKU from none of them is not told of it; one
    that did, is told 0 once.
    """
    tellings: Sequence[Telling] = ()
    due = 0
    for share in shares:
        _, slot, places, buffer, materiality = share
        last = told[slot] if slot >= 0 else None
        if not places and (last is None or (not last[2] and last[3] == NO_DATE)):
            continue
        quantity, date = -buffer, NO_DATE
        for place in places:
            atp, _, arrives = figures[place]
            quantity += atp
            if arrives < date:
                date = arrives
        if quantity < 0:
            quantity = 0
        if last is None:
            revision, at = 1, now
            reason, look = gate(None, (at, quantity, date), materiality)
        else:
            revision, at = last[0] + 1, clock_after(last[1], now)  # locations have clocks of their own
            reason, look = gate(last[1:], (at, quantity, date), materiality)
        if reason is not None:
            tellings = (*tellings, (share, (revision, at, quantity, date), last))
        if look and (not due or look < due):
            due = look
    return tellings, due


def described(
    telling: Telling, plan: Plan, sku: str, figures: Sequence[Figures], correlation_id: str
) -> ChannelAvailability:
    """The record of an offer just decided on these figures of the plan's locations."""
    share, (revision, at, quantity, date), last = telling
    channel = share.channel
    return {
        "channel": channel.id,
        "sku": sku,
        "revision": revision,
        "previous_revision": last[0] if last else 0,
        "quantity": quantity,
        "previous_quantity": last[2] if last else 0,
        "status": sales_status(quantity, channel.low_at, None if date == NO_DATE else date),
        "by_location": [{"location": plan.locations[place], "quantity": figures[place][0]} for place in share.places],
        "next_date": None if date == NO_DATE else date,
        "buffer": share.buffer,
        "fallback": None,
        "as_of": max([figures[place][1] for place in share.places], default=0),
        "computed_at": at,
        "correlation_id": correlation_id,
    }

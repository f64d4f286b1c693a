"""Ledger entries by hand, the inventory stage driven chunk by chunk, and a reader of its deltas."""

from itertools import pairwise

from streams.inventory import clock, step
from tables.channels import Channel, Channels
from tables.materiality import Materiality, SegmentMateriality
from tables.outcome import Entry

DAY = 86_400_000
TODAY = 20_000
NOON = TODAY * DAY + DAY // 2
KEY = "S1|DC01"
DC2 = "S1|DC02"
TELL_ALL = Channels(channels=(Channel("webshop", ("DC01", "DC02")),))


def entry(kind, quantity=0, *, at=NOON, recorded=None, key=KEY, **fields):
    """An entry with its key; the occurrence is also its coordinate."""
    recorded = at if recorded is None else recorded
    value = {
        "event_id": f"e{at}",
        "occurred_at": at,
        "recorded_at": recorded,
        "source": "WMS-DC01",
        "coordinate": f"warehouse.scans[0]@{recorded}",
        "correlation_id": f"c{recorded}",
        "kind": kind,
        "quantity": quantity,
        "disposition": "available",
        "to_disposition": None,
        "reference": None,
        "line": None,
        "corrects": None,
        "claim": None,
        "policy": None,
        "reservation": None,
    }
    return key, {**value, **fields}


def claim(*parts, settled=0, fence=7, offset=1, reservations=None):
    """Parts are (quantity, date) or (quantity, date, state)."""
    return {
        "parts": [
            {"line": str(n), "shipment": None, "quantity": part[0], "date": part[1], "state": (*part, "ORDERED")[2]}
            for n, part in enumerate(parts, 1)
        ],
        "settled": settled,
        "fence_days": fence,
        "offset_days": offset,
        "reservations": reservations,
    }


def expect(*parts, po="P1", **more):
    options = {name: more.pop(name) for name in ("settled", "fence", "offset") if name in more}
    return entry("EXPECT", reference=f"PURCHASE_ORDER:{po}", claim=claim(*parts, **options), **more)


def allocate(*parts, order="O1", **more):
    options = {name: more.pop(name) for name in ("settled", "reservations") if name in more}
    return entry("ALLOCATE", reference=f"SALES_ORDER:{order}", claim=claim(*parts, **options), **more)


def policy(segment="", sku="S1", at=NOON, **safety):
    """Safety stock by location; `anywhere` for all others."""
    stock = [{"location": None if place == "anywhere" else place, "quantity": q} for place, q in safety.items()]
    return entry("POLICY", key=f"{sku}|*", at=at, policy={"segment": segment, "safety_stock": stock})


def asked(action, name, quantity=0, *, channel="webshop", sku="S1", ttl=10_000, at=NOON, basket="", **fields):
    """A request about the reservation `sku.name`; fields are those of its terms."""
    terms = {
        "reservation_id": f"{sku}.{name}",
        "request_id": f"{action}/{name}/{at}",
        "action": action,
        "channel": channel,
        "location": None,
        "ttl_ms": ttl,
        "order_number": None,
        "line": None,
    }
    said = {"source": f"CHANNEL:{channel}", "correlation_id": basket, "reservation": {**terms, **fields}}
    return entry("RESERVATION", quantity, key=f"{sku}|*", at=at, **said)


def reserve(name, quantity, **more):
    return asked("RESERVE", name, quantity, **more)


def confirm(name, order="O1", **more):
    return asked("CONFIRM", name, order_number=order, **more)


def cancel(name, **more):
    return asked("CANCEL", name, **more)


def tick(at, key="S1|*"):
    """A clock entry, as the sweep writes it."""
    return key, clock(key, at)[2]


def rules(**fields):
    """Channels with one materiality rule for everything."""
    everywhere = SegmentMateriality(Materiality(**fields))
    return Channels(everywhere, (Channel("webshop", ("DC01", "DC02"), materiality=everywhere),))


class Inventory:
    """The stage and its table; `last` holds the newest record of each topic and key, `said` all of them."""

    def __init__(self, config=TELL_ALL):
        self.config, self.rows, self.offset = config, {}, 0
        self.said, self.last = [], {}

    def take(self, *entries):
        """Fold entries as one chunk; return its outputs."""
        chunk = [Entry(self.offset + n, key, value) for n, (key, value) in enumerate(entries)]
        self.offset += len(entries)
        outcome = step(self.rows, chunk, self.config)
        self.rows.update(outcome.rows)
        self.said += outcome.outputs
        self.last.update({(topic, key): record for topic, key, record in outcome.outputs})
        return outcome.outputs

    def each(self, *entries):
        """Fold entries as one chunk each."""
        return [output for one in entries for output in self.take(one)]

    def position(self, key=KEY):
        return self.last["availability.snapshots", key]

    def delta(self, key=KEY):
        return self.last["availability.deltas", key]

    def offer(self, channel="webshop", sku="S1"):
        return self.last[f"channel.{channel}.availability", sku]

    def topic(self, name):
        return [record for topic, _, record in self.said if topic == name]

    def replies(self):
        """Each reply as (action, reservation, state, reason)."""
        return [
            (reply["action"], reply["reservation_id"], reply["state"], reply["reason"])
            for reply in self.topic("reservations.replies")
        ]

    def due(self, key=KEY):
        """When the row's header says it must be woken."""
        return int.from_bytes(self.rows[key.encode()][13:21], "big", signed=True)


def atp(inventory):
    """What the two locations of S1 promise."""
    return inventory.position()["atp"], inventory.position(DC2)["atp"]


def held(inventory):
    """What is held at them."""
    return inventory.position()["allocated"], inventory.position(DC2)["allocated"]


def contiguous(deltas):
    """Each delta starts where the one before ended, as the reader's rule wants it."""
    return all(
        later["previous_revision"] == earlier["revision"]
        and later["previous_atp"] == earlier["atp"]
        and later["previous_on_hand"] == earlier["on_hand"]
        for earlier, later in pairwise(deltas)
    )

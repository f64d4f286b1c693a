"""The inventory stage against a plain reading of its ledger: any order, any chunks, the same truth."""

from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledger_entries import DAY, NOON, TODAY, Inventory, allocate, contiguous, entry, expect, policy, rules

from streams import inventory as stage
from streams.inventory import clock

MOVES = {"RECEIPT": 1, "RETURN": 1, "ISSUE": -1, "ADJUST": 1, "TRANSFER_OUT": -1, "TRANSFER_IN": 1}
DISPOSITIONS = ["available", "quality_hold", "damaged"]
KEYS = ["S1|DC01", "S1|DC02", "S1|DC09", "S2|DC01"]

quantities = st.integers(1, 30)
times = st.integers(NOON - 3 * DAY, NOON + 2 * DAY)
keys = st.sampled_from(KEYS)
parts = st.lists(
    st.tuples(quantities, st.integers(TODAY - 5, TODAY + 6), st.sampled_from(["ORDERED", "ACKNOWLEDGED", "TENTATIVE"])),
    min_size=1,
    max_size=3,
)
held = st.lists(st.tuples(quantities, st.none() | st.integers(TODAY - 5, TODAY + 6)), min_size=1, max_size=3)
settled = st.integers(0, 20)
facts = st.one_of(
    st.builds(
        lambda kind, q, d, at, key: entry(kind, q, disposition=d, at=at, key=key),
        st.sampled_from(["RECEIPT", "RETURN", "ISSUE", "ADJUST"]), quantities, st.sampled_from(DISPOSITIONS), times, keys,
    ),
    st.builds(
        lambda q, d, to, at, key: entry("MOVE", q, disposition=d, to_disposition=to, at=at, key=key),
        quantities, st.sampled_from(DISPOSITIONS), st.sampled_from(DISPOSITIONS), times, keys,
    ),
    st.builds(
        lambda q, po, at, key: entry("RECEIPT", q, reference=f"PURCHASE_ORDER:{po}", at=at, key=key),
        quantities, st.sampled_from("PQ"), times, keys,
    ),
    st.builds(
        lambda q, order, at, key: entry("ISSUE", q, reference=f"SALES_ORDER:{order}", at=at, key=key),
        quantities, st.sampled_from("AB"), times, keys,
    ),
    st.builds(lambda p, s, po, at, key: expect(*p, po=po, settled=s, fence=3, at=at, key=key),
              parts, settled, st.sampled_from("PQ"), times, keys),
    st.builds(lambda p, s, order, at, key: allocate(*p, order=order, settled=s, at=at, key=key),
              held, settled, st.sampled_from("AB"), times, keys),
    st.builds(lambda q, at, key: entry("COUNT", q, at=at, key=key), quantities, times, keys),
    st.builds(lambda q, at, key: entry("TRANSFER_IN", q, reference="TRANSFER:T", at=at, key=key), quantities, times, keys),
    st.builds(lambda s, a, b, sku: policy(s, sku, anywhere=a, DC01=b),
              st.sampled_from("AB"), st.integers(0, 9), st.integers(0, 9), st.sampled_from(["S1", "S2"])),
)  # fmt: skip
ledgers = st.lists(facts, min_size=1, max_size=30)
configs = st.sampled_from(
    [
        rules(),
        rules(absolute_step=8, relative_step=20, date_days=1),
        rules(absolute_step=3, min_interval=DAY // 2, max_silence=DAY),
        rules(levels=(5,), absolute_step=None, date_days=None, min_interval=7 * DAY),
    ]
)
plenty = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def plain(ledger, key, today):
    """A position straight from its definition: no journal, no state, every entry looked at again."""
    sku, location = key.split("|")
    mine = [value for k, value in ledger if k == key]
    legs = []
    for n, value in enumerate(mine):
        if value["kind"] in MOVES:
            legs.append((value["disposition"], MOVES[value["kind"]] * value["quantity"], value["occurred_at"]))
        if value["kind"] == "MOVE":
            legs.append((value["disposition"], -value["quantity"], value["occurred_at"]))
            legs.append((value["to_disposition"], value["quantity"], value["occurred_at"]))
        assert n < 60, "the plain reading has no bounded journal"
    on_hand = {}
    for disposition in DISPOSITIONS:
        counts = [
            (v["occurred_at"], n, v["quantity"])
            for n, v in enumerate(mine)
            if v["kind"] == "COUNT" and v["disposition"] == disposition
        ]
        at, _, base = max(counts, default=(-(10**20), 0, 0))
        on_hand[disposition] = base + sum(q for d, q, t in legs if d == disposition and t > at)

    def open_parts(kind, moving, prefix):
        for reference in {v["reference"] for v in mine if (v["reference"] or "").startswith(prefix)}:
            newest = [v["claim"] for v in mine if v["kind"] == kind and v["reference"] == reference]
            if not newest:
                continue
            moved = sum(v["quantity"] for v in mine if v["kind"] == moving and v["reference"] == reference)
            excess = max(0, moved - newest[-1]["settled"])
            for part in sorted(newest[-1]["parts"], key=lambda p: (p["date"] is not None, p["date"] or 0, p["line"])):
                taken = min(excess, part["quantity"])
                excess -= taken
                if part["quantity"] > taken:
                    yield part["quantity"] - taken, part["date"], part["state"], newest[-1]

    demand = [(max(today, date or 0), q) for q, date, _, _ in open_parts("ALLOCATE", "ISSUE", "SALES_ORDER:")]
    supply = []
    for q, date, state, claim in open_parts("EXPECT", "RECEIPT", "PURCHASE_ORDER:"):
        if state != "TENTATIVE" and today - date <= claim["fence_days"]:
            supply.append((date if date >= today else today + claim["offset_days"], q))
    policies = [v["policy"] for k, v in ledger if k == f"{sku}|*"]
    stock = {s["location"]: s["quantity"] for s in policies[-1]["safety_stock"]} if policies else {}
    safety = stock.get(location, stock.get(None, 0))

    def balance(day):
        come, gone = sum(q for d, q in supply if d <= day), sum(q for d, q in demand if d <= day)
        return on_hand["available"] + come - gone

    days = range(today, TODAY + 30)
    ahead = [min(balance(later) for later in range(day, TODAY + 30)) for day in days]
    floored = [max(0, value - safety) for value in ahead]
    return {
        "disposition": {d: q for d, q in on_hand.items() if q},
        "allocated": sum(q for _, q in demand),
        "safety_stock": safety,
        "atp_signed": ahead[0],
        "atp": floored[0],
        "schedule": [
            {"date": day, "atp": value}
            for day, value, before in zip(days[1:], floored[1:], floored, strict=False)
            if value != before
        ],
        "next_receipt": min((date for date, _ in supply), default=None),
    }


def awake(inventory, ledger, now):
    """Wake every position at the same time, as a sweep would at midnight; then all stand on one day."""
    known = sorted({key for key, _ in ledger if not key.endswith("*")})
    inventory.take(*((key, clock(key, now)[2]) for key in known))
    return known


def facts_of(position):
    chosen = ("allocated", "safety_stock", "atp_signed", "atp", "schedule", "next_receipt")
    return {
        "disposition": {d: q for d, q in position["disposition"].items() if q},
        **{name: position[name] for name in chosen},
    }


@plenty
@given(ledgers, configs, st.integers(0, 8))
def test_every_position_is_what_a_plain_reading_of_the_ledger_says(ledger, config, days):
    """On hand, allocated, promise and schedule follow from the entries by definition, counts and races included."""
    inventory = Inventory(config)
    inventory.take(*ledger)
    now = NOON + (2 + days) * DAY

    for key in awake(inventory, ledger, now):
        assert facts_of(inventory.position(key)) == plain(ledger, key, now // DAY)
        assert inventory.position(key)["atp"] >= 0


def stream(fact):
    """Which source a fact comes from: those of one stream keep their order."""
    key, value = fact
    if value["kind"] in ("EXPECT", "ALLOCATE", "POLICY"):
        return key, value["kind"], value["reference"]
    return key, value["kind"], value["occurred_at"]


@plenty
@given(ledgers, st.randoms())
def test_the_interleaving_of_sources_does_not_matter(ledger, random):
    """Shuffled, but each source in its own order, the ledger tells the same facts."""
    left = {}
    for fact in ledger:
        left.setdefault(stream(fact), []).append(fact)
    queues, shuffled = [iter(queue) for queue in left.values() for _ in queue], []
    random.shuffle(queues)
    in_order = {stream(queue[0]): iter(queue) for queue in left.values()}
    slots = [name for name, queue in left.items() for _ in queue]
    random.shuffle(slots)
    shuffled = [next(in_order[name]) for name in slots]

    one, other = Inventory(), Inventory()
    one.take(*ledger)
    other.take(*shuffled)
    known = awake(one, ledger, NOON + 3 * DAY)
    awake(other, ledger, NOON + 3 * DAY)

    assert [facts_of(one.position(key)) for key in known] == [facts_of(other.position(key)) for key in known]


@plenty
@given(ledgers, configs, st.lists(st.integers(0, 30), max_size=5))
def test_chunks_do_not_matter(ledger, config, cuts):
    """However the log is cut, rows are the same bytes, and a reader of the deltas ends with the same figures."""
    whole, pieces = Inventory(config), Inventory(config)
    whole.take(*ledger)
    bounds = [0, *sorted(cuts), len(ledger)]
    for start, end in pairwise(bounds):
        pieces.take(*ledger[start:end])

    assert whole.rows == pieces.rows
    for at in whole.last:
        if at[0] == "availability.snapshots":
            assert whole.last[at] == pieces.last[at]
        elif at[0].startswith("channel."):
            told = ("revision", "quantity", "status", "next_date", "by_location", "as_of", "computed_at")
            assert [whole.last[at][name] for name in told] == [pieces.last[at][name] for name in told]
        elif at[0] == "availability.deltas":
            told = ("revision", "atp", "atp_signed", "on_hand", "schedule", "as_of")
            assert [whole.last[at][name] for name in told] == [pieces.last[at][name] for name in told]


plain_moves = st.builds(
    lambda kind, q, at, key, source: entry(kind, q, at=at, key=key, source=source),
    st.sampled_from(["RECEIPT", "ISSUE", "ADJUST", "RETURN"]), st.integers(1, 9), times,
    st.sampled_from(KEYS[:2]), st.sampled_from(["WMS-DC01", "WMS-DC01", "EDI"]),
)  # fmt: skip


@plenty
@given(st.lists(plain_moves, max_size=40), st.lists(facts, max_size=4), configs, st.randoms(), st.integers(1, 20))
def test_the_short_way_is_the_general_way(moves, others, config, random, size):
    """Simple movements take a shortcut from row to row; without it, every byte and every record is the same."""
    ledger = sorted(moves, key=lambda fact: fact[1]["occurred_at"])
    for fact in others:
        ledger.insert(random.randint(0, len(ledger)), fact)
    short, general = Inventory(config), Inventory(config)
    for start in range(0, len(ledger), size):
        outputs = short.take(*ledger[start : start + size])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(stage, "fold_plain", lambda *_: None)
            assert sorted(general.take(*ledger[start : start + size]), key=str) == sorted(outputs, key=str)

    assert short.rows == general.rows


@plenty
@given(ledgers, configs, st.integers(1, 9))
def test_deltas_form_a_chain_without_gaps(ledger, config, size):
    """Every delta starts where the one before ended; so do a channel's records."""
    inventory = Inventory(config)
    for start in range(0, len(ledger), size):
        inventory.take(*ledger[start : start + size])

    for key in KEYS:
        mine = [d for d in inventory.topic("availability.deltas") if f"{d['sku']}|{d['location']}" == key]
        assert contiguous(mine)
        assert not mine or (mine[0]["previous_revision"], mine[0]["previous_atp"]) == (0, 0)
    for sku in ("S1", "S2"):
        told = [record for record in inventory.topic("channel.webshop.availability") if record["sku"] == sku]
        for before, after in pairwise(told):
            assert (after["previous_revision"], after["previous_quantity"]) == (before["revision"], before["quantity"])


@plenty
@given(ledgers, configs)
def test_the_clock_brings_out_what_waits_and_then_rests(ledger, config):
    """Woken when they ask, rows move on each time, and in the end the last figures told are the true ones or close."""
    inventory = Inventory(config)
    inventory.take(*ledger)
    for key in [key.decode() for key in inventory.rows]:
        for _ in range(40):
            due = inventory.due(key)
            if not due or due > NOON + 60 * DAY:
                break
            inventory.take((key, clock(key, due)[2]))
            assert not inventory.due(key) or inventory.due(key) > due
    if config == rules():
        for key in {key for key, _ in ledger if not key.endswith("*")}:
            assert inventory.delta(key)["atp"] == inventory.position(key)["atp"]


@plenty
@given(ledgers)
def test_a_channel_is_offered_the_sum_of_its_locations(ledger):
    """Every change told, the offer is what the sourcing locations promise, and no other location counts."""
    inventory = Inventory()
    for fact in ledger:
        inventory.take(fact)
        for sku in ("S1", "S2"):
            here = [
                inventory.position(f"{sku}|{place}")
                for place in ("DC01", "DC02")
                if f"{sku}|{place}".encode() in inventory.rows
            ]
            if here:
                assert inventory.offer(sku=sku)["quantity"] == sum(position["atp"] for position in here)
                dates = [position["next_receipt"] for position in here if position["next_receipt"] is not None]
                assert inventory.offer(sku=sku)["next_date"] == min(dates, default=None)

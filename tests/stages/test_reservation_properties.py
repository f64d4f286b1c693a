"""Reservations under whatever happens: random requests between receipts, issues, claims and the clock."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from ledger_entries import (
    DAY,
    DC2,
    NOON,
    Inventory,
    allocate,
    atp,
    cancel,
    confirm,
    entry,
    held,
    policy,
    reserve,
    rules,
    tick,
)
from test_inventory_properties import facts, plenty

from tables.position import Position
from tables.sku import Sku

SKU = "S1|*"
NAMES = st.sampled_from("abcd")
moments = st.integers(NOON, NOON + 20_000)
requests = st.one_of(
    st.builds(
        lambda name, q, place, ttl, at: reserve(name, q, location=place, ttl=ttl, at=at),
        NAMES, st.integers(1, 12), st.sampled_from([None, None, "DC01", "DC02"]), st.integers(1_000, 9_000), moments,
    ),
    st.builds(lambda name, order, at: confirm(name, order, at=at), NAMES, st.sampled_from("AB"), moments),
    st.builds(lambda name, at: cancel(name, at=at), NAMES, moments),
    st.builds(tick, moments),
)  # fmt: skip
stock = st.one_of(
    st.builds(lambda q, key: entry("RECEIPT", q, key=key), st.integers(1, 20), st.sampled_from(["S1|DC01", DC2])),
    st.builds(lambda q, key: entry("ISSUE", q, key=key), st.integers(1, 6), st.sampled_from(["S1|DC01", DC2])),
    st.builds(
        lambda q, key: entry("ISSUE", q, key=key, reference="SALES_ORDER:A"), st.integers(1, 6), st.sampled_from(["S1|DC01", DC2])
    ),
    st.builds(
        lambda q, order, key: allocate((q, None), order=order, key=key),
        st.integers(1, 6), st.sampled_from("AB"), st.sampled_from(["S1|DC01", DC2]),
    ),
)  # fmt: skip
stories = st.lists(st.one_of(requests, stock, facts), max_size=40)
configs = st.sampled_from([rules(), rules(absolute_step=8, min_interval=DAY // 2, max_silence=DAY)])


def later_first(story):
    """Requests in order of their time, as intake records them."""
    return sorted(story, key=lambda one: one[1]["recorded_at"])


@plenty
@given(stories, configs, st.lists(st.integers(0, 40), max_size=5))
def test_chunks_do_not_matter_to_holds(story, config, cuts):
    """Rows, replies, postings and what orders are told: the same bytes and records however the log is cut."""
    story = later_first(story)
    whole, pieces = Inventory(config), Inventory(config)
    whole.take(*story)
    bounds = [0, *sorted(cuts), len(story)]
    for start, end in pairwise(bounds):
        pieces.take(*story[start:end])

    assert whole.rows == pieces.rows
    for topic in ("reservations.replies", "order.events", "erp.postings", "exceptions"):
        assert whole.topic(topic) == pieces.topic(topic)
    for key in {key for topic, key in whole.last if topic == "availability.snapshots"}:
        assert whole.position(key) == pieces.position(key)


def on_positions(inventory, prefix):
    """Quantity by reference of holds on all positions."""
    sums = {}
    for key, row in inventory.rows.items():
        if not key.endswith(b"|*"):
            for reference, claim in (Position.load(row).demand or {}).items():
                if reference.startswith(prefix):
                    sums[reference] = sums.get(reference, 0) + sum(part[2] for part in claim[4])
    return sums


@plenty
@given(st.lists(st.one_of(requests, stock), max_size=60))
def test_no_more_is_held_than_is_free_and_all_of_it_is_let_go(story):
    """Judged apart from the stage: before each request what is free, after it what is held, and in the end nothing."""
    inventory, open_ = Inventory(), {}
    inventory.take(policy(), entry("RECEIPT", 3), entry("RECEIPT", 3, key=DC2))
    for one in later_first(story):
        free, before = atp(inventory), sum(held(inventory))
        said = len(inventory.topic("reservations.replies"))
        inventory.take(one)
        for reply in inventory.topic("reservations.replies")[said:]:
            name, quantity = reply["reservation_id"], sum(part["quantity"] for part in reply["parts"])
            if reply["action"] == "RESERVE" and name not in open_:
                place = one[1]["reservation"]["location"]
                room = sum(free) if place is None else free[("DC01", "DC02").index(place)]
                assert reply["accepted"] is (one[1]["quantity"] <= room)
                assert reply["available"] == room - quantity
                if reply["accepted"]:
                    open_[name] = quantity
                    assert quantity == one[1]["quantity"]
                assert sum(atp(inventory)) == sum(free) - quantity
                assert sum(held(inventory)) == before + quantity
            elif reply["accepted"] and reply["action"] != "RESERVE":
                assert open_.pop(name) == reply["quantity"]
        sums = on_positions(inventory, "RESERVATION:")
        assert sums == {f"RESERVATION:{name}": quantity for name, quantity in open_.items()}

    inventory.take(tick(NOON + 10 * DAY))
    inventory.take(*(allocate(order=order, key=key, at=NOON + 10 * DAY) for order in "AB" for key in ("S1|DC01", DC2)))
    left = on_positions(inventory, "")  # of movements whose order is yet to come
    assert left == dict.fromkeys(on_positions(inventory, "SALES_ORDER:"), 0)
    assert held(inventory) == (0, 0)
    assert Sku.load(inventory.rows[b"S1|*"]).reservations == {}
    assert inventory.due(SKU) == 0


@plenty
@given(st.lists(st.one_of(requests, stock), max_size=60))
def test_each_request_is_answered_once_and_revisions_rise(story):
    """By its own id; what nobody asked has an id of its own."""
    story = [
        (
            key,
            {**value, "reservation": {**value["reservation"], "request_id": f"r{n}"}}
            if value["reservation"]
            else value,
        )
        for n, (key, value) in enumerate(later_first(story))
    ]
    inventory = Inventory()
    inventory.take(policy(), *story)
    replies = inventory.topic("reservations.replies")
    answered = [reply["request_id"] for reply in replies if reply["action"] != "EXPIRE"]
    expired = [reply["request_id"] for reply in replies if reply["action"] == "EXPIRE"]

    assert answered == [value["reservation"]["request_id"] for _, value in story if value["reservation"]]
    assert len(set(expired)) == len(expired)
    assert set(expired).isdisjoint(answered)
    for name in {reply["reservation_id"] for reply in replies}:
        of_it = [reply["revision"] for reply in replies if reply["reservation_id"] == name]
        assert of_it == sorted(of_it)

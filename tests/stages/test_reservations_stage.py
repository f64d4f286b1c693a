"""Reservations in the inventory stage: decided by the single writer, held on positions, released exactly once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger_entries import (
    DAY,
    NOON,
    TODAY,
    Inventory,
    allocate,
    cancel,
    confirm,
    entry,
    expect,
    policy,
    reserve,
    rules,
)
from test_inventory_properties import facts, plenty

from schemas.codec import Codec
from streams.inventory import clock
from tables import reservations
from tables.channels import Channel, Channels
from tables.position import Position
from tables.sku import Sku

SKU = "S1|*"
DC2 = "S1|DC02"


def stocked(first=6, second=4, config=None):
    """Two locations of the webshop with stock, and a third it does not sell from."""
    inventory = Inventory(config) if config else Inventory()
    inventory.take(entry("RECEIPT", first), entry("RECEIPT", second, key=DC2), entry("RECEIPT", 90, key="S1|DC09"))
    return inventory


def atp(inventory):
    return inventory.position()["atp"], inventory.position(DC2)["atp"]


def held(inventory):
    return inventory.position()["allocated"], inventory.position(DC2)["allocated"]


def last_reply(inventory):
    return inventory.topic("reservations.replies")[-1]


def tick(at, key=SKU):
    return key, clock(key, at)[2]


def test_a_reservation_lowers_the_promise_at_once():
    """Position, delta, offer, snapshot and answer come of the same step; the answer says where, until when, what is left."""
    inventory = stocked()
    outputs = inventory.take(reserve("a", 5, basket="basket-a"))
    reply = last_reply(inventory)

    assert reply["correlation_id"] == inventory.delta()["correlation_id"] == "basket-a"
    assert {topic for topic, _, _ in outputs} == {
        "reservations.replies", "availability.deltas", "availability.snapshots", "channel.webshop.availability",
    }  # fmt: skip
    assert (atp(inventory), held(inventory)) == ((1, 4), (5, 0))
    assert inventory.delta()["reasons"] == ["RESERVATION"]
    assert inventory.position()["on_hand"] == 6
    assert inventory.offer()["quantity"] == 5
    assert (reply["accepted"], reply["state"], reply["available"]) == (True, "HELD", 5)
    assert (reply["parts"], reply["quantity"]) == ([{"location": "DC01", "quantity": 5}], 5)
    assert (reply["expires_at"], reply["revision"]) == (NOON + 10_000, 3)
    assert inventory.due(SKU) == NOON + 10_000


@pytest.mark.parametrize(
    ("quantity", "location", "parts"),
    [
        (4, None, [("DC01", 4)]),
        (5, None, [("DC02", 5)]),
        (8, None, [("DC01", 4), ("DC02", 4)]),
        (3, "DC02", [("DC02", 3)]),
    ],
)
def test_stock_is_held_where_the_channel_sources_first(quantity, location, parts):
    """Whole at the first location that has it all, else in the channel's order; a location named holds it whole."""
    inventory = stocked(4, 5)
    inventory.take(reserve("a", quantity, location=location))

    assert [(part["location"], part["quantity"]) for part in last_reply(inventory)["parts"]] == parts


@pytest.mark.parametrize(
    ("request_", "reason", "available"),
    [
        (reserve("a", 9), "INSUFFICIENT", 8),
        (reserve("a", 5, location="DC02"), "INSUFFICIENT", 4),
        (reserve("a", 1, location="DC09"), "LOCATION_NOT_SOURCED", 0),
        (reserve("a", 1, channel="nobody"), "UNKNOWN_CHANNEL", 0),
        (reserve("a", 1, channel="outlet"), "NOT_SOLD", 0),
        (reserve("a", 1, sku="S2"), "INSUFFICIENT", 0),
    ],
)
def test_a_refusal_says_why_and_what_there_is(request_, reason, available):
    """Nothing is held; the buffer stays the channel's; stock elsewhere does not count."""
    shops = Channel("webshop", ("DC01", "DC02"), buffer=2), Channel("outlet", ("DC01",), segments=frozenset("Z"))
    inventory = stocked(config=Channels(channels=shops))
    inventory.take(request_)
    reply = last_reply(inventory)

    assert (reply["accepted"], reply["state"], reply["reason"]) == (False, "REFUSED", reason)
    assert (reply["available"], reply["parts"], reply["expires_at"]) == (available, [], None)
    assert held(inventory) == (0, 0)
    assert inventory.due(f"{request_[1]['reservation']['reservation_id'][:2]}|*") == 0


def test_safety_stock_and_supply_that_is_not_here_are_not_reserved():
    """Free is what is promised today: less safety stock, without what comes tomorrow."""
    inventory = stocked(6, 0)
    inventory.take(policy(anywhere=2), expect((50, TODAY + 1)), reserve("a", 5), reserve("b", 4))

    assert inventory.replies() == [
        ("RESERVE", "S1.a", "REFUSED", "INSUFFICIENT"),
        ("RESERVE", "S1.b", "HELD", None),
    ]


def test_stock_promised_for_yesterdays_supply_is_looked_at_again():
    """Supply due today is promised today; a minute past midnight, before any clock entry, it is not."""
    inventory = stocked(0, 0)
    inventory.take(expect((10, TODAY), fence=0))
    inventory.take(reserve("early", 3), reserve("late", 3, at=NOON + DAY))

    assert [state for _, _, state, _ in inventory.replies()] == ["HELD", "REFUSED"]


def test_time_runs_out_by_the_clock():
    """The SKU's row asks for a clock entry; it lets go, once, of what is over, and says so under an id of its own."""
    inventory = stocked()
    inventory.take(reserve("a", 2), reserve("b", 8, ttl=90_000, basket="basket-b"))
    assert inventory.take(tick(NOON + 9_999)) == []

    inventory.take(tick(NOON + 10_000))
    assert (atp(inventory), inventory.due(SKU)) == ((2, 0), NOON + 90_000)
    inventory.take(tick(NOON + 90_000))
    reply = last_reply(inventory)

    assert (reply["action"], reply["state"], reply["accepted"]) == ("EXPIRE", "EXPIRED", True)
    assert (reply["quantity"], reply["parts"], reply["available"]) == (8, [], 10)
    assert reply["correlation_id"] == "basket-b"
    assert (atp(inventory), held(inventory), inventory.due(SKU)) == ((6, 4), (0, 0), 0)
    assert inventory.offer()["quantity"] == 10
    assert inventory.take(tick(NOON + 99_000)) == []


def test_a_cancelled_hold_is_free_at_once():
    """For the next request of the same chunk."""
    inventory = stocked()
    inventory.take(reserve("a", 10), reserve("b", 1), cancel("a"), reserve("c", 10))

    assert inventory.replies() == [
        ("RESERVE", "S1.a", "HELD", None),
        ("RESERVE", "S1.b", "REFUSED", "INSUFFICIENT"),
        ("CANCEL", "S1.a", "CANCELLED", None),
        ("RESERVE", "S1.c", "HELD", None),
    ]


def test_a_confirmed_hold_goes_to_the_order_without_a_gap():
    """Each location's share is told to the order; stock stays held until the order's own claim, then counts once."""
    inventory = stocked(6, 4)
    inventory.take(reserve("a", 8), confirm("a", "O1", line="2"))
    told = [event["reserved"] for event in inventory.topic("order.events")]
    reply = last_reply(inventory)

    assert (reply["state"], reply["order_number"], reply["expires_at"]) == ("CONFIRMED", "O1", None)
    assert [(part["location"], part["quantity"]) for part in reply["parts"]] == [("DC01", 6), ("DC02", 2)]
    assert [(one["location"], one["quantity"], one["line"]) for one in told] == [("DC01", 6, "2"), ("DC02", 2, "2")]
    assert {(one["reservation_id"], one["channel"], one["sku"]) for one in told} == {("S1.a", "webshop", "S1")}
    assert (held(inventory), inventory.due(SKU)) == ((6, 2), 0)

    inventory.take(allocate((6, None, "RESERVED")))
    assert (held(inventory), atp(inventory)) == ((6, 2), (0, 2))
    inventory.take(allocate(key=DC2))
    assert (held(inventory), atp(inventory)) == ((6, 0), (0, 4))


def test_another_order_s_claim_does_not_touch_a_confirmed_hold():
    """Not even one whose number begins the same way."""
    inventory = stocked()
    inventory.take(
        reserve("a", 6), confirm("a", "O1:7"), allocate(order="O1"), allocate(order="O"), allocate(order="7")
    )
    assert held(inventory) == (6, 0)

    inventory.take(allocate(order="O1:7"))
    assert held(inventory) == (0, 0)


def test_confirming_too_late_lets_go():
    """Whether the clock entry came first or not, the channel hears EXPIRED once and the stock is free once."""
    inventory = stocked()
    inventory.take(reserve("a", 6), confirm("a", at=NOON + 10_000), tick(NOON + 10_000), confirm("a", at=NOON + 10_001))

    assert inventory.replies()[1:] == [
        ("EXPIRE", "S1.a", "EXPIRED", None),
        ("CONFIRM", "S1.a", "EXPIRED", "EXPIRED"),
        ("CONFIRM", "S1.a", "NOT_OPEN", "NOT_OPEN"),
    ]
    assert (held(inventory), inventory.topic("order.events")) == ((0, 0), [])


@pytest.mark.parametrize("request_", [confirm, cancel])
@pytest.mark.parametrize(
    "before",
    [
        (),
        (reserve("a", 2, channel="market"),),
        (reserve("a", 2), cancel("a")),
        (reserve("a", 2), confirm("a")),
        (reserve("a", 99),),
    ],
)
def test_what_is_not_open_cannot_be_confirmed_or_cancelled(request_, before):
    """Nor another channel's: to this one it does not exist."""
    shops = Channel("webshop", ("DC01", "DC02")), Channel("market", ("DC01",))
    inventory = stocked(config=Channels(channels=shops))
    inventory.take(*before)
    stood = held(inventory)
    inventory.take(request_("a"))

    assert inventory.replies()[-1][2:] == ("NOT_OPEN", "NOT_OPEN")
    assert held(inventory) == stood


def test_the_same_reservation_asked_again_is_held_once():
    """Its answer is what is held; under another channel's name it is refused."""
    inventory = stocked(config=Channels(channels=(Channel("webshop", ("DC01",)), Channel("market", ("DC01",)))))
    inventory.take(reserve("a", 2), reserve("a", 3, at=NOON + 5), reserve("a", 2, channel="market"))

    assert inventory.replies()[1:] == [("RESERVE", "S1.a", "HELD", None), ("RESERVE", "S1.a", "REFUSED", "INVALID")]
    assert [reply["quantity"] for reply in inventory.topic("reservations.replies")] == [2, 2, 2]
    assert held(inventory)[0] == 2


def test_no_more_are_open_than_a_row_can_hold(monkeypatch):
    """A shop that opens thousands of small holds is stopped; the row fits a record."""
    monkeypatch.setattr(reservations, "MOST_OPEN", 2)
    inventory = stocked()
    inventory.take(*(reserve(name, 1) for name in "abc"), cancel("a"), reserve("d", 1))

    assert [reason for _, _, _, reason in inventory.replies()] == [None, None, "TOO_MANY_OPEN", None, None]


def test_the_longest_row_of_reservations_fits_a_record():
    """At the limit, with long names, far below a broker's megabyte."""
    inventory = Inventory()
    many = (reserve(f"{n:032x}", 1, basket=f"{n:0100d}") for n in range(reservations.MOST_OPEN + 1))
    inventory.take(entry("RECEIPT", 10_000), *many)

    assert inventory.replies()[-1][3] == "TOO_MANY_OPEN"
    assert max(len(row) for row in inventory.rows.values()) < 500_000


def test_an_order_that_ships_before_its_claim_frees_nothing_meanwhile():
    """The goods are gone and the hold still stands until the order speaks: never more is promised than is there."""
    inventory = stocked()
    inventory.take(reserve("a", 2), confirm("a"), entry("ISSUE", 2, reference="SALES_ORDER:O1"))
    assert atp(inventory)[0] == 2

    inventory.take(allocate(settled=2))
    assert (atp(inventory)[0], held(inventory)[0]) == (4, 0)


def test_every_record_is_one_of_its_schema():
    """Replies, events and postings are encoded as the task does."""
    inventory = stocked()
    inventory.take(
        reserve("a", 8), reserve("b", 99), confirm("a"), allocate((3, None, "BACKORDERED")), tick(NOON + 20_000)
    )
    codec = Codec()
    for number, topic in enumerate(sorted({topic for topic, _, _ in inventory.said}), 1):
        codec.register(topic, number)
        for name, _, record in inventory.said:
            if name == topic:
                codec.encode(topic, record)


# ---- whatever happens -----------------------------------------------------------------------------------------------

NAMES = st.sampled_from("abcd")
moments = st.integers(NOON, NOON + 20_000)
requests = st.one_of(
    st.builds(
        lambda name, q, place, ttl, at: reserve(name, q, location=place, ttl=ttl, at=at),
        NAMES, st.integers(1, 12), st.sampled_from([None, None, "DC01", "DC02"]), st.integers(1_000, 9_000), moments,
    ),
    st.builds(lambda name, order, at: confirm(name, order, at=at), NAMES, st.sampled_from("AB"), moments),
    st.builds(lambda name, at: cancel(name, at=at), NAMES, moments),
    st.builds(lambda at: tick(at), moments),
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
    for start, end in zip(bounds, bounds[1:], strict=False):
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
    inventory.take(*(allocate(order=order, key=key) for order in "AB" for key in ("S1|DC01", DC2)))
    assert on_positions(inventory, "") == {reference: 0 for reference in on_positions(inventory, "SALES_ORDER:")}, (
        "only movements whose order is yet to come may be left"
    )
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

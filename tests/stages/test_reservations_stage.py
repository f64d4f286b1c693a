"""Reservations in the inventory stage: decided by the single writer, held on positions, released exactly once."""

import pytest
from ledger_entries import (
    DAY,
    DC2,
    NOON,
    TODAY,
    Inventory,
    allocate,
    atp,
    cancel,
    confirm,
    entry,
    expect,
    held,
    policy,
    reserve,
    tick,
)

from schemas.codec import Codec
from tables import reservations
from tables.channels import Channel, Channels

SKU = "S1|*"


def stocked(first=6, second=4, config=None):
    """Two locations of the webshop with stock, and a third it does not sell from."""
    inventory = Inventory(config) if config else Inventory()
    inventory.take(entry("RECEIPT", first), entry("RECEIPT", second, key=DC2), entry("RECEIPT", 90, key="S1|DC09"))
    return inventory


def last_reply(inventory):
    return inventory.topic("reservations.replies")[-1]


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


@pytest.mark.parametrize("chunks", ["take", "each"])
def test_stock_promised_for_yesterdays_supply_is_looked_at_again(chunks):
    """Supply due today is promised today; past midnight, before any clock entry, it is not."""
    inventory = stocked(0, 0)
    requests = reserve("early", 3), reserve("late", 3, at=NOON + DAY)
    getattr(inventory, chunks)(expect((10, TODAY), fence=0), *requests)

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


def test_two_holds_confirmed_for_one_order_are_each_held_until_it_has_heard_of_them():
    """The order's answer to the first, on its way when the second is confirmed, does not let the second go."""
    inventory = stocked()
    inventory.take(reserve("a", 2), reserve("b", 3), confirm("a", at=NOON + 1), confirm("b", at=NOON + 2))
    inventory.take(allocate((2, None, "RESERVED"), reservations=["S1.a"], at=NOON + 1))
    assert held(inventory)[0] == 5

    both = allocate((2, None, "RESERVED"), (3, None, "RESERVED"), reservations=["S1.a", "S1.b"], at=NOON + 2)
    inventory.take(both)
    assert held(inventory)[0] == 5
    inventory.take(allocate(at=NOON + 3))
    assert held(inventory)[0] == 0


def test_the_order_s_own_document_rules_at_once():
    """It comes from another topic: what it does not hold is free, whatever was confirmed for it."""
    inventory = stocked()
    inventory.take(reserve("a", 2), confirm("a", at=NOON + 9))
    inventory.take(allocate((1, None), at=NOON, coordinate="erp.sales-orders[0]@1"))

    assert held(inventory)[0] == 1


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


@pytest.mark.parametrize("request_", [confirm, cancel])
def test_ending_a_hold_of_a_sku_nobody_knows_leaves_nothing_behind(request_):
    """The channel has its answer; no row is made for a name that may be anything."""
    inventory = Inventory()
    inventory.take(request_("a", sku="NOWHERE"))

    assert inventory.replies()[-1][2:] == ("NOT_OPEN", "NOT_OPEN")
    assert inventory.rows == {}

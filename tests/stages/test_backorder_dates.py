"""Backordered lines: in no promise, and told when the promise covers them."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger_entries import (
    DAY,
    KEY,
    NOON,
    TODAY,
    Inventory,
    allocate,
    cancel,
    claim,
    entry,
    expect,
    policy,
    reserve,
    tick,
)
from test_inventory_properties import facts, plenty

from tables.position import Position

BACK = "BACKORDERED"


def back(*lines, order="O1", held=(), **more):
    """An order's claim: lines it lacks as (quantity, requested date), and parts it holds."""
    parts = [*((quantity, date, BACK) for quantity, date in lines), *held]
    return allocate(*parts, order=order, **more)


def after(*entries):
    inventory = Inventory()
    inventory.take(*entries)
    return inventory


def told(inventory):
    """Every PROMISED event as (order, [(line, quantity, date)])."""
    return [
        (event["order_number"], [(line["line"], line["quantity"], line["date"]) for line in event["promised"]["lines"]])
        for event in inventory.topic("order.events")
    ]


def test_what_is_backordered_is_not_held():
    """Neither allocated nor out of any promise; what the order does hold is."""
    inventory = after(entry("RECEIPT", 10), back((5, None), held=[(3, None, "ALLOCATED")]), expect((4, TODAY + 2)))
    position = inventory.position()

    assert (position["allocated"], position["atp"], position["atp_signed"]) == (3, 7, 7)
    assert position["schedule"] == [{"date": TODAY + 2, "atp": 11}]
    inventory.take(entry("ISSUE", 3, reference="SALES_ORDER:O1"))
    assert (inventory.position()["allocated"], inventory.position()["atp"]) == (0, 7)


@pytest.mark.parametrize(
    ("supply", "date"),
    [
        ((), None),
        ([(10, TODAY + 4)], TODAY + 4),
        ([(3, TODAY + 4), (3, TODAY + 6)], TODAY + 6),
        ([(4, TODAY + 4)], None),
        ([(9, TODAY)], TODAY),
        ([(9, TODAY + 4, "TENTATIVE")], None),
    ],
)
def test_a_line_has_the_first_date_that_covers_all_of_it(supply, date):
    """By the published schedule; none where no supply is known to be enough."""
    assert told(after(*([expect(*supply)] if supply else []), back((5, TODAY)))) == [("O1", [("1", 5, date)])]


def test_safety_stock_and_holds_are_not_for_backorders():
    """The schedule is what may be promised, after both."""
    inventory = after(policy(anywhere=2), entry("RECEIPT", 6), expect((3, TODAY + 3)), back((4, None)))
    inventory.take(reserve("a", 1))
    inventory.take(cancel("a"))
    inventory.take(policy(anywhere=9))

    assert [lines[0][2] for _, lines in told(inventory)] == [TODAY, TODAY + 3, TODAY, None]


def test_orders_are_served_by_requested_date_then_number_then_line():
    """Each is covered only after all that stand before it; one without a date stands first."""
    supply = expect((4, TODAY + 1), (4, TODAY + 2), (4, TODAY + 3), (4, TODAY + 5))
    inventory = after(supply, back((4, TODAY + 9), (4, TODAY + 1)), back((4, TODAY + 1), order="A"))
    inventory.take(back((4, None), order="Z"))
    last = dict(told(inventory))

    assert last == {
        "Z": [("1", 4, TODAY + 1)],
        "A": [("1", 4, TODAY + 2)],
        "O1": [("2", 4, TODAY + 3), ("1", 4, TODAY + 5)],
    }


def test_only_a_change_is_told_and_the_end_once():
    """A receipt that changes no date is no news; a line that is served is told as nothing."""
    inventory = after(expect((9, TODAY + 4)), back((5, TODAY)))
    inventory.take(entry("RECEIPT", 1), back((5, TODAY), at=NOON + 1), entry("RECEIPT", 1))
    inventory.take(expect((9, TODAY + 2), at=NOON + 2))
    inventory.take(back((2, TODAY), held=[(3, None, "ALLOCATED")], at=NOON + 3))
    inventory.take(allocate((5, None), at=NOON + 4), allocate((5, None), at=NOON + 5), allocate())

    assert [lines for _, lines in told(inventory)] == [
        [("1", 5, TODAY + 4)],
        [("1", 5, TODAY + 2)],
        [("1", 2, TODAY + 2)],
        [],
    ]
    assert Position.load(inventory.rows[KEY.encode()]).backorders is None


def test_the_event_names_what_caused_it():
    """The order's key; SKU and location whole; the coordinate of the entry, or the clock."""
    inventory = after(expect((5, TODAY + 1), fence=9), back((5, TODAY)))
    inventory.take(tick((TODAY + 2) * DAY, KEY))
    first, second = [(key, event) for topic, key, event in inventory.said if topic == "order.events"]

    assert first[0] == first[1]["order_number"] == "O1"
    assert (first[1]["kind"], first[1]["promised"]["sku"], first[1]["promised"]["location"]) == (
        "PROMISED",
        "S1",
        "DC01",
    )
    assert first[1]["coordinate"] == f"warehouse.scans[0]@{NOON}"
    assert second[1]["coordinate"] == f"clock:{KEY}@{(TODAY + 2) * DAY}"
    assert second[1]["promised"]["lines"][0]["date"] == TODAY + 3
    assert first[1]["event_id"] != second[1]["event_id"]


def test_a_date_that_has_come_is_not_told_again():
    """What can be had today could be had yesterday: a day that passes is no news."""
    inventory = after(expect((5, TODAY + 1)), back((5, TODAY)))
    inventory.take(tick((TODAY + 1) * DAY, KEY), entry("RECEIPT", 5, at=NOON + DAY, reference="PURCHASE_ORDER:P1"))
    inventory.take(tick((TODAY + 3) * DAY, KEY), entry("ADJUST", 1, at=NOON + 3 * DAY))
    assert told(inventory) == [("O1", [("1", 5, TODAY + 1)])]

    inventory.take(entry("ISSUE", 4, at=NOON + 4 * DAY))
    inventory.take(entry("RECEIPT", 4, at=NOON + 5 * DAY))
    assert told(inventory)[1:] == [("O1", [("1", 5, None)]), ("O1", [("1", 5, TODAY + 5)])]


# ---- whatever happens -----------------------------------------------------------------------------------------------

parts = st.lists(
    st.tuples(
        st.integers(1, 12), st.none() | st.integers(TODAY - 2, TODAY + 6), st.sampled_from([BACK, BACK, "ALLOCATED"])
    ),
    max_size=3,
)
claims = st.builds(
    lambda p, settled, order: allocate(*p, order=order, settled=settled),
    parts,
    st.integers(0, 9),
    st.sampled_from("AB"),
)
stories = st.lists(st.one_of(claims, facts), max_size=30)


@plenty
@given(stories, st.lists(st.integers(0, 30), max_size=4))
def test_chunks_do_not_matter_to_what_orders_are_told(story, cuts):
    """The same rows, the same news."""
    whole, pieces = Inventory(), Inventory()
    whole.take(*story)
    for start, end in pairwise([0, *sorted(cuts), len(story)]):
        pieces.take(*story[start:end])

    assert whole.rows == pieces.rows
    assert whole.topic("order.events") == pieces.topic("order.events")


def without_backorders(fact):
    key, value = fact
    if value["kind"] != "ALLOCATE":
        return fact
    kept = [part for part in value["claim"]["parts"] if part["state"] != BACK]
    return key, {**value, "claim": {**claim(settled=value["claim"]["settled"]), "parts": kept}}


@plenty
@given(stories)
def test_the_position_is_as_if_nothing_were_backordered(story):
    """Every figure published, with and without the backordered parts."""
    with_, without = after(*story), after(*map(without_backorders, story))

    keys = {key for topic, key in with_.last if topic == "availability.snapshots"}
    assert all(with_.position(key) == without.position(key) for key in keys)
    assert with_.topic("availability.deltas") == without.topic("availability.deltas")


@plenty
@given(stories)
def test_what_was_told_last_is_what_the_snapshot_says(story):
    """Each order's last news against the published schedule, read from its definition."""
    inventory, now = Inventory(), NOON
    for fact in story:
        inventory.take(fact)
    if ("availability.snapshots", KEY) not in inventory.last:
        return
    inventory.take(tick(now + 9 * DAY, KEY))
    position, today = inventory.position(), TODAY + 9
    newest = {value["reference"]: value["claim"] for key, value in story if value["kind"] == "ALLOCATE" and key == KEY}
    queue = sorted(
        (part["date"] is not None, part["date"] or 0, reference, part["line"], part["quantity"])
        for reference, one in newest.items()
        for part in one["parts"]
        if part["state"] == BACK
    )
    buckets = [(today, position["atp"]), *((bucket["date"], bucket["atp"]) for bucket in position["schedule"])]
    expected, wanted = {}, 0
    for _, _, reference, line, quantity in queue:
        wanted += quantity
        covering = [day for day, promised in buckets if promised >= wanted]
        expected.setdefault(reference.partition(":")[2], []).append((line, quantity, min(covering, default=None)))
    last = {
        event["order_number"]: [
            (line["line"], line["quantity"], line["date"] and max(line["date"], today))
            for line in event["promised"]["lines"]
        ]
        for event in inventory.topic("order.events")
        if event["promised"]["location"] == "DC01" and event["promised"]["sku"] == "S1"
    }

    assert {order: lines for order, lines in last.items() if lines} == expected

"""The inventory stage on small stories: entries in, positions, deltas, offers and exceptions out."""

import pytest
from ledger_entries import DAY, KEY, NOON, TODAY, Inventory, allocate, contiguous, entry, expect, policy, rules

from streams.inventory import LEDGER, clock
from tables.outcome import CorruptRow, OutOfOrder


def test_movements_add_up_by_disposition():
    """Receipts, holds, issues, returns: every unit is somewhere, and only what is available is promised."""
    inventory = Inventory()
    inventory.take(
        entry("RECEIPT", 20),
        entry("MOVE", 5, to_disposition="quality_hold"),
        entry("RETURN", 2, disposition="returned"),
        entry("ISSUE", 4),
        entry("ADJUST", -1),
        entry("MOVE", 1, disposition="quality_hold", to_disposition="available"),
    )
    position = inventory.position()

    assert position["disposition"] == {"available": 11, "quality_hold": 4, "returned": 2}
    assert position["on_hand"] == 17
    assert position["atp"] == position["atp_signed"] == 11
    assert position["revision"] == 6


def test_a_correction_is_a_signed_difference():
    """Two pieces scanned too many on the way out come back as an issue of minus two."""
    inventory = Inventory()
    inventory.take(entry("RECEIPT", 10), entry("ISSUE", 5), entry("ISSUE", -2, corrects="e1"))

    assert inventory.position()["on_hand"] == 7


def test_what_an_order_holds_is_not_promised_and_a_shipment_releases_it():
    """Shipping moves a quantity from held to gone; the promise does not move at all."""
    inventory = Inventory()
    inventory.take(entry("RECEIPT", 10), allocate((6, None)))
    assert (inventory.position()["allocated"], inventory.position()["atp"]) == (6, 4)

    inventory.take(entry("ISSUE", 6, reference="SALES_ORDER:O1"))
    assert (inventory.position()["allocated"], inventory.position()["atp"]) == (0, 4)

    inventory.take(allocate(settled=6))
    assert (inventory.position()["allocated"], inventory.position()["atp"]) == (0, 4)


def test_a_shipment_before_its_order_counts_when_the_order_comes():
    """The order's claim does not know of the shipment yet: what has left is not held as well."""
    inventory = Inventory()
    inventory.take(entry("RECEIPT", 10), entry("ISSUE", 2, reference="SALES_ORDER:O1"), allocate((6, None)))

    assert (inventory.position()["allocated"], inventory.position()["atp"]) == (4, 4)


def test_supply_is_promised_from_its_date():
    """Expected stock is listed, never on hand, and raises the promise of later dates."""
    inventory = Inventory()
    inventory.take(entry("RECEIPT", 3), expect((10, TODAY + 3), (5, TODAY + 9, "TENTATIVE")), policy(anywhere=1))
    position = inventory.position()

    assert position["on_hand"] == 3
    assert position["atp"] == 2
    assert position["schedule"] == [{"date": TODAY + 3, "atp": 12}]
    assert position["next_receipt"] == TODAY + 3
    assert [(part["quantity"], part["state"]) for part in position["expected"]] == [(10, "ORDERED"), (5, "TENTATIVE")]
    assert inventory.delta()["expected"] == 10


def test_a_receipt_against_a_purchase_order_is_not_counted_twice():
    """On hand and expected always add up to what was ordered, whichever of the two entries comes next."""
    inventory = Inventory()
    inventory.take(expect((10, TODAY + 1)), entry("RECEIPT", 4, reference="PURCHASE_ORDER:P1"))
    position = inventory.position()
    assert (position["on_hand"], [part["quantity"] for part in position["expected"]]) == (4, [6])

    inventory.take(expect((6, TODAY + 1), settled=4))
    assert [part["quantity"] for part in inventory.position()["expected"]] == [6]


def test_overdue_supply_inside_its_fence_moves_on_day_by_day():
    """A day late it is promised for tomorrow, marked overdue; the row asks to be woken at midnight."""
    inventory = Inventory()
    inventory.take(expect((10, TODAY - 1), fence=2))
    position = inventory.position()

    assert position["expected"][0]["overdue"]
    assert position["expected"][0]["date"] == TODAY - 1
    assert position["next_receipt"] == TODAY + 1
    assert inventory.due() == (TODAY + 1) * DAY


def test_overdue_supply_outside_its_fence_is_shown_and_not_promised():
    """It never disappears, and no one sells it."""
    inventory = Inventory()
    inventory.take(expect((10, TODAY - 1), fence=2))
    inventory.take((KEY, clock(KEY, (TODAY + 1) * DAY)[2]))
    assert inventory.position()["next_receipt"] == TODAY + 2

    inventory.take((KEY, clock(KEY, (TODAY + 2) * DAY)[2]))
    position = inventory.position()
    assert position["next_receipt"] is None
    assert position["schedule"] == []
    assert position["expected"][0]["overdue"]
    assert inventory.due() == 0


def test_supply_due_today_is_promised_today():
    """The night moves a dated receipt into the first bucket, by the clock entry alone."""
    inventory = Inventory()
    inventory.take(expect((10, TODAY + 1)))
    assert (inventory.position()["atp"], inventory.due()) == (0, (TODAY + 1) * DAY)

    inventory.take((KEY, clock(KEY, inventory.due())[2]))
    assert inventory.position()["atp"] == 10
    assert inventory.delta()["reasons"] == ["CLOCK"]
    assert inventory.position()["as_of"] == NOON


def test_a_transfer_is_expected_until_it_is_in():
    """What has left one warehouse is supply of the other, two days ahead, and never below zero."""
    inventory = Inventory()
    inventory.take(entry("TRANSFER_DUE", 8, reference="TRANSFER:T1"))
    part = inventory.position()["expected"][0]
    assert (part["po_number"], part["date"], part["state"]) == ("T1", TODAY + 2, "TRANSFER")

    inventory.take(entry("TRANSFER_IN", 9, reference="TRANSFER:T1"))
    position = inventory.position()
    assert (position["on_hand"], position["expected"], position["schedule"]) == (9, [], [])


def test_a_count_replaces_what_went_before_it_only():
    """The count is absolute as of its time; later movements stay, earlier ones that come late change nothing."""
    inventory = Inventory()
    inventory.take(entry("RECEIPT", 20, at=NOON), entry("ISSUE", 5, at=NOON + 20))
    inventory.take(entry("COUNT", 18, at=NOON + 10))
    assert inventory.position()["on_hand"] == 13

    inventory.take(entry("ISSUE", 7, at=NOON + 5))
    assert inventory.position()["on_hand"] == 13

    inventory.take(entry("COUNT", 99, at=NOON + 2))
    assert inventory.position()["on_hand"] == 13

    inventory.take(entry("COUNT", 17, at=NOON + 10))
    assert inventory.position()["on_hand"] == 12


def test_a_count_below_the_journal_is_an_exception_and_changes_nothing():
    """Sixty-five movements later the count cannot be carried forward."""
    inventory = Inventory()
    inventory.take(*(entry("RECEIPT", 1, at=NOON + n) for n in range(65)))
    inventory.take(entry("COUNT", 500, at=NOON - 1))
    assert inventory.position()["on_hand"] == 65
    assert [record["category"] for record in inventory.topic("exceptions")] == ["COUNT_BEYOND_JOURNAL"]

    inventory.take(entry("COUNT", 500, at=NOON))
    assert inventory.position()["on_hand"] == 564


def test_stock_below_zero_is_told_and_settled():
    """The log's truth stays; the exception is raised once and resolved when stock is back."""
    inventory = Inventory()
    inventory.each(entry("ISSUE", 3), entry("ISSUE", 1), entry("RECEIPT", 10))
    raised, resolved = inventory.topic("exceptions"), inventory.topic("exceptions.resolutions")

    assert [record["category"] for record in raised] == ["NEGATIVE_STOCK"]
    assert [record["exception_id"] for record in resolved] == [raised[0]["exception_id"]]
    assert inventory.position()["atp"] == 6


def test_a_stock_snapshot_is_compared_as_of_its_time():
    """Movements after it are taken back; a difference is an exception and never changes stock."""
    inventory = Inventory()
    inventory.take(entry("RECEIPT", 10, at=NOON), entry("ISSUE", 4, at=NOON + 10))
    inventory.take(entry("SNAPSHOT", 10, at=NOON + 5))
    assert inventory.topic("exceptions") == []

    inventory.take(entry("SNAPSHOT", 7, at=NOON + 20, source="ERP"))
    assert [record["category"] for record in inventory.topic("exceptions")] == ["STOCK_DIVERGENCE"]
    assert inventory.position()["on_hand"] == 6


def test_a_policy_reaches_every_location_of_the_sku():
    """Safety stock by location, else for all; positions that come later have it too."""
    inventory = Inventory()
    inventory.take(entry("RECEIPT", 10), entry("RECEIPT", 10, key="S1|DC02"))
    inventory.take(policy("A", DC01=3, anywhere=1))
    inventory.take(entry("RECEIPT", 10, key="S1|DC03"))

    assert [inventory.position(f"S1|DC0{n}")["atp"] for n in (1, 2, 3)] == [7, 9, 9]
    assert inventory.delta()["reasons"] == ["POLICY"]
    assert inventory.offer()["quantity"] == 16


def test_a_policy_that_changes_nothing_says_nothing():
    """An item sent again wakes no channel."""
    inventory = Inventory()
    inventory.take(entry("RECEIPT", 10), policy("A", anywhere=1))

    assert inventory.take(policy("A", anywhere=1)) == []


def test_deltas_of_a_chunk_are_one():
    """A reader gets the first's `previous` and the last's figures, with all reasons."""
    inventory = Inventory()
    inventory.take(entry("RECEIPT", 10))
    outputs = inventory.take(entry("ISSUE", 1), entry("ADJUST", -2), entry("ISSUE", 3))
    deltas = [record for topic, _, record in outputs if topic == "availability.deltas"]

    assert len(deltas) == 1
    assert (deltas[0]["previous_revision"], deltas[0]["revision"]) == (1, 4)
    assert (deltas[0]["previous_atp"], deltas[0]["atp"]) == (10, 4)
    assert deltas[0]["reasons"] == ["ISSUE", "ADJUST"]
    assert contiguous(inventory.topic("availability.deltas"))


def test_causes_lead_back_to_what_came_in():
    """A delta names the records behind it since the one before, waiting ones included."""
    inventory = Inventory(rules(absolute_step=5))
    inventory.each(entry("RECEIPT", 10), *(entry("ISSUE", 2, at=NOON + n) for n in (1, 2, 3)))

    assert inventory.delta()["causes"] == [f"warehouse.scans[0]@{NOON + n}" for n in (1, 2, 3)]
    assert inventory.delta()["previous_revision"] == 1


def test_a_change_inside_the_interval_is_sent_by_the_clock():
    """The row asks to be woken when the interval is over; the sweep's entry sends the last figures."""
    inventory = Inventory(rules(min_interval=1000))
    inventory.each(entry("RECEIPT", 10), entry("ISSUE", 1, at=NOON + 10), entry("ISSUE", 1, at=NOON + 20))
    assert len(inventory.topic("availability.deltas")) == 1
    assert inventory.due() == inventory.due("S1|*") == NOON + 1000

    topic, key, woken = clock(KEY, NOON + 1003)
    assert (topic, key) == (LEDGER, KEY)
    inventory.take((KEY, woken), ("S1|*", clock("S1|*", NOON + 1003)[2]))

    assert inventory.delta()["atp"] == inventory.offer()["quantity"] == 8
    assert inventory.due() == inventory.due("S1|*") == 0
    assert contiguous(inventory.topic("availability.deltas"))


def test_selling_out_does_not_wait():
    """Zero crosses at once, inside the interval, for the position and for the channel."""
    inventory = Inventory(rules(min_interval=1000))
    inventory.each(entry("RECEIPT", 10), entry("ISSUE", 10, at=NOON + 10))

    assert (inventory.delta()["atp"], inventory.delta()["material_because"]) == (0, "ZERO_CROSSED")
    assert (inventory.offer()["quantity"], inventory.offer()["status"]) == (0, "OUT")


def test_long_silence_is_broken_by_the_clock():
    """A reader that hears nothing for the longest silence knows the path is broken, not the stock quiet."""
    inventory = Inventory(rules(max_silence=5000))
    inventory.take(entry("RECEIPT", 10))
    assert inventory.due() == NOON + 5000

    inventory.take((KEY, clock(KEY, NOON + 5000)[2]))
    assert inventory.delta()["material_because"] == "MAX_SILENCE"
    assert inventory.due() == NOON + 10_000


def test_a_clock_entry_for_nothing_makes_nothing():
    """Time alone creates no position."""
    inventory = Inventory()

    assert inventory.take((KEY, clock(KEY, NOON)[2])) == []
    assert inventory.rows == {}


def test_stamps_keep_the_newest_of_each_source():
    """A late scan does not make a feed look older, and one source does not hide another."""
    inventory = Inventory()
    inventory.take(
        entry("RECEIPT", 1, at=NOON + 9), entry("RECEIPT", 1, at=NOON), entry("RECEIPT", 1, at=NOON + 2, source="EDI")
    )

    stamps = {stamp["source"]: stamp["event_time"] for stamp in inventory.position()["stamps"]}
    assert stamps == {"WMS-DC01": NOON + 9, "EDI": NOON + 2}
    assert inventory.position()["as_of"] == NOON + 9


def test_an_input_already_in_the_row_halts():
    """Table and log disagree: no answer is better than a wrong one."""
    inventory = Inventory()
    inventory.take(entry("RECEIPT", 1))
    inventory.offset = 0

    with pytest.raises(OutOfOrder, match="S1"):
        inventory.take(entry("RECEIPT", 1))


def test_a_row_of_another_release_halts():
    """A row that cannot be read is not guessed at."""
    inventory = Inventory()
    inventory.take(entry("RECEIPT", 1))
    inventory.rows[KEY.encode()] = b"\x09" + inventory.rows[KEY.encode()][1:]

    with pytest.raises(CorruptRow):
        inventory.take(entry("RECEIPT", 1))

"""The shipments stage: notices, milestones and receipts become shipped supply, stock and exceptions."""

import pytest
from document_events import DAY, NOON, TODAY, Stage, milestone, notice, unloaded
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.shipments import clock, step

NOTICE = notice(("P", "1", "A", 10))


def after(*events):
    stage = Stage(step)
    stage.each(*events)
    return stage


def told(stage, po="P"):
    """The last version of the shipment the purchase order was told: state, date, lines."""
    last = [record["shipped"] for topic, key, record in stage.outputs if topic == "supply.events" and key == po][-1]
    lines = [(line["line"], line["sku"], line["quantity"], line["received"]) for line in last["lines"]]
    return last["state"], last["date"], lines


def stock(stage):
    """What the ledger received, by key, disposition, reference and line, where it does not add up to nothing."""
    sums = {}
    for topic, key, entry in stage.outputs:
        if topic == "inventory.ledger":
            place = (key, entry["disposition"], entry["reference"], entry["line"])
            sums[place] = sums.get(place, 0) + entry["quantity"]
            assert entry["kind"] == "RECEIPT"
            assert entry["quantity"] > 0 or entry["corrects"]
    return {place: quantity for place, quantity in sums.items() if quantity}


def test_a_notice_tells_each_purchase_order_its_own_lines():
    """Packs of one PO line and SKU are added up."""
    stage = after(notice(("P", "1", "A", 10), ("Q", "7", "B", 3), ("P", "1", "A", 2)))

    assert told(stage) == ("ANNOUNCED", TODAY + 2, [("1", "A", 12, 0)])
    assert told(stage, "Q") == ("ANNOUNCED", TODAY + 2, [("7", "B", 3, 0)])


def test_the_arrival_is_the_carriers_newest_then_the_suppliers_then_three_days_after_leaving():
    """By the milestone's own time, whichever comes first."""
    silent = notice(("P", "1", "A", 10), eta=None)

    assert told(after(silent))[1] == TODAY + 3
    assert told(after(NOTICE))[1] == TODAY + 2
    assert told(after(milestone("AG", NOON + 5, eta=TODAY + 4), milestone("X6", NOON, eta=TODAY + 9), NOTICE)) == (
        "IN_TRANSIT",
        TODAY + 4,
        [("1", "A", 10, 0)],
    )


@pytest.mark.parametrize("code", ["D1", "X1", "X5"])
def test_delivered_is_still_supply_until_it_is_received(code):
    """The carrier's word never creates stock."""
    stage = after(NOTICE, milestone(code))

    assert told(stage) == ("DELIVERED", TODAY + 2, [("1", "A", 10, 0)])
    assert stock(stage) == {}


@pytest.mark.parametrize(
    ("code", "category"), [("A3", "SHIPMENT_RETURNED"), ("A7", "SHIPMENT_REFUSED"), ("CA", "SHIPMENT_CANCELLED")]
)
def test_what_will_not_come_is_no_longer_expected_beyond_what_was_received(code, category):
    """And it comes back when the carrier moves it again."""
    stage = after(NOTICE, unloaded("A", 4), milestone(code, NOON + 1))
    assert told(stage)[2] == [("1", "A", 4, 4)]
    assert {category: "S1"} == stage.open()

    stage.take(milestone("X6", NOON + 2))

    assert told(stage)[2] == [("1", "A", 10, 4)]
    assert stage.open() == {}


def test_a_cancelled_notice_takes_its_supply_back():
    """Purpose CANCEL; a REPLACE brings it again."""
    stage = after(NOTICE, notice(purpose="CANCEL"))
    assert told(stage)[2] == []
    assert stage.open() == {"SHIPMENT_CANCELLED": "S1"}

    stage.take(notice(("P", "1", "A", 8), purpose="REPLACE"))

    assert told(stage)[2] == [("1", "A", 8, 0)]
    assert stage.open() == {}


def test_a_cancellation_that_overtakes_its_notice_still_holds():
    """An EDI mailbox keeps no order."""
    stage = after(notice(purpose="CANCEL"), NOTICE)

    assert "supply.events" not in {topic for topic, _, _ in stage.outputs}
    assert stage.open() == {"SHIPMENT_CANCELLED": "S1"}


def test_of_two_milestones_of_one_minute_the_one_sent_later_holds():
    """State and arrival, however their ids compare and whichever comes first here."""
    early = milestone("SD", NOON, eta=TODAY + 9, event_id="ffff")
    late = milestone("X6", NOON, eta=TODAY + 4, event_id="0000")

    for events in ((early, late), (late, early)):
        assert told(after(NOTICE, *events))[:2] == ("IN_TRANSIT", TODAY + 4)


def test_a_replacement_takes_lines_from_one_order_and_gives_them_to_another():
    """The order that lost them is told so."""
    stage = after(NOTICE, notice(("Q", "1", "A", 10), purpose="REPLACE"))

    assert told(stage)[2] == []
    assert told(stage, "Q")[2] == [("1", "A", 10, 0)]


def test_a_second_original_with_other_content_conflicts_and_the_first_holds():
    """The same content under another control number is a duplicate and silent."""
    stage = after(NOTICE)
    again = notice(("P", "1", "A", 10), document="856-2")
    again[1]["notice"]["document"] = "other"

    assert stage.take(again) == []
    stage.take(notice(("P", "1", "A", 11)))

    assert stage.open() == {"DOCUMENT_CONFLICT": "S1"}
    assert told(stage)[2] == [("1", "A", 10, 0)]


def test_an_original_after_its_replacement_changes_nothing():
    """It was superseded before it came."""
    stage = after(notice(("P", "1", "A", 8), purpose="REPLACE"), NOTICE)

    assert told(stage)[2] == [("1", "A", 8, 0)]
    assert stage.open() == {}


def test_a_receipt_is_stock_of_the_purchase_order_its_line_names():
    """With the receipt's own disposition and times."""
    stage = after(NOTICE, unloaded("A", 6), unloaded("A", 1, disposition="damaged"))

    assert stock(stage) == {
        ("A|W1", "available", "PURCHASE_ORDER:P", "1"): 6,
        ("A|W1", "damaged", "PURCHASE_ORDER:P", "1"): 1,
    }
    assert told(stage)[2] == [("1", "A", 10, 7)]


def test_a_receipt_fills_the_lines_of_its_sku_in_order_and_leaves_the_surplus_on_the_last():
    """One scan, several entries."""
    stage = after(notice(("P", "1", "A", 4), ("Q", "2", "A", 5)), unloaded("A", 12))

    assert stock(stage) == {
        ("A|W1", "available", "PURCHASE_ORDER:P", "1"): 4,
        ("A|W1", "available", "PURCHASE_ORDER:Q", "2"): 8,
    }
    assert told(stage, "Q")[2] == [("2", "A", 5, 8)]


def test_a_receipt_before_its_notice_is_stock_at_once_and_finds_its_order_later():
    """The stock never moves between the two references: the pair adds up to nothing."""
    stage = after(unloaded("A", 6))
    assert stock(stage) == {("A|W1", "available", "ASN:S1", None): 6}
    assert stage.open() == {"UNKNOWN_SHIPMENT": "S1"}

    moved = [(entry["quantity"], entry["reference"]) for topic, _, entry in stage.take(NOTICE) if "ledger" in topic]

    assert moved == [(6, "PURCHASE_ORDER:P"), (-6, "ASN:S1")]
    assert stock(stage) == {("A|W1", "available", "PURCHASE_ORDER:P", "1"): 6}
    assert stage.open() == {}


def test_what_is_unloaded_elsewhere_counts_for_the_line_but_not_against_the_order_there():
    """The purchase order expects nothing at that place."""
    stage = after(NOTICE, unloaded("A", 6, location="W2"))

    assert stock(stage) == {("A|W2", "available", "ASN:S1", None): 6}
    assert told(stage)[2] == [("1", "A", 10, 6)]


def test_a_correction_takes_back_what_it_corrects():
    """A signed difference."""
    stage = after(NOTICE, unloaded("A", 6), unloaded("A", -2, corrects="scan-1"))

    assert stock(stage) == {("A|W1", "available", "PURCHASE_ORDER:P", "1"): 4}
    assert told(stage)[2] == [("1", "A", 10, 4)]


def test_goods_the_notice_does_not_list_are_stock_and_a_finding():
    """Nothing that arrived is lost."""
    stage = after(NOTICE, unloaded("X", 2))

    assert stock(stage) == {("X|W1", "available", "ASN:S1", None): 2}
    assert stage.open() == {"OVER_RECEIPT": "S1/X"}


@pytest.mark.parametrize("late", [milestone("SD", NOON), milestone("AG", NOON, eta=TODAY + 3)])
def test_a_delay_is_raised_and_ends_with_delivery(late):
    """Told by the carrier, or seen from a later arrival."""
    stage = after(NOTICE, late)
    assert stage.open() == {"SHIPMENT_DELAYED": "S1"}

    stage.take(milestone("D1", NOON + 1))

    assert stage.open() == {}


def test_damage_is_a_finding_and_the_quantity_stays_expected():
    """What is broken shows at the dock."""
    stage = after(NOTICE, milestone("A9"))

    assert told(stage)[2] == [("1", "A", 10, 0)]
    assert stage.open() == {"SHIPMENT_DAMAGED": "S1"}


def test_a_step_tells_an_order_once_and_repeats_nothing():
    """Milestones that change nothing are silent."""
    stage = Stage(step)

    assert [topic for topic, _, _ in stage.take(NOTICE, milestone("AF"), milestone("X6", NOON + 1))] == [
        "supply.events"
    ]
    assert stage.take(milestone("P1", NOON + 2), clock("S1", NOON + DAY)) == []


# ---- interleaving -----------------------------------------------------------------------------------------------

lines = st.tuples(st.sampled_from("PQ"), st.sampled_from("12"), st.sampled_from("AB"), st.integers(0, 9))
notices = st.builds(
    lambda lines, purpose, eta, place: notice(*lines, purpose=purpose, eta=eta, ship_to=place),
    st.lists(lines, max_size=3),
    st.sampled_from(["ORIGINAL", "ORIGINAL", "REPLACE", "CANCEL"]),
    st.none() | st.integers(TODAY, TODAY + 5),
    st.sampled_from(["W1", "W2"]),
)
milestones = st.builds(
    milestone,
    st.sampled_from(["AF", "X6", "AG", "SD", "A3", "A7", "A9", "CA", "D1", "K1"]),
    st.integers(NOON, NOON + 3),
    st.none() | st.integers(TODAY, TODAY + 9),
)
receipts = st.builds(
    unloaded,
    st.sampled_from("ABX"),
    st.integers(-3, 9),
    st.sampled_from(["W1", "W2"]),
    st.sampled_from(["available", "damaged"]),
    st.just("c"),
)


@st.composite
def two_arrivals(draw):
    """Notices in their topic's order, everything else anywhere."""
    free = [*draw(st.lists(milestones, max_size=4)), *draw(st.lists(receipts, max_size=5))]
    documents = draw(st.lists(notices, max_size=3))

    def arrival():
        places, rest = draw(st.permutations([*free, *([None] * len(documents))])), iter(documents)
        return [next(rest) if event is None else event for event in places]

    return arrival(), arrival(), draw(st.integers(1, 5))


@given(two_arrivals())
@settings(max_examples=200, deadline=None)
def test_any_interleaving_ends_in_the_same_row_stock_and_supply(arrivals):
    """Convergence, however the facts meet and are cut into chunks; stock by document line included."""
    one, other, size = arrivals
    by_event, by_chunk = after(*one), Stage(step)

    for start in range(0, len(other), size):
        by_chunk.take(*other[start : start + size])

    assert by_event.rows.keys() == by_chunk.rows.keys()
    assert stock(by_event) == stock(by_chunk)
    assert by_event._open().keys() == by_chunk._open().keys()
    for key in by_event.rows:
        assert by_event.payload(key.decode()) == by_chunk.payload(key.decode())


@given(two_arrivals())
@settings(max_examples=200, deadline=None)
def test_stock_is_what_was_unloaded_and_what_the_orders_are_told_agrees_with_it(arrivals):
    """Every unit unloaded is booked once; none is told negative."""
    stage = after(*arrivals[0])
    unloaded_at, booked_at = {}, {}
    for _, event in arrivals[0]:
        if event["received"]:
            place = (event["received"]["sku"], event["received"]["location"], event["received"]["disposition"])
            unloaded_at[place] = unloaded_at.get(place, 0) + event["received"]["quantity"]
    for (key, disposition, _, _), quantity in stock(stage).items():
        place = (*key.split("|"), disposition)
        booked_at[place] = booked_at.get(place, 0) + quantity

    assert {place: q for place, q in unloaded_at.items() if q} == {place: q for place, q in booked_at.items() if q}
    for version in stage.row("S1")["told"].values() if stage.rows else ():
        assert all(shipped >= 0 and received >= 0 for _, _, shipped, received, _ in version[3])

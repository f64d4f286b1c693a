"""Ship notices and receipts that name no line of the order, or one it does not have: they count for the lines of
their SKU, so that nothing is promised twice.
"""

from document_events import (
    TODAY,
    Stage,
    ack_line,
    acknowledged,
    inspected,
    notice,
    ordered,
    po_line,
    received,
    shipped,
    unloaded,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from streams import shipments
from streams.supply import step

REQUESTED = TODAY + 5
ETA = TODAY + 2
PO = ordered(po_line("1", "A", 10))
TWO_LINES = ordered(po_line("1", "A", 4), po_line("2", "B", 5), po_line("3", "A", 6))
HERE = ("1", "A", "W1", "available")


def after(*events):
    stage = Stage(step)
    stage.each(*events)
    return stage


def posted(stage):
    return stage.posted("GOODS_RECEIPT")


# ---- ship notices -----------------------------------------------------------------------------------------------


def test_a_notice_without_a_line_ships_the_line_of_its_sku():
    """What is on its way is no longer expected from the supplier as well."""
    for events in ((PO, shipped(("", "A", 10, 0))), (shipped(("", "A", 10, 0)), PO)):
        stage = after(*events)

        assert stage.expected("A|W1") == [("IN_TRANSIT", "1", "S1", 10, ETA)]
        assert stage.open() == {}


def test_a_notice_with_a_line_the_order_does_not_have_ships_the_line_of_its_sku_and_is_raised():
    """Somebody has to look at the number; the promise does not wait for that."""
    stage = after(PO, shipped(("01", "A", 10, 0)))

    assert stage.expected("A|W1") == [("IN_TRANSIT", "1", "S1", 10, ETA)]
    assert stage.open() == {"UNKNOWN_PO_LINE": "P/01"}


def test_goods_received_by_a_notice_without_a_line_are_posted_and_done():
    """From the dock to the ERP: nothing stays expected."""
    docks, orders = Stage(shipments.step), Stage(step)
    docks.each(notice(("P", "", "A", 10)), unloaded("A", 10))

    orders.each(PO, *[(po, event) for topic, po, event in docks.outputs if topic == "supply.events"])

    assert orders.expected("A|W1") == []
    assert orders.claims()["A|W1 PURCHASE_ORDER:P"]["settled"] == 10
    assert posted(orders) == {HERE: 10}
    assert orders.open() == {}


def test_a_notice_without_a_line_fills_the_lines_of_its_sku_in_order():
    """Up to what each ordered and has not shipped, the surplus on the last; earlier arrivals first."""
    named = shipped(("1", "A", 1, 0), shipment="S0", date=TODAY + 9)

    stage = after(TWO_LINES, named, shipped(("", "A", 5, 4)), shipped(("", "A", 6, 0), shipment="S2", date=TODAY + 3))

    assert stage.expected("A|W1") == [
        ("IN_TRANSIT", "1", "S0", 1, TODAY + 9),
        ("IN_TRANSIT", "3", "S1", 1, ETA),
        ("IN_TRANSIT", "3", "S2", 6, TODAY + 3),
    ]
    assert stage.expected("B|W1") == [("ORDERED", "2", None, 5, REQUESTED)]
    assert posted(stage) == {HERE: 3, ("3", "A", "W1", "available"): 1}
    assert stage.open() == {"OVER_SHIPMENT": "P/3"}


def test_a_notice_of_a_sku_the_order_does_not_have_is_expected_beside_it():
    """Goods that come are supply, whoever has to explain them; the exception names the SKU where no line is named."""
    stage = after(PO, shipped(("", "Q", 3, 0)), shipped(("7", "R", 2, 0), shipment="S2"))

    assert stage.expected("Q|W1") == [("IN_TRANSIT", "", "S1", 3, ETA)]
    assert stage.expected("R|W1") == [("IN_TRANSIT", "7", "S2", 2, ETA)]
    assert stage.expected("A|W1") == [("ORDERED", "1", None, 10, REQUESTED)]
    raised = {r["subject"]["id"] for topic, _, r in stage.outputs if topic == "exceptions"}
    assert raised == {"P/Q", "P/7"}


def test_a_notice_of_the_substitute_ships_the_line_that_it_stands_for():
    """The supplier said Z for A; the notice says Z and no line."""
    stage = after(PO, acknowledged(ack_line("1", "IS", 10, None, "Z")), shipped(("", "Z", 10, 4)))

    assert stage.expected("Z|W1") == [("IN_TRANSIT", "1", "S1", 6, ETA)]
    assert stage.expected("A|W1") == []
    assert posted(stage) == {("1", "Z", "W1", "available"): 4}


# ---- receipts ---------------------------------------------------------------------------------------------------


def test_a_receipt_with_a_line_the_order_does_not_have_counts_for_the_line_of_its_sku_and_is_raised():
    """The scanner said 01, the order says 1."""
    stage = after(PO, shipped(("1", "A", 10, 0)), received("A", 10, "01"))

    assert stage.expected("A|W1") == []
    assert posted(stage) == {HERE: 10}
    assert stage.open() == {"UNKNOWN_PO_LINE": "P/01"}


def test_receipts_without_a_line_that_add_up_to_nothing_stand_on_the_line_all_the_same():
    """4 came to W2 by line, were taken back without it, and came to W1 without it."""
    scans = [received("A", 4, "1", "W2"), received("A", -4, None, "W2"), received("A", 4, None, "W1")]

    assert posted(after(PO, shipped(("1", "A", 10, 0)), *scans)) == {HERE: 4}


def test_a_receipt_takes_from_a_shipment_of_its_sku_however_either_names_the_line():
    """Also while the order is unknown, and for a SKU that it does not have."""
    for line, name in (("", "1"), ("2", "1"), ("2", None), ("", None)):
        unknown = after(shipped((line, "A", 10, 0)), received("A", 4, name))
        unlisted = after(ordered(po_line("9", "B", 1)), shipped((line, "A", 10, 0)), received("A", 4, name))

        assert unknown.expected("A|W1") == [("IN_TRANSIT", line, "S1", 6, ETA)]
        assert unlisted.expected("A|W1") == [("IN_TRANSIT", line, "S1", 6, ETA)]


def test_skus_without_a_line_do_not_take_from_each_other():
    """Two unnamed lines of one notice are two lines."""
    stage = after(shipped(("", "A", 10, 0), ("", "B", 10, 0)), received("B", 10))

    assert stage.expected("A|W1") == [("IN_TRANSIT", "", "S1", 10, ETA)]
    assert stage.expected("B|W1") == []


def test_inspected_goods_without_a_line_are_posted_on_the_line_of_their_sku():
    """The release names no line either."""
    arrived = shipped(("", "A", 10, 10, {"quality_hold": 10}))
    stage = after(PO, arrived)
    assert posted(stage) == {}

    stage.take(received("A", 2, "01", disposition="quality_hold"))
    stage.take(inspected("A", 2))

    assert posted(stage) == {HERE: 2}


def test_a_notice_without_a_line_announces_what_came_in_on_its_line():
    """Two lines of one SKU: the dock knows which, the supplier does not say."""
    stage = after(TWO_LINES, received("A", 6, "3"), shipped(("", "A", 6, 0)))

    assert stage.expected("A|W1") == [("ORDERED", "1", None, 4, REQUESTED)]
    assert posted(stage) == {("3", "A", "W1", "available"): 6}
    assert stage.open() == {}


def test_what_came_by_a_notice_without_a_line_fills_the_line_that_still_lacks_it():
    """Line 1 came in on its own; what the shipment brought is the other line's."""
    stage = after(TWO_LINES, received("A", 4, "1"), shipped(("", "A", 6, 6)))

    assert stage.expected("A|W1") == []
    assert posted(stage) == {("3", "A", "W1", "available"): 6}
    assert stage.open() == {"RECEIPT_WITHOUT_NOTICE": "P/1"}


# ---- whatever comes, in any order -------------------------------------------------------------------------------

names = st.sampled_from(["", "1", "01", "3"])
some = st.integers(0, 12)
codes = st.sampled_from(["IA", "IH"])
acks = st.builds(lambda code, quantity: acknowledged(ack_line("1", code, quantity)), codes, some)
within = st.builds(lambda code, quantity: acknowledged(ack_line("1", code, quantity)), codes, st.integers(0, 4))
notices = st.builds(
    lambda name, quantity, got, number: shipped((name, "A", quantity, got), shipment=f"S{number}"),
    names, some, some, st.integers(1, 3),
)  # fmt: skip
receipts = st.builds(lambda quantity, name: received("A", quantity, name or None), st.integers(1, 9), names)


def figures(stage):
    """Expected and received of SKU A, and what bounds their sum: ordered or promised, announced."""
    row = stage.row("P")
    expected = sum(part[3] for part in stage.expected("A|W1"))
    voyages = [line for version in row["shipped"].values() for line in version[3]]
    came = sum(line[3] for line in voyages) + sum(row["received"].values())
    ordered_by_line = {line[0]: line[2] for line in row["order"]["lines"] if line[1] == "A"} if row["order"] else {}
    promised = {name: sum(schedule[1] for schedule in ack[3]) for name, ack in row["acks"].items()}
    wanted = {name: max(quantity, promised.get(name, 0)) for name, quantity in ordered_by_line.items()}
    return expected, came, wanted, sum(max(line[2], line[3]) for line in voyages)


@given(st.lists(st.one_of(st.just(PO), acks, notices, receipts), min_size=1, max_size=7))
@settings(max_examples=300, deadline=None)
def test_one_line_is_never_expected_twice_whatever_names_it(events):
    """Expected and received never exceed what was ordered, promised, announced or received, whichever is most."""
    stage = after(*events)

    expected, came, wanted, announced = figures(stage)

    assert expected + came <= max(sum(wanted.values()), announced, came)


@given(st.lists(st.one_of(st.just(TWO_LINES), within, notices, receipts), min_size=1, max_size=7))
@settings(max_examples=300, deadline=None)
def test_two_lines_of_a_sku_are_never_expected_twice_whatever_names_them(events):
    """The same for both together, save what is over on one of them by its own papers while the other is open."""
    stage = after(*events)

    expected, came, wanted, announced = figures(stage)
    row = stage.row("P")
    over = 0
    for name, quantity in wanted.items():
        direct = sum(taken for place, taken in row["received"].items() if place.endswith(f"|{name}"))
        named = [line for version in row["shipped"].values() for line in version[3] if line[0] == name]
        sent = sum(max(line[2], line[3]) for line in named)
        over += max(0, direct + sum(line[3] for line in named) - sent) + max(0, sent - quantity)

    assert expected + came <= max(sum(wanted.values()), announced, came) + over


unnamed = st.sampled_from(["", "01"])
lineless = st.one_of(
    st.just(TWO_LINES),
    st.builds(
        lambda name, quantity, got, number: shipped((name, "A", quantity, got), shipment=f"S{number}"),
        unnamed, some, some, st.integers(1, 3),
    ),
    st.builds(lambda quantity, name: received("A", quantity, name or None), st.integers(1, 9), unnamed),
)  # fmt: skip


@given(st.lists(lineless, min_size=1, max_size=7))
@settings(max_examples=300, deadline=None)
def test_two_lines_of_a_sku_share_what_names_neither(events):
    """Together they expect and hold no more than was ordered or announced, and what is here is posted."""
    stage = after(*events)

    expected, came, wanted, announced = figures(stage)

    assert expected + came <= max(sum(wanted.values()), announced, came)
    if wanted:
        assert sum(posted(stage).values()) <= min(came, sum(wanted.values()))
        if came <= announced <= 10:
            assert sum(posted(stage).values()) == came

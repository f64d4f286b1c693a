"""The orders stage: what an order holds, and what was picked or shipped beyond it."""

import pytest
from document_events import NOON, TODAY, Stage, reserved, scan, so_line, sold
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.orders import clock, step

ORDER = sold(so_line("1", "A", 10, date=TODAY + 3))
CLAIM = "A|W1 SALES_ORDER:O"


def after(*events):
    stage = Stage(step)
    stage.each(*events)
    return stage


def held(stage, key="A|W1"):
    return [(line, quantity) for _, line, _, quantity, _ in stage.expected(key)]


def test_an_open_line_holds_what_is_allocated_until_its_ship_date():
    """The claim is of demand: no shipment, no fence."""
    stage = after(ORDER)

    assert stage.expected("A|W1") == [("ALLOCATED", "1", None, 10, TODAY + 3)]
    assert stage.claims()[CLAIM]["settled"] == 0


def test_picking_and_packing_hold_on_and_shipping_lets_go():
    """Stock leaves with the ship scan, and the claim with it."""
    stage = after(ORDER)

    assert stage.each(scan("PICKED", "A", 10, "1"), scan("PACKED", "A", 10, "1")) == []
    stage.take(scan("SHIPPED", "A", 4, "1"))
    assert stage.posted("SHIPMENT_CONFIRM") == {("1", "A", "W1", "available"): 4}

    assert held(stage) == [("1", 6)]
    assert stage.claims()[CLAIM]["settled"] == 4
    assert stage.open() == {}


@pytest.mark.parametrize(
    "change",
    [
        sold(so_line("1", "A", 10, status="CANCELLED"), revision=2),
        sold(so_line("1", "A", 10, status="CLOSED"), revision=2),
        sold(so_line("1", "A", 10), revision=2, status="CANCELLED"),
        sold(so_line("1", "A", 10), revision=2, status="CLOSED"),
        sold(so_line("1", "A", 0), revision=2),
        sold(revision=2),
    ],
)
def test_a_cancel_or_change_releases_what_was_held(change):
    """The newest revision is the whole order."""
    stage = after(ORDER, change)

    assert stage.claims() == {}
    assert stage.take(ORDER) == []


def test_a_change_of_location_moves_what_is_held():
    """One claim ends, another begins."""
    stage = after(ORDER, sold(so_line("1", "A", 10, location="W2"), revision=2))

    assert held(stage) == []
    assert held(stage, "A|W2") == [("1", 10)]


def test_a_scan_without_a_line_fills_the_lines_of_its_sku_and_place_in_order():
    """A line without a location takes from any; the surplus goes to the last."""
    lines = [so_line("1", "A", 4), so_line("2", "A", 5, location="W2"), so_line("3", "A", 6)]

    stage = after(sold(*lines), scan("SHIPPED", "A", 5), scan("SHIPPED", "A", 1, location="W2"))

    assert held(stage) == [("3", 5)]
    assert held(stage, "A|W2") == [("2", 4)]


def test_a_correction_brings_the_claim_back():
    """Shipped five, meant three."""
    stage = after(ORDER, scan("SHIPPED", "A", 5, "1"), scan("SHIPPED", "A", -2, "1"))

    assert held(stage) == [("1", 7)]
    assert stage.claims()[CLAIM]["settled"] == 3


@pytest.mark.parametrize(
    ("events", "category", "subject"),
    [
        ([ORDER, scan("SHIPPED", "A", 11, "1")], "SHIP_WITHOUT_ALLOCATION", "O/1"),
        ([ORDER, scan("SHIPPED", "A", 1, "9")], "SHIP_WITHOUT_ALLOCATION", "O/9"),
        ([ORDER, scan("SHIPPED", "B", 1)], "SHIP_WITHOUT_ALLOCATION", "O/B"),
        ([sold(so_line("1", "A", 0)), scan("SHIPPED", "A", 1, "1")], "SHIP_WITHOUT_ALLOCATION", "O/1"),
        ([ORDER, scan("PICKED", "A", 11)], "PICK_BEYOND_ALLOCATION", "O/1"),
        ([ORDER, scan("PICKED", "B", 1)], "PICK_BEYOND_ALLOCATION", "O/B"),
        ([sold(so_line("1", "A", 5, location=None))], "ALLOCATION_WITHOUT_LOCATION", "O/1"),
        ([scan("PICKED", "A", 1)], "UNKNOWN_SALES_ORDER", "O"),
        ([scan("SHIPPED", "A", 1)], "UNKNOWN_SALES_ORDER", "O"),
        ([ORDER, sold(so_line("1", "A", 11))], "DOCUMENT_CONFLICT", "O"),
    ],
)
def test_each_departure_from_the_order_is_raised(events, category, subject):
    """One owned exception a finding."""
    assert after(*events).open() == {category: subject}


def test_goods_picked_for_a_line_that_is_then_cancelled_must_go_back():
    """Until somebody says they did."""
    stage = after(ORDER, scan("PICKED", "A", 3, "1"), sold(so_line("1", "A", 10, status="CANCELLED"), revision=2))
    assert stage.open() == {"PICK_BEYOND_ALLOCATION": "O/1"}

    stage.take(scan("PICKED", "A", -3, "1"))

    assert stage.open() == {}


def test_an_order_that_comes_after_its_scans_settles_the_finding_and_holds_the_rest():
    """The warehouse is sometimes faster than the ERP."""
    stage = after(scan("PICKED", "A", 4), scan("SHIPPED", "A", 4))
    assert stage.claims()[CLAIM] == {"parts": [], "settled": 4, "fence_days": 0, "offset_days": 0}

    stage.take(ORDER)

    assert held(stage) == [("1", 6)]
    assert stage.open() == {}


def test_the_clock_changes_nothing_about_an_order():
    """No order asks for it."""
    stage = after(ORDER)

    assert stage.take(clock("O", NOON)) == []
    assert stage.due("O") == 0


# ---- interleaving -----------------------------------------------------------------------------------------------

so_lines = st.builds(
    so_line,
    st.sampled_from("123"),
    st.sampled_from("AB"),
    st.integers(0, 9),
    st.sampled_from(["W1", "W2", None]),
    st.none() | st.integers(TODAY, TODAY + 3),
    st.sampled_from(["OPEN", "OPEN", "OPEN", "CLOSED", "CANCELLED"]),
    st.none() | st.integers(0, 12),
)
documents = st.builds(
    lambda lines, revision, status: sold(*lines, revision=revision, status=status),
    st.lists(so_lines, max_size=4),
    st.integers(1, 4),
    st.sampled_from(["OPEN", "OPEN", "OPEN", "CLOSED", "CANCELLED"]),
)
dispositions = st.sampled_from(["returned", "available", "damaged", "quality_hold"])
scans = st.builds(
    lambda kind, sku, quantity, line, place, moved: scan(kind, sku, quantity, line, place, moved=moved),
    st.sampled_from(["PICKED", "PACKED", "SHIPPED", "SHIPPED", "RETURNED", "INSPECTED"]),
    st.sampled_from("ABX"),
    st.integers(-4, 9),
    st.none() | st.sampled_from("129"),
    st.sampled_from(["W1", "W2"]),
    st.tuples(dispositions, dispositions),
)
holds = st.builds(
    reserved, st.sampled_from("AB"), st.integers(1, 5), st.sampled_from(["W1", "W2"]), st.none() | st.just("1"),
    reservation=st.sampled_from(["A.1", "B.2"]),
)  # fmt: skip


@st.composite
def two_arrivals(draw):
    """Any facts, one document a revision, in two orders."""
    revisions = {event[1]["order"]["revision"]: event for event in draw(st.lists(documents, max_size=4))}
    parts = draw(st.lists(holds, max_size=2, unique_by=lambda hold: hold[1]["reserved"]["reservation_id"]))
    facts = [*revisions.values(), *draw(st.lists(scans, max_size=6)), *parts]
    return draw(st.permutations(facts)), draw(st.permutations(facts)), draw(st.integers(1, 5))


@given(two_arrivals())
@settings(max_examples=200, deadline=None)
def test_any_interleaving_ends_in_the_same_row_claims_and_exceptions(arrivals):
    """Convergence, however the facts meet and are cut into chunks."""
    one, other, size = arrivals
    by_event, by_chunk = after(*one), Stage(step)

    for start in range(0, len(other), size):
        by_chunk.take(*other[start : start + size])

    assert by_event.rows.keys() == by_chunk.rows.keys()
    assert by_event.claims() == by_chunk.claims()
    assert by_event._open().keys() == by_chunk._open().keys()
    for key in by_event.rows:
        assert by_event.facts(key.decode()) == by_chunk.facts(key.decode())
    for step_ in ("SHIPMENT_CONFIRM", "INVOICE_RELEASE", "CREDIT"):
        assert by_event.posted(step_) == by_chunk.posted(step_)


@given(two_arrivals())
@settings(max_examples=200, deadline=None)
def test_no_line_holds_more_than_its_allocation_nor_less_than_nothing(arrivals):
    """Held parts are of open lines, positive, and at the line's own place."""
    stage = after(*arrivals[0])
    if not stage.rows or stage.row("O")["order"] is None:
        return
    lines = {line[0]: line for line in stage.row("O")["order"]["lines"]}

    for name, claim in stage.claims().items():
        assert claim["settled"] >= 0
        for part in claim["parts"]:
            _, sku, location, allocated, _, status, ordered = lines[part["line"]]
            assert name == f"{sku}|{location} SALES_ORDER:O"
            assert 0 < part["quantity"] <= (allocated if part["state"] == "ALLOCATED" else ordered)
            assert status == stage.row("O")["order"]["status"] == "OPEN"

"""Shipments and supply together: what the ledger books against an order is what its claims call settled."""

from functools import partial

from document_events import TODAY, Stage, milestone, notice, ordered, po_line, received, unloaded
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.records import ExceptionRaised, LedgerEntry, SupplyEvent
from streams import inventory, shipments, supply
from tables.channels import Channels

SKUS, PLACES = ("A", "B"), ("W1", "W2")

notices = st.builds(
    lambda lines, purpose, place: notice(*lines, purpose=purpose, ship_to=place),
    st.lists(
        st.tuples(st.sampled_from("PQ"), st.sampled_from(["1", "2", ""]), st.sampled_from(SKUS), st.integers(0, 9)),
        max_size=3,
    ),
    st.sampled_from(["ORIGINAL", "REPLACE", "CANCEL"]),
    st.sampled_from(PLACES),
)
at_the_dock = st.one_of(
    notices,
    st.builds(unloaded, st.sampled_from(SKUS), st.integers(1, 9), st.sampled_from(PLACES)),
    st.builds(milestone, st.sampled_from(["X6", "A3", "D1"])),
)
direct = st.builds(
    received, st.sampled_from(SKUS), st.integers(1, 9), st.none() | st.sampled_from("12"), st.sampled_from(PLACES),
    st.sampled_from("PQ"),
)  # fmt: skip
orders = st.sampled_from([ordered(po_line("1", "A", 10), po_line("2", "B", 10), po=po) for po in "PQ"])


@given(st.lists(st.one_of(at_the_dock, at_the_dock, direct, orders), max_size=8))
@settings(max_examples=200, deadline=None)
def test_claims_settle_exactly_the_receipts_that_name_their_order(events):
    """A position takes unsettled receipts out of the claim: at rest there must be none, or supply would go missing;
    and none may be settled that never came in there, or the next would be on hand and expected for a moment.
    """
    docks, orders = Stage(shipments.step), Stage(supply.step)
    moved = {}
    for key, event in events:
        if "shipment_id" in event:
            told = docks.take((key, event))
            orders.take(*[(po, record) for topic, po, record in told if topic == "supply.events"])
        else:
            orders.take((key, event))
            if event["received"]:
                place = f"{event['received']['sku']}|{event['received']['location']} PURCHASE_ORDER:{key}"
                moved[place] = moved.get(place, 0) + event["received"]["quantity"]
    for topic, key, entry in docks.outputs:
        if topic == "inventory.ledger" and entry["reference"].startswith("PURCHASE_ORDER:"):
            place = f"{key} {entry['reference']}"
            moved[place] = moved.get(place, 0) + entry["quantity"]
            if not moved[place]:
                del moved[place]

    claims = orders.claims()

    assert {place: claim["settled"] for place, claim in claims.items() if claim["settled"]} == moved


def test_what_was_unloaded_elsewhere_settles_nothing_where_the_shipment_was_sent():
    """10 to W1, 5 of them unloaded at W2; then 5 at W1 are on hand and no longer expected, in the same moment."""
    docks, orders, stock = Stage(shipments.step), Stage(supply.step), Stage(partial(inventory.step, config=Channels()))

    def arrive(*events):
        told = docks.take(*events)
        stock.take(*[(key, entry) for topic, key, entry in told if topic == "inventory.ledger"])
        seen = [(r["on_hand"], sum(part["quantity"] for part in r["expected"])) for r in snapshots()]
        said = orders.take(*[(po, event) for topic, po, event in told if topic == "supply.events"])
        stock.take(*[(key, entry) for topic, key, entry in said if topic == "inventory.ledger"])
        return seen + [(r["on_hand"], sum(part["quantity"] for part in r["expected"])) for r in snapshots()]

    def snapshots():
        found = [r for topic, key, r in stock.outputs if topic == "availability.snapshots" and key == "A|W1"]
        stock.outputs.clear()
        return found[-1:]

    assert arrive(notice(("P", "1", "A", 10))) == [(0, 10)]
    assert arrive(unloaded("A", 5, "W2")) == [(0, 5)]
    assert arrive(unloaded("A", 5, "W1")) == [(5, 0), (5, 0)]


def test_an_order_received_by_its_notice_is_done():
    """Ordered, announced, unloaded: nothing is expected any more and all is stock of the order."""
    docks, orders = Stage(shipments.step), Stage(supply.step)
    docks.each(notice(("P", "1", "A", 10)), unloaded("A", 10))

    orders.each(ordered(po_line("1", "A", 10, TODAY)), *[(po, e) for t, po, e in docks.outputs if t == "supply.events"])

    assert orders.expected("A|W1") == []
    assert orders.claims()["A|W1 PURCHASE_ORDER:P"]["settled"] == 10
    assert orders.open() == {}


def test_every_record_written_has_exactly_the_fields_of_its_schema():
    """The codec takes no more and no less."""
    docks, orders = Stage(shipments.step), Stage(supply.step)
    docks.each(unloaded("A", 12), notice(("P", "1", "A", 10)))
    orders.each(*[(po, e) for t, po, e in docks.outputs if t == "supply.events"])
    fields = {"inventory.ledger": LedgerEntry, "supply.events": SupplyEvent, "exceptions": ExceptionRaised}

    for topic, _, record in docks.outputs + orders.outputs:
        if topic in fields:
            assert record.keys() == fields[topic].__required_keys__
    assert {topic for topic, _, _ in docks.outputs + orders.outputs} == {*fields, "exceptions.resolutions"}

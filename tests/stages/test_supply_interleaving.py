"""Whatever the order in which the topics' facts meet, the supply row and what it expects are the same."""

from document_events import NOON, TODAY, Stage, ack_line, acknowledged, inspected, ordered, po_line, received, shipped
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.supply import clock, step
from tables.ladder import derive

LINES, SKUS, PLACES = ("1", "2", "3"), ("A", "B"), ("W1", "W2")
quantities = st.integers(0, 12)
dates = st.integers(TODAY - 12, TODAY + 12)
codes = st.sampled_from(["IA", "IQ", "DR", "IS", "BP", "IB", "IH", "SP", "IR", "R3"])

po_lines = st.builds(
    po_line, st.sampled_from(LINES), st.sampled_from(SKUS), quantities, dates, st.just(10), st.just(10)
)
orders = st.builds(
    lambda lines, revision, status: ordered(*lines, revision=revision, status=status),
    st.lists(po_lines, min_size=1, max_size=3, unique_by=lambda line: line["line"]),
    st.integers(1, 3),
    st.sampled_from(["OPEN", "OPEN", "OPEN", "CLOSED", "CANCELLED"]),
)
ack_lines = st.builds(
    ack_line, st.sampled_from(LINES), codes, st.none() | quantities, st.none() | dates, st.none() | st.just("Z")
)
acks = st.builds(
    lambda lines, at, kind, flag: acknowledged(*lines, at=NOON + at, kind=kind, flag=flag),
    st.lists(ack_lines, max_size=3),
    st.integers(0, 3),
    st.sampled_from(["AT", "RJ", "AC", "NA"]),
    st.booleans(),
)
shipped_lines = st.tuples(st.sampled_from(LINES), st.sampled_from((*SKUS, "Z")), quantities, quantities)
shipments = st.builds(
    lambda lines, shipment, state, place, date: shipped(
        *lines, shipment=shipment, state=state, location=place, date=date
    ),
    st.lists(shipped_lines, max_size=2),
    st.sampled_from(["S1", "S2"]),
    st.sampled_from(["IN_TRANSIT", "DELIVERED"]),
    st.sampled_from(PLACES),
    dates,
)
dispositions = st.sampled_from(["available", "quality_hold", "damaged"])
receipts = st.builds(
    lambda sku, quantity, line, place, disposition: received(sku, quantity, line, place, disposition=disposition),
    st.sampled_from((*SKUS, "Z")),
    st.integers(-4, 12),
    st.none() | st.sampled_from(LINES),
    st.sampled_from(PLACES),
    st.none() | dispositions,
)
inspections = st.builds(
    lambda sku, quantity, line, place, moved: inspected(sku, quantity, line, place, moved=moved),
    st.sampled_from(SKUS),
    st.integers(-4, 8),
    st.none() | st.sampled_from(LINES),
    st.sampled_from(PLACES),
    st.tuples(dispositions, dispositions).filter(lambda moved: moved[0] != moved[1]),
)


@st.composite
def facts(draw):
    """Facts by source: orders one a revision, acknowledgements and receipts in any order, shipments in their own."""
    revisions = {event[1]["order"]["revision"]: event for event in draw(st.lists(orders, max_size=3))}
    free = [*revisions.values(), *draw(st.lists(acks, max_size=4)), *draw(st.lists(receipts | inspections, max_size=6))]
    versions = draw(st.lists(shipments, max_size=4))
    times = [clock("P", NOON + days * 86_400_000) for days in draw(st.lists(st.integers(0, 15), max_size=1))]
    return free + times, versions


def interleaved(draw, free, versions):
    """One order of arrival: everything anywhere, the versions of one shipment in their own order."""
    places = draw(st.permutations([*free, *([None] * len(versions))]))
    rest = iter(versions)
    return [next(rest) if event is None else event for event in places]


@st.composite
def two_arrivals(draw):
    free, versions = draw(facts())
    return interleaved(draw, free, versions), interleaved(draw, free, versions), draw(st.integers(1, 5))


@given(two_arrivals())
@settings(max_examples=200, deadline=None)
def test_any_interleaving_ends_in_the_same_row_claims_and_exceptions(arrivals):
    """Convergence: a function of the set of facts, however they are cut into chunks."""
    one, other, size = arrivals
    by_event, by_chunk = Stage(step), Stage(step)

    by_event.each(*one)
    for start in range(0, len(other), size):
        by_chunk.take(*other[start : start + size])

    if one:
        assert by_event.facts("P") == by_chunk.facts("P")
        assert by_event.posted("GOODS_RECEIPT") == by_chunk.posted("GOODS_RECEIPT")
    assert by_event.claims() == by_chunk.claims()
    assert by_event._open().keys() == by_chunk._open().keys()
    assert by_event.rows.keys() == by_chunk.rows.keys()


@given(two_arrivals())
@settings(max_examples=200, deadline=None)
def test_a_quantity_counts_once_and_none_is_negative(arrivals):
    """What is still to come and what came never exceed the furthest figure anybody gave for the line."""
    stage = Stage(step)
    stage.each(*arrivals[0])
    if not arrivals[0]:
        return

    ladder = derive(stage.row("P"))

    for line in ladder.lines.values():
        reply = line.reply
        promised = sum(quantity for quantity, _ in reply.firm + reply.tentative)
        to_come = sum(part[2] for part in line.parts)
        assert to_come + line.received <= max(line.ordered, promised, line.shipped, line.received)
        assert all(part[2] > 0 for part in line.parts)
    assert all(claim[0] >= 0 for claim in ladder.claims.values())
    assert stage.row("P")["told"] == ladder.claims

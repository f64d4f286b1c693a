"""Goods receipts for the ERP: announced, within tolerance, through inspection; then posted, once, as what they are."""

from collections import defaultdict

from document_events import (
    DAY,
    NOON,
    Stage,
    answer,
    inspected,
    judged,
    notice,
    ordered,
    po_line,
    received,
    shipped,
    unloaded,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from pretend_erp import PretendErp, at_random

from streams import shipments
from streams.supply import clock, step

PO = ordered(po_line("1", "A", 10, over=10))
ANNOUNCED = shipped(("1", "A", 10, 0))
HERE = ("1", "A", "W1", "available")


def after(*events):
    stage = Stage(step)
    stage.each(*events)
    return stage


def posted(stage):
    return stage.posted("GOODS_RECEIPT")


# ---- what is posted ---------------------------------------------------------------------------------------------


def test_announced_goods_are_posted_as_they_come():
    """By line, location and disposition, with the scan that brought them as the cause."""
    receipt = received("A", 4, "1")
    stage = after(PO, ANNOUNCED, receipt)

    [record] = stage.postings()

    assert posted(stage) == {HERE: 4}
    assert (record["document"], record["partner"], record["priority"]) == ("PURCHASE_ORDER:P", "ACME", 30)
    assert record["causes"] == [receipt[1]["coordinate"]]
    assert stage.take(shipped(("1", "A", 10, 6)))
    assert posted(stage) == {HERE: 10}


def test_damaged_goods_are_posted_as_damaged():
    """A receipt is a receipt; the ERP's stock has dispositions too."""
    stage = after(PO, shipped(("1", "A", 10, 10, {"damaged": 3})))

    assert posted(stage) == {HERE: 7, ("1", "A", "W1", "damaged"): 3}


def test_goods_unloaded_elsewhere_are_posted_there():
    """The shipment was for W1, the truck went to W2."""
    stage = after(PO, shipped(("1", "A", 10, 10, {"W2|available": 4, "W2|damaged": 1})))

    assert posted(stage) == {HERE: 5, ("1", "A", "W2", "available"): 4, ("1", "A", "W2", "damaged"): 1}


def test_a_receipt_without_a_line_is_posted_on_the_lines_it_fills():
    """In order, up to what each ordered."""
    order = ordered(po_line("1", "A", 4), po_line("2", "A", 6))

    stage = after(
        order, shipped(("1", "A", 4, 0), ("2", "A", 6, 0)), received("A", 5), received("A", 2, disposition="damaged")
    )

    assert posted(stage) == {HERE: 4, ("2", "A", "W1", "available"): 1, ("2", "A", "W1", "damaged"): 2}


def test_a_correction_takes_back_what_was_posted():
    """By a reversing posting that names the one before, never by deletion."""
    stage = after(PO, ANNOUNCED, received("A", 4, "1"), received("A", -1, "1"))

    last = stage.postings()[-1]

    assert posted(stage) == {HERE: 3}
    assert (last["step"], last["lines"][0]["quantity"]) == ("GOODS_RECEIPT_REVERSAL", -1)
    assert last["reverses"] == "PURCHASE_ORDER:P/GOODS_RECEIPT/1"


def test_a_step_posts_once_what_many_scans_brought():
    """All their coordinates are causes."""
    stage = Stage(step)
    scans = [received("A", 1, "1") for _ in range(3)]

    stage.take(PO, ANNOUNCED, *scans)

    [record] = stage.postings()
    assert record["lines"][0]["quantity"] == 3
    assert {event["coordinate"] for _, event in scans} <= set(record["causes"])


# ---- what waits -------------------------------------------------------------------------------------------------


def test_goods_without_a_notice_wait_for_it():
    """Under the buyer's exception; the notice posts them."""
    stage = after(PO, received("A", 4, "1"))
    assert posted(stage) == {}
    assert stage.open() == {"RECEIPT_WITHOUT_NOTICE": "P/1"}

    stage.take(ANNOUNCED)

    assert posted(stage) == {HERE: 4}
    assert stage.open() == {}


def test_a_supplier_that_sends_no_notices_is_posted_without():
    """By its profile; nobody is asked for what will not come."""
    stage = after(ordered(po_line("1", "A", 10), unannounced=True), received("A", 4, "1"))

    assert posted(stage) == {HERE: 4}
    assert stage.open() == {}


def test_goods_beyond_the_tolerance_wait_for_the_buyer():
    """Who raises the order, or sends them back."""
    stage = after(PO, shipped(("1", "A", 14, 14)))
    assert posted(stage) == {HERE: 11}
    assert stage.open() == {"OVER_SHIPMENT": "P/1", "OVER_RECEIPT": "P/1"}

    stage.take(ordered(po_line("1", "A", 14), revision=2))

    assert posted(stage) == {HERE: 14}
    assert stage.open() == {}


def test_goods_of_an_unknown_order_wait_for_it():
    """What the ERP allows stands in the order."""
    stage = after(ANNOUNCED, received("A", 4, "1"))
    assert stage.postings() == []

    stage.take(PO)

    assert posted(stage) == {HERE: 4}


def test_goods_on_hold_wait_for_inspection():
    """A release that names the order posts them as what they turned out to be."""
    stage = after(PO, ANNOUNCED, received("A", 6, "1", disposition="quality_hold"))
    assert stage.postings() == []

    stage.each(inspected("A", 4), inspected("A", 1, "1", moved=("quality_hold", "damaged")))

    assert posted(stage) == {HERE: 4, ("1", "A", "W1", "damaged"): 1}


def test_a_release_that_names_the_order_frees_what_came_by_its_shipment():
    """However the receipt was scanned."""
    stage = after(PO, shipped(("1", "A", 10, 6, {"quality_hold": 6})), inspected("A", 6))

    assert posted(stage) == {HERE: 6}


def test_goods_put_on_hold_after_posting_are_taken_back_until_they_are_released():
    """The ERP must not sell what inspection has doubts about."""
    stage = after(PO, ANNOUNCED, received("A", 6, "1"), inspected("A", 2, moved=("available", "quality_hold")))
    assert posted(stage) == {HERE: 4}

    stage.take(inspected("A", 2))

    assert posted(stage) == {HERE: 6}


def test_who_inspects_is_told_of_goods_that_wait_longer_than_a_day():
    """Not before; by the clock, from when they came."""
    stage = after(PO, shipped(("1", "A", 10, 6, {"quality_hold": 6})))
    assert stage.open() == {}
    assert stage.due("P") == NOON + DAY

    stage.each(shipped(("1", "A", 10, 6, {"quality_hold": 5}), at=NOON + 9), clock("P", NOON + DAY))

    assert stage.open() == {"RECEIPT_ON_HOLD": "P/1"}
    assert [record["owner"] for topic, _, record in stage.outputs if topic == "exceptions"] == ["quality"]
    stage.take(inspected("A", 5, "1"))
    assert stage.open() == {}


def test_goods_that_came_later_wait_from_when_they_came():
    """What was released first had waited longest."""
    first = received("A", 3, "1", disposition="quality_hold")
    later = shipped(("1", "A", 10, 2, {"quality_hold": 2}), at=NOON + DAY // 2)

    stage = after(PO, first, later, inspected("A", 3), clock("P", NOON + DAY))

    assert "RECEIPT_ON_HOLD" not in stage.open()
    stage.take(clock("P", NOON + DAY + DAY // 2))
    assert stage.open()["RECEIPT_ON_HOLD"] == "P/1"


def test_an_inspection_of_what_was_never_received_is_somebodys_question():
    """Until the receipt comes; nothing is posted of it."""
    stage = after(PO, ANNOUNCED, inspected("A", 4, "1"))
    assert stage.open() == {"INSPECTION_WITHOUT_RECEIPT": "P/A|W1"}

    stage.take(received("A", 4, "1", disposition="quality_hold"))

    assert posted(stage) == {HERE: 4}
    assert stage.open() == {}


def test_an_order_that_is_closed_without_its_lines_keeps_what_was_posted():
    """Many an ERP sends only the header then; in either order of arrival."""
    facts = [shipped(("1", "A", 10, 10)), PO, ordered(revision=2, status="CLOSED")]

    for arrival in (facts, [facts[2], facts[1], facts[0]]):
        stage = after(*arrival)
        assert posted(stage) == {HERE: 10}
        assert stage.open() == {}


# ---- what the ERP says ------------------------------------------------------------------------------------------


def test_a_refused_receipt_is_the_buyers_and_not_sent_again_before_the_order_changes():
    """No blind retry: the exception says what the ERP said."""
    stage = after(PO, ANNOUNCED, received("A", 4, "1"))

    stage.take(answer(stage.postings()[0], "REFUSED", "period closed"))
    stage.take(received("A", 1, "1"))

    assert [record["lines"][0]["quantity"] for record in stage.postings()] == [4, 1]
    [exception] = [record for topic, _, record in stage.outputs if topic == "exceptions"]
    assert (exception["category"], exception["owner"]) == ("ERP_REFUSED", "buyer")
    assert "period closed" in exception["message"]

    stage.take(ordered(po_line("1", "A", 10, over=10), revision=2))

    assert [record["lines"][0]["quantity"] for record in stage.postings()] == [4, 1, 4]
    assert stage.open() == {}


# ---- shipments --------------------------------------------------------------------------------------------------


def held(*events):
    """What the shipment tells its order of goods that are not sellable at their place, and when it was announced."""
    stage = Stage(shipments.step)
    stage.each(*events)
    told = [record["shipped"]["lines"][0] for topic, _, record in stage.outputs if topic == "supply.events"]
    return (told[-1]["received"], told[-1]["held"], told[-1]["notified_at"]), stage.open()


def test_a_shipment_tells_its_orders_what_waits_for_inspection():
    """And what inspection has made of it since."""
    came = [notice(("P", "1", "A", 10)), unloaded("A", 6, disposition="quality_hold"), unloaded("A", 2)]

    assert held(*came) == ((8, {"quality_hold": 6}, NOON), {})
    assert held(*came, judged("A", 4)) == ((8, {"quality_hold": 2}, NOON), {})
    assert held(*came, judged("A", 6)) == ((8, None, NOON), {})
    assert held(judged("A", 6, moved=("quality_hold", "damaged")), *came)[0] == (8, {"damaged": 6}, NOON)


def test_a_shipment_tells_where_its_goods_were_unloaded_if_not_where_they_were_sent():
    """The stock is there."""
    assert held(notice(("P", "1", "A", 10)), unloaded("A", 6, "W2"))[0] == (6, {"W2|available": 6}, NOON)


def test_what_is_held_stands_on_the_lines_its_receipts_fill():
    """In the notice's order, as the receipts themselves; goods the notice does not list stand on none."""
    stage = Stage(shipments.step)
    came = [unloaded("A", 7, disposition="quality_hold"), unloaded("A", 2), unloaded("X", 1, disposition="damaged")]

    stage.each(notice(("P", "1", "A", 4), ("P", "2", "A", 6)), *came)

    told = [record["shipped"]["lines"] for topic, _, record in stage.outputs if topic == "supply.events"][-1]
    assert [(line["line"], line["received"], line["held"]) for line in told] == [
        ("1", 4, {"quality_hold": 2}),
        ("2", 5, {"quality_hold": 5}),
    ]


def test_a_notice_after_the_first_goods_is_late():
    """Once a shipment, for the buyer; the receipts are settled all the same."""
    came = unloaded("A", 6, at=NOON + 1)

    assert held(came, notice(("P", "1", "A", 10), at=NOON + 9))[1] == {"LATE_NOTICE": "S1"}
    assert held(came, notice(("P", "1", "A", 10), at=NOON + 1))[1] == {}
    assert held(notice(("P", "1", "A", 10)), came, notice(("P", "1", "A", 9), purpose="REPLACE", at=NOON + 9))[1] == {}


def test_goods_inspected_against_a_shipment_that_did_not_bring_them_are_somebodys_question():
    """The scan names the wrong document."""
    told, found = held(notice(("P", "1", "A", 10)), unloaded("A", 6), judged("A", 4))

    assert told == (6, None, NOON)
    assert found == {"INSPECTION_WITHOUT_RECEIPT": "S1/A|W1"}


# ---- any story, in any order ------------------------------------------------------------------------------------

SKUS = {"1": "A", "2": "B"}
PLACES = ("W1", "W2")
lines = st.sampled_from("12")


@st.composite
def stories(draw):
    """One order, its shipments, receipts with corrections, inspections of what was received: and the plain account.

    The account: by document, SKU, place and disposition what was received and what inspection made of it.
    """
    quantity = {line: draw(st.integers(0, 12)) for line in SKUS}
    over = draw(st.sampled_from([0, 25]))
    unannounced = draw(st.booleans())
    announced = {
        shipment: [(line, draw(st.integers(1, 9))) for line in draw(st.sets(lines, min_size=1))]
        for shipment in draw(st.sets(st.sampled_from(["S1", "S2"])))
    }
    account = defaultdict(int)
    direct, docks = (
        [],
        [
            notice(*[("P", line, SKUS[line], n) for line, n in contents], shipment=shipment)
            for shipment, contents in sorted(announced.items())
        ],
    )
    for _ in range(draw(st.integers(0, 6))):
        source = draw(st.sampled_from(["P", *sorted(announced)]))
        listed = sorted(SKUS) if source == "P" else [line for line, _ in announced[source]]
        line, place = draw(st.sampled_from(listed)), draw(st.sampled_from(PLACES))
        disposition = draw(st.sampled_from(["available", "quality_hold", "quality_hold", "damaged"]))
        came = draw(st.integers(1, 9))
        for part in (came, -draw(st.integers(0, came))):
            if not part:
                continue
            account[source, line, place, disposition] += part
            if source == "P":
                named = draw(st.none() | st.just(line))
                direct.append(received(SKUS[line], part, named, place, disposition=disposition))
            else:
                docks.append(unloaded(SKUS[line], part, place, disposition, "c" if part < 0 else None, shipment=source))
    for source, line, place, disposition in sorted(account):
        there = account[source, line, place, disposition]
        if disposition != "quality_hold" or not there:
            continue
        for to in draw(st.lists(st.sampled_from(["available", "damaged"]), max_size=2)):
            moved = draw(st.integers(1, 9))
            if moved > account[source, line, place, disposition]:
                continue
            account[source, line, place, disposition] -= moved
            account[source, line, place, to] += moved
            if source == "P":
                named = draw(st.none() | st.just(line))
                direct.append(inspected(SKUS[line], moved, named, place, moved=("quality_hold", to)))
            else:
                docks.append(judged(SKUS[line], moved, place, ("quality_hold", to), shipment=source))
    order = [po_line(line, SKUS[line], quantity[line], over=over) for line in sorted(SKUS)]
    return order, unannounced, draw(st.permutations(direct)), draw(st.permutations(docks)), announced, account


def accepted(order, unannounced, announced, account):
    """By line: all that came and is not on hold, by SKU, place and disposition; and the most the ERP may be told."""
    goods, most = {}, {}
    for line in order:
        name = line["line"]
        came = defaultdict(int)
        for (_, owner, place, disposition), quantity in account.items():
            if owner == name and disposition != "quality_hold" and quantity:
                came[name, line["sku"], place, disposition] += quantity
        notices = 0
        for shipment, contents in announced.items():
            listed = sum(n for owner, n in contents if owner == name)
            unloaded_here = sum(
                q for (source, owner, _, _), q in account.items() if (source, owner) == (shipment, name)
            )
            notices += max(listed, unloaded_here)
        allowed = line["quantity"] + line["quantity"] * line["tolerance_over"] // 100
        goods[name], most[name] = dict(came), allowed if unannounced else min(allowed, notices)
    return goods, most


@given(stories(), st.randoms(use_true_random=False))
@settings(max_examples=300, deadline=None)
def test_the_erp_ends_with_exactly_the_receipts_that_are_acceptable(story, chance):
    """Whatever meets in whatever order, cut into whatever chunks, and whatever the ERP answers on the way."""
    order, unannounced, direct, docks, announced, account = story
    dock, supply = Stage(shipments.step), Stage(step)
    erp = PretendErp(supply, chance)
    while docks:
        most = chance.randint(1, 3)
        dock.take(*docks[:most])
        docks = docks[most:]
    told = [(po, record) for topic, po, record in dock.outputs if topic == "supply.events"]
    waiting = at_random(chance, told, list(direct), [ordered(*order, unannounced=unannounced)])

    while waiting:
        most = chance.randint(1, 4)
        supply.take(*waiting[:most])
        waiting = waiting[most:]
        if replies := erp.answers(most=chance.randint(0, 3)):
            supply.take(*replies)
    supply.take(ordered(*order, revision=2, unannounced=unannounced))
    while replies := erp.answers(willing=True):
        supply.take(*replies)

    goods, most = accepted(order, unannounced, announced, account)
    total = erp.total("GOODS_RECEIPT")
    for name, came in goods.items():
        ours = {place: quantity for place, quantity in total.items() if place[0] == name}
        if sum(came.values()) <= most[name]:
            assert ours == came
        else:
            assert sum(ours.values()) == most[name]
            assert all(quantity <= came[place] for place, quantity in ours.items())
    assert erp.refused or total == posted(supply)
    assert "ERP_REFUSED" not in supply.open()

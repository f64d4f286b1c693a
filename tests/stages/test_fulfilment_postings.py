"""What the ERP hears of sales orders: shipped by scan, invoiced on its own word, credited after inspection."""

from collections import defaultdict

import pytest
from document_events import TODAY, Stage, answer, promised, reserved, scan, so_line, sold
from hypothesis import given, settings
from hypothesis import strategies as st
from pretend_erp import PretendErp, at_random

from streams.orders import step

ORDER = sold(so_line("1", "A", 10), so_line("2", "B", 5))
GONE = ("1", "A", "W1", "available")
BACK = ("returned", "available")


def after(*events):
    stage = Stage(step)
    stage.each(*events)
    return stage


def shipped_and_invoiced(*events):
    """Ten A and five B left, the ERP took both steps; then what else happened."""
    stage = after(ORDER, scan("SHIPPED", "A", 10, "1"), scan("SHIPPED", "B", 5, "2"))
    agree(stage)
    stage.each(*events)
    return stage


def agree(stage):
    """The ERP takes everything posted and still to be posted."""
    heard = set()
    while news := [record for record in stage.postings() if record["idempotency_key"] not in heard]:
        heard |= {record["idempotency_key"] for record in news}
        stage.take(*[answer(record) for record in news])


# ---- shipment confirm -------------------------------------------------------------------------------------------


def test_a_shipment_is_confirmed_by_ship_scans_alone():
    """Not by allocation, picking or packing; the order's priority moves it up."""
    stage = after(sold(so_line("1", "A", 10), priority=3), scan("PICKED", "A", 10, "1"), scan("PACKED", "A", 10, "1"))
    assert stage.postings() == []

    stage.take(scan("SHIPPED", "A", 4, "1"))

    [record] = stage.postings()
    assert stage.posted("SHIPMENT_CONFIRM") == {GONE: 4}
    assert (record["document"], record["partner"], record["priority"]) == ("SALES_ORDER:O", "web", 13)


def test_a_corrected_shipment_is_taken_back():
    """By a reversing posting; an order cancelled after shipping takes back nothing."""
    stage = after(ORDER, scan("SHIPPED", "A", 4, "1"), scan("SHIPPED", "A", -1, "1"))
    assert [record["step"] for record in stage.postings()] == ["SHIPMENT_CONFIRM", "SHIPMENT_CONFIRM_REVERSAL"]

    stage.take(sold(so_line("1", "A", 10), revision=2, status="CANCELLED"))

    assert stage.posted("SHIPMENT_CONFIRM") == {GONE: 3}
    stage.take(sold(revision=3, status="CLOSED"))
    assert stage.posted("SHIPMENT_CONFIRM") == {GONE: 3}


def test_what_the_order_does_not_list_is_confirmed_without_a_line():
    """It has left all the same; the exception asks whose it was."""
    stage = after(ORDER, scan("SHIPPED", "X", 2), scan("SHIPPED", "A", 1, "9", moved=("damaged", None)))

    assert stage.posted("SHIPMENT_CONFIRM") == {("", "X", "W1", "available"): 2, ("", "A", "W1", "damaged"): 1}


def test_shipments_of_an_unknown_order_wait_for_it():
    """The ERP could not place them either; the order brings their lines."""
    stage = after(scan("SHIPPED", "A", 4))
    assert stage.postings() == []

    stage.take(ORDER)

    assert stage.posted("SHIPMENT_CONFIRM") == {GONE: 4}


# ---- invoice ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", ["POSTED", "DUPLICATE"])
def test_an_invoice_is_released_by_the_erps_word_alone(outcome):
    """Once, however often the word comes."""
    stage = after(ORDER, scan("SHIPPED", "A", 4, "1"))
    assert stage.posted("INVOICE_RELEASE") == {}

    word = answer(stage.postings()[0], outcome)
    stage.each(word, word)

    [record] = stage.postings("INVOICE_RELEASE")
    assert stage.posted("INVOICE_RELEASE") == {GONE: 4}
    assert record["causes"] == [word[1]["coordinate"]]


def test_a_refused_confirm_releases_nothing_and_is_sent_again_with_the_next_revision():
    """The condition says what to mend."""
    stage = after(ORDER, scan("SHIPPED", "A", 4, "1"))

    stage.take(answer(stage.postings()[0], "REFUSED", "customer is blocked"))

    assert stage.postings("INVOICE_RELEASE") == []
    assert stage.open() == {"ERP_REFUSED": "O/SHIPMENT_CONFIRM"}
    stage.take(sold(so_line("1", "A", 10), so_line("2", "B", 5), revision=2))
    assert stage.open() == {}
    agree(stage)
    assert stage.posted("INVOICE_RELEASE") == {GONE: 4}


def test_what_is_taken_back_of_a_shipment_is_taken_back_of_its_invoice_first():
    """Never more invoiced than shipped, whatever the ERP is about to say."""
    stage = shipped_and_invoiced(scan("SHIPPED", "A", -3, "1"))

    assert [r["step"] for r in stage.postings()[-2:]] == ["INVOICE_RELEASE_REVERSAL", "SHIPMENT_CONFIRM_REVERSAL"]
    assert stage.posted("INVOICE_RELEASE")[GONE] == 7


def test_a_correction_before_the_erps_word_invoices_only_what_left():
    """It confirmed ten; seven are gone."""
    stage = after(ORDER, scan("SHIPPED", "A", 10, "1"), scan("SHIPPED", "A", -3, "1"))

    stage.take(answer(stage.postings()[0]))

    assert stage.posted("INVOICE_RELEASE") == {GONE: 7}


# ---- credit -----------------------------------------------------------------------------------------------------


def test_what_came_back_is_credited_when_it_was_inspected():
    """As what it was found to be, where it came back to."""
    stage = shipped_and_invoiced(scan("RETURNED", "A", 4, "1", "W2", moved=("returned", None)))
    assert stage.posted("CREDIT") == {}

    stage.each(
        scan("INSPECTED", "A", 3, "1", "W2", moved=BACK),
        scan("INSPECTED", "A", 1, None, "W2", moved=("returned", "damaged")),
    )

    assert stage.posted("CREDIT") == {("1", "A", "W2", "available"): 3, ("1", "A", "W2", "damaged"): 1}
    assert stage.open() == {}


def test_a_return_into_stock_was_inspected_by_who_scanned_it():
    """Straight into a disposition that says what it is."""
    stage = shipped_and_invoiced(scan("RETURNED", "A", 2, moved=("damaged", None)))

    assert stage.posted("CREDIT") == {("1", "A", "W1", "damaged"): 2}


def test_a_return_held_for_closer_inspection_is_credited_after_it():
    """Returned, held, released."""
    stage = shipped_and_invoiced(
        scan("RETURNED", "A", 2, moved=("returned", None)),
        scan("INSPECTED", "A", 2, moved=("returned", "quality_hold")),
    )
    assert stage.posted("CREDIT") == {}

    stage.take(scan("INSPECTED", "A", 2, moved=("quality_hold", "available")))

    assert stage.posted("CREDIT") == {GONE: 2}


def test_a_corrected_inspection_takes_its_credit_back():
    """A signed difference, a reversing posting."""
    stage = shipped_and_invoiced(
        scan("RETURNED", "A", 4, moved=("returned", None)),
        scan("INSPECTED", "A", 4, moved=BACK),
        scan("INSPECTED", "A", -1, moved=BACK),
    )

    assert stage.posted("CREDIT") == {GONE: 3}
    assert stage.postings()[-1]["step"] == "CREDIT_REVERSAL"


def test_no_more_is_credited_than_was_invoiced():
    """What is not invoiced yet is credited when it is; what never shipped is somebody's question."""
    stage = after(ORDER, scan("SHIPPED", "A", 4, "1"))
    stage.each(scan("RETURNED", "A", 6, moved=("returned", None)), scan("INSPECTED", "A", 6, moved=BACK))
    assert stage.posted("CREDIT") == {}
    assert stage.open() == {"RETURN_BEYOND_SHIPMENT": "O/A"}

    agree(stage)
    assert stage.posted("CREDIT") == {GONE: 4}

    stage.take(scan("INSPECTED", "A", -2, moved=BACK))
    assert stage.open() == {}


def test_an_inspection_of_what_did_not_come_back_is_somebodys_question():
    """Until the return is scanned."""
    stage = shipped_and_invoiced(scan("INSPECTED", "A", 2, moved=BACK))
    assert stage.open() == {"INSPECTION_WITHOUT_RECEIPT": "O/A|W1"}

    stage.take(scan("RETURNED", "A", 2, moved=("returned", None)))

    assert stage.posted("CREDIT") == {GONE: 2}
    assert stage.open() == {}


# ---- backorder --------------------------------------------------------------------------------------------------

SHORT = sold(so_line("1", "A", 4, date=TODAY + 3, quantity=10), so_line("2", "B", 5))


def backorders(stage):
    return [
        [(line["line"], line["sku"], line["location"], line["quantity"], line["date"]) for line in record["lines"]]
        for record in stage.postings("BACKORDER")
    ]


def test_what_is_ordered_and_not_allocated_is_asked_of_the_position():
    """Beside what is held; it holds nothing."""
    assert after(SHORT).expected("A|W1") == [
        ("ALLOCATED", "1", None, 4, TODAY + 3),
        ("BACKORDERED", "1", None, 6, TODAY + 3),
    ]


def test_a_backorder_is_posted_with_the_date_the_position_gives():
    """Again when the date moves, once with nothing when all is allocated."""
    stage = after(SHORT)
    assert backorders(stage) == []

    stage.each(*[promised("A", ("1", 6, date)) for date in (TODAY + 9, TODAY + 9, None)])
    assert backorders(stage) == [[("1", "A", "W1", 6, TODAY + 9)], [("1", "A", "W1", 6, None)]]

    stage.take(sold(so_line("1", "A", 10), so_line("2", "B", 5), revision=2))
    assert backorders(stage)[2:] == [[("1", "A", "W1", 0, None)]]


def test_a_date_for_another_quantity_is_not_taken():
    """The position has not heard of the change yet."""
    stage = after(SHORT, promised("A", ("1", 6, TODAY + 9)), sold(so_line("1", "A", 4, quantity=12), revision=2))
    assert len(backorders(stage)) == 1

    stage.take(promised("A", ("1", 8, TODAY + 11)))

    assert backorders(stage)[1:] == [[("1", "A", "W1", 8, TODAY + 11)]]


def test_an_order_that_is_not_open_waits_for_nothing():
    """Nor is the ERP told so of a document it closed itself."""
    stage = after(SHORT, promised("A", ("1", 6, TODAY + 9)), sold(revision=2, status="CANCELLED"), promised("A"))

    assert stage.claims() == {}
    assert len(backorders(stage)) == 1


# ---- reservations -----------------------------------------------------------------------------------------------


def test_a_confirmed_reservation_is_held_until_the_order_comes():
    """The channel's stock is the order's from the moment it is confirmed; then the document alone rules."""
    stage = after(reserved("A", 3, line="1"), reserved("A", 2, "W2"), reserved("A", 3, line="1"))

    assert stage.expected("A|W1") == [("RESERVED", "1", None, 3, None)]
    assert stage.expected("A|W2") == [("RESERVED", "", None, 2, None)]
    assert stage.open() == {"UNKNOWN_SALES_ORDER": "O"}

    stage.take(sold(so_line("1", "A", 5)))

    assert stage.expected("A|W1") == [("ALLOCATED", "1", None, 5, None)]
    assert stage.expected("A|W2") == []
    assert stage.open() == {}


@pytest.mark.parametrize("known", [[], [sold(so_line("1", "A", 5))], [sold(so_line("1", "A", 5)), reserved("A", 3)]])
def test_every_confirmation_is_answered_by_a_claim(known):
    """The position lets go of the channel's hold when it hears the order's claim, changed or not, or of nothing."""
    stage = after(*known)

    for place in ("W1", "W9"):
        outputs = stage.take(reserved("A", 3, place))
        assert [(key, r["kind"]) for topic, key, r in outputs if "ledger" in topic] == [(f"A|{place}", "ALLOCATE")]


def test_what_has_shipped_is_not_reserved_any_more():
    """Goods may leave before the order is known."""
    stage = after(reserved("A", 3), scan("SHIPPED", "A", 2))

    assert stage.expected("A|W1") == [("RESERVED", "", None, 1, None)]


# ---- any story, in any order ------------------------------------------------------------------------------------

SKUS = {"1": "A", "2": "B", "3": "A"}
lines = st.sampled_from(sorted(SKUS))
places = st.sampled_from(["W1", "W2"])


@st.composite
def stories(draw):
    """One order and its scans with corrections; how much of each SKU left each place, came back, and was judged."""
    order = [so_line(line, SKUS[line], draw(st.integers(0, 9)), draw(places)) for line in sorted(SKUS)]
    gone, back, sound = defaultdict(int), defaultdict(int), defaultdict(int)
    scans = []

    def scanned(kind, account, quantity, sku, place, moved=(None, None)):
        line = draw(st.none() | st.sampled_from([line for line in SKUS if SKUS[line] == sku]))
        for part in (quantity, -draw(st.integers(0, quantity))):
            if part:
                scans.append(scan(kind, sku, part, line, place, moved=moved))
                account[sku, place] += part

    for _ in range(draw(st.integers(0, 4))):
        scanned("SHIPPED", gone, draw(st.integers(1, 9)), draw(st.sampled_from("AB")), draw(places))
    for _ in range(draw(st.integers(0, 3))):
        scanned(
            "RETURNED", back, draw(st.integers(1, 6)), draw(st.sampled_from("AB")), draw(places), ("returned", None)
        )
    for (sku, place), quantity in sorted(back.items()):
        for to in ("available", "damaged"):
            judged = draw(st.integers(0, quantity - sum(sound[sku, place, d] for d in ("available", "damaged"))))
            if judged:
                line = draw(st.none() | st.sampled_from([line for line in SKUS if SKUS[line] == sku]))
                scans.append(scan("INSPECTED", sku, judged, line, place, moved=("returned", to)))
                sound[sku, place, to] += judged
    return order, draw(st.permutations(scans)), gone, sound


def summed(total, *fields):
    """Postings' quantities by SKU and whatever else of line (0), location (2) and disposition (3)."""
    sums = defaultdict(int)
    for place, quantity in total.items():
        sums[tuple(place[field] for field in fields)] += quantity
    return {place: quantity for place, quantity in sums.items() if quantity}


@given(stories(), st.randoms(use_true_random=False))
@settings(max_examples=300, deadline=None)
def test_the_erp_ends_with_what_shipped_invoices_no_more_and_credits_no_more_than_that(story, chance):
    """Whatever meets in whatever order, cut into whatever chunks, and whatever the ERP answers on the way."""
    order, scans, gone, sound = story
    stage = Stage(step)
    erp = PretendErp(stage, chance)
    waiting = at_random(chance, scans, [sold(*order)])
    while waiting:
        most = chance.randint(1, 4)
        stage.take(*waiting[:most])
        waiting = waiting[most:]
        replies = erp.answers(most=chance.randint(0, 3))
        for reply in replies:
            stage.take(reply)
        confirmed, invoiced, credited = (erp.took[s] for s in ("SHIPMENT_CONFIRM", "INVOICE_RELEASE", "CREDIT"))
        if not erp.refused:
            assert all(quantity <= confirmed[place] for place, quantity in stage.posted("INVOICE_RELEASE").items())
            by_line = summed(invoiced, 0, 1)
            assert all(q <= by_line.get(place, 0) for place, q in summed(stage.posted("CREDIT"), 0, 1).items())
    stage.take(sold(*order, revision=2))
    while replies := erp.answers(willing=True):
        stage.take(*replies)

    confirmed, invoiced, credited = (erp.total(s) for s in ("SHIPMENT_CONFIRM", "INVOICE_RELEASE", "CREDIT"))
    assert summed(confirmed, 1, 2) == {place: quantity for place, quantity in gone.items() if quantity}
    assert invoiced == confirmed
    by_line = summed(invoiced, 0, 1)
    assert all(quantity <= by_line.get(place, 0) for place, quantity in summed(credited, 0, 1).items())
    assert all(quantity <= sound[place] for place, quantity in summed(credited, 1, 2, 3).items())
    if "RETURN_BEYOND_SHIPMENT" not in stage.open():
        assert summed(credited, 1, 2, 3) == {place: quantity for place, quantity in sound.items() if quantity}
    assert "ERP_REFUSED" not in stage.open()

"""The book of postings: what is new since the last one, and what the ERP's answers make of it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.records import ErpPosting
from tables.posting_book import answered, post, post_absolute, refusals, renewed, taken
from tables.postings import difference, posting, priority

CAUSE = {"coordinate": "in[0]@7", "recorded_at": 20_000 * 86_400_000, "occurred_at": 19_999 * 86_400_000,
         "correlation_id": "c"}  # fmt: skip
DOCUMENT, STEP = "PURCHASE_ORDER:P", "GOODS_RECEIPT"
HERE, THERE = "A|W1|available|1", "A|W2|damaged|2"


class Ledger:
    """One document's book, and everything it posted."""

    def __init__(self):
        self.books, self.sent = {}, []

    def desire(self, step=STEP, **places):
        """Post what is desired: quantities by `here` and `there`; return what was sent."""
        desired = {{"here": HERE, "there": THERE}[name]: quantity for name, quantity in places.items()}
        return self.want(desired, step)

    def want(self, desired, step=STEP):
        outputs = []
        post(self.books, DOCUMENT, step, desired, CAUSE, outputs)
        self.sent += [record for _, _, record in outputs]
        return [(r["step"], r["revision"], [line["quantity"] for line in r["lines"]]) for _, _, r in outputs]

    def hear(self, outcome, step=STEP, revision=1, reason=None):
        answer = {"step": step, "revision": revision, "outcome": outcome, "erp_document": None, "reason": reason}
        return answered(self.books, answer)


def test_a_posting_says_what_is_new_since_the_one_before():
    """Quantities add up over the revisions; nothing new, nothing posted."""
    ledger = Ledger()

    assert ledger.desire(here=5) == [(STEP, 1, [5])]
    assert ledger.desire(here=5) == []
    assert ledger.desire(here=7, there=2) == [(STEP, 2, [2, 2])]


def test_what_is_no_longer_desired_is_taken_back_by_name_before_anything_is_added():
    """A reversal has negative quantities, its own revisions, and names the step's newest posting."""
    ledger = Ledger()
    ledger.desire(here=5)

    assert ledger.desire(here=3, there=4) == [("GOODS_RECEIPT_REVERSAL", 1, [-2]), (STEP, 2, [4])]
    assert ledger.sent[1]["reverses"] == "PURCHASE_ORDER:P/GOODS_RECEIPT/1"
    assert ledger.desire() == [("GOODS_RECEIPT_REVERSAL", 2, [-3, -4])]
    assert ledger.sent[-1]["reverses"] == "PURCHASE_ORDER:P/GOODS_RECEIPT/2"


def test_a_posting_carries_document_step_revision_key_causes_and_priority():
    """Every field of the record, the day the stock moved on every line."""
    ledger = Ledger()
    ledger.desire(here=5)

    [record] = ledger.sent

    assert record.keys() == ErpPosting.__required_keys__
    assert record["idempotency_key"] == "PURCHASE_ORDER:P/GOODS_RECEIPT/1"
    assert (record["operation"], record["priority"], record["causes"]) == ("goods_receipt", 30, ["in[0]@7"])
    assert record["lines"][0]["date"] == 19_999
    assert record["lines"][0]["disposition"] == "available"


def test_a_posting_of_another_stage_is_one_call():
    """Positions number their adjustments themselves."""
    topic, key, record = posting("STOCK:A|W1", "INVENTORY_ADJUSTMENT", 9, [], CAUSE, priority=70, causes=["a", "b"])

    assert (topic, key, record["operation"]) == ("erp.postings", "STOCK:A|W1", "inventory_adjustment")
    assert record["causes"] == ["a", "b"]


@pytest.mark.parametrize(
    ("step", "urgency", "expected"),
    [("SHIPMENT_CONFIRM", 3, 13), ("SHIPMENT_CONFIRM_REVERSAL", 99, 19), ("CREDIT", -1, 40), ("BACKORDER", 0, 50)],
)
def test_priority_is_the_steps_and_the_orders_own(step, urgency, expected):
    """An order's priority never lifts a step over the next more urgent one."""
    assert priority(step, urgency) == expected


@pytest.mark.parametrize("outcome", ["POSTED", "DUPLICATE"])
def test_an_answer_counts_once(outcome):
    """Repeated, or about a posting that was never made, it changes nothing."""
    ledger = Ledger()
    ledger.desire(here=5)

    assert ledger.hear(outcome)
    assert not ledger.hear("POSTED")
    assert not ledger.hear("REFUSED")
    assert not ledger.hear("POSTED", revision=2)
    assert not ledger.hear("POSTED", step="CREDIT")
    assert taken(ledger.books, STEP) == {HERE: 5}


def test_a_reversal_the_erp_took_is_taken_off():
    """What it has is the sum of what it said it took."""
    ledger = Ledger()
    ledger.desire(here=5)
    ledger.desire(here=2)

    ledger.hear("POSTED")
    ledger.hear("POSTED", step="GOODS_RECEIPT_REVERSAL")

    assert taken(ledger.books, STEP) == {HERE: 2}


def test_what_was_refused_is_not_sent_again_before_the_document_changes():
    """The refusal has its reason; what comes on top is sent."""
    ledger = Ledger()
    ledger.desire(here=5)
    ledger.hear("REFUSED", reason="period closed")

    assert ledger.desire(here=5) == []
    assert refusals(ledger.books) == {STEP: "5 not taken: period closed"}
    assert ledger.desire(here=8) == [(STEP, 2, [3])]
    renewed(ledger.books)
    assert ledger.desire(here=8) == [(STEP, 3, [5])]
    assert refusals(ledger.books) == {}


def test_what_was_refused_and_is_no_longer_desired_is_forgotten():
    """Nothing was posted, so nothing is taken back."""
    ledger = Ledger()
    ledger.desire(here=5)
    ledger.hear("REFUSED")

    assert ledger.desire(here=2) == []
    assert ledger.desire() == []
    assert refusals(ledger.books) == {}


def test_a_refused_reversal_leaves_the_posting_in_force():
    """Until the document changes, or what was to be taken back is wanted again."""
    ledger = Ledger()
    ledger.desire(here=5)
    ledger.desire(here=1)
    ledger.hear("REFUSED", step="GOODS_RECEIPT_REVERSAL")

    assert ledger.desire(here=1) == []
    assert ledger.desire(here=5) == []
    assert ledger.desire(here=6) == [(STEP, 2, [1])]


def test_a_refusal_taken_back_by_hand_counts_as_posted():
    """Somebody mended the ERP and sent the same posting again."""
    ledger = Ledger()
    ledger.desire(here=5)
    ledger.hear("REFUSED")

    assert ledger.hear("POSTED")
    assert ledger.desire(here=5) == []
    assert refusals(ledger.books) == {}
    assert taken(ledger.books, STEP) == {HERE: 5}


# ---- steps told whole -------------------------------------------------------------------------------------------


def told(books, *lines):
    outputs = []
    post_absolute(books, DOCUMENT, "PURCHASE_ORDER_UPDATE", lines, CAUSE, outputs)
    return [[(line["line"], line["quantity"], line["date"]) for line in r["lines"]] for _, _, r in outputs]


def whole(line, quantity, date=None):
    return [line, "A", "W1", quantity, date, "IA", None]


def test_a_step_told_whole_replaces_what_was_told_before():
    """Only when it differs; a line that is gone is told once with nothing."""
    books = {}

    assert told(books) == []
    assert told(books, whole("1", 5, 7), whole("2", 3)) == [[("1", 5, 7), ("2", 3, None)]]
    assert told(books, whole("1", 5, 7), whole("2", 3)) == []
    assert told(books, whole("2", 3)) == [[("2", 3, None), ("1", 0, None)]]
    assert told(books, whole("2", 4)) == [[("2", 4, None)]]


def test_a_refused_whole_is_told_again_when_document_or_content_change():
    """Never the same again by itself."""
    books = {}
    answer = {
        "step": "PURCHASE_ORDER_UPDATE",
        "revision": 1,
        "outcome": "REFUSED",
        "erp_document": None,
        "reason": "no",
    }
    told(books, whole("1", 5))

    assert answered(books, answer)
    assert not answered(books, answer)
    assert refusals(books) == {"PURCHASE_ORDER_UPDATE": "Revision 1: no"}
    assert told(books, whole("1", 5)) == []
    renewed(books)
    assert told(books, whole("1", 5)) == [[("1", 5, None)]]
    assert refusals(books) == {}
    assert not answered(books, answer)


# ---- properties -------------------------------------------------------------------------------------------------

places = st.dictionaries(st.sampled_from([HERE, THERE, "B|W1||1"]), st.integers(0, 9))


@given(places, places)
def test_posted_and_difference_make_what_is_desired(desired, posted):
    """Place by place."""
    gaps = difference(desired, posted)

    for place in desired.keys() | posted.keys():
        assert posted.get(place, 0) + gaps.get(place, 0) == desired.get(place, 0)


@given(st.lists(st.tuples(places, st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["POSTED", "DUPLICATE", "REFUSED"]))), st.booleans())))  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_what_the_erp_took_ends_as_what_is_desired_once_it_refuses_no_more(story):
    """Whatever is desired, answered, refused and renewed on the way: keys are unique, revisions have no gaps."""
    ledger, told = Ledger(), {}
    desired, erp = {}, {}

    def hear(record, outcome):
        name = record["step"], record["revision"]
        if told.setdefault(name, outcome) != outcome:
            return  # one posting has one answer
        ledger.hear(outcome, *name)
        if outcome != "REFUSED":
            erp[record["idempotency_key"]] = record["lines"]

    for desired, answers, renew in story:
        ledger.want(desired)
        for which, outcome in answers:
            if which < len(ledger.sent):
                hear(ledger.sent[which], outcome)
        if renew:
            renewed(ledger.books)
    renewed(ledger.books)
    done = -1
    while done != len(ledger.sent):
        done = len(ledger.sent)
        ledger.want(desired)
        for record in ledger.sent:
            if (record["step"], record["revision"]) not in told:
                hear(record, "POSTED")

    sums = {}
    for lines in erp.values():
        for line in lines:
            place = (line["sku"], line["location"], line["line"])
            sums[place] = sums.get(place, 0) + line["quantity"]
    wanted = {(p.split("|")[0], p.split("|")[1], p.split("|")[3]): q for p, q in desired.items() if q}
    assert {place: quantity for place, quantity in sums.items() if quantity} == wanted
    for step in (STEP, "GOODS_RECEIPT_REVERSAL"):
        revisions = [record["revision"] for record in ledger.sent if record["step"] == step]
        assert revisions == list(range(1, len(revisions) + 1))
    assert len({record["idempotency_key"] for record in ledger.sent}) == len(ledger.sent)
    assert not any("waiting" in book for book in ledger.books.values())

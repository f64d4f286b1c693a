"""What the ERP hears of a supplier's acknowledgements: quantities, dates and substitutes, whole, when they change."""

import pytest
from document_events import NOON, TODAY, Stage, ack_line, acknowledged, answer, ordered, po_line, shipped
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.supply import step

PO = ordered(po_line("1", "A", 10), po_line("2", "B", 5))


def after(*events):
    stage = Stage(step)
    stage.each(*events)
    return stage


def updates(stage):
    """Line, quantity, date, 668 code and substitute of each line of each update."""
    return [
        [(line["line"], line["quantity"], line["date"], line["note"], line["substitute"]) for line in record["lines"]]
        for record in stage.postings("PURCHASE_ORDER_UPDATE")
    ]


def test_an_acknowledgement_is_told_whole_with_its_codes():
    """Every line that was answered, at the order's place; the others are not spoken of."""
    stage = after(PO, acknowledged(ack_line("1", "IQ", 6, TODAY + 9)))

    [record] = stage.postings()

    assert updates(stage) == [[("1", 6, TODAY + 9, "IQ", None)]]
    assert (record["document"], record["priority"], record["lines"][0]["location"]) == ("PURCHASE_ORDER:P", 60, "W1")


@pytest.mark.parametrize(
    ("ack", "expected"),
    [
        (acknowledged(ack_line("1", "IA")), [("1", 10, None, "IA", None)]),
        (acknowledged(ack_line("1", "DR", None, TODAY + 7)), [("1", 10, TODAY + 7, "DR", None)]),
        (acknowledged(ack_line("1", "IS", 10, None, "Z")), [("1", 10, None, "IS", "Z")]),
        (acknowledged(ack_line("1", "IR")), [("1", 0, None, "IR", None)]),
        (acknowledged(ack_line("1", "IB", 4)), [("1", 0, None, "IB", None)]),
        (acknowledged(ack_line("1", "IH")), [("1", 10, None, "IH", None)]),
        (
            acknowledged(ack_line("1", "IA", 6, TODAY + 3), ack_line("1", "IB", 4, TODAY + 20)),
            [("1", 6, TODAY + 3, "IA", None), ("1", 4, TODAY + 20, "IB", None)],
        ),
        (
            acknowledged(ack_line("1", "BP", 6), ack_line("1", "SP", 1, TODAY + 5), ack_line("1", "ID", 3)),
            [("1", 6, None, "BP", None), ("1", 1, TODAY + 5, "SP", None)],
        ),
        (acknowledged(kind="AT"), [("1", 10, None, "IA", None), ("2", 5, None, "IA", None)]),
        (acknowledged(kind="RJ"), [("1", 0, None, "IR", None), ("2", 0, None, "IR", None)]),
        (acknowledged(kind="AH"), [("1", 10, None, "IH", None), ("2", 5, None, "IH", None)]),
    ],
    ids=[
        "as ordered",
        "date",
        "substitute",
        "rejected",
        "backordered",
        "hold",
        "split",
        "mixed",
        "all",
        "none",
        "held",
    ],
)
def test_each_answer_is_told_as_what_it_promises(ack, expected):
    """One line for each date; a refused line with nothing."""
    assert updates(after(PO, ack)) == [expected]


def test_only_what_differs_from_the_last_update_is_told_again():
    """The same words again, goods under way, or the order as the ERP changed it: no news."""
    stage = after(PO, acknowledged(ack_line("1", "IQ", 6, TODAY + 9)))

    stage.each(
        acknowledged(ack_line("1", "IQ", 6, TODAY + 9), at=NOON + 1),
        shipped(("1", "A", 6, 0)),
        ordered(po_line("1", "A", 6, TODAY + 9), po_line("2", "B", 5), revision=2),
    )
    assert len(updates(stage)) == 1

    stage.take(acknowledged(ack_line("1", "IQ", 7, TODAY + 9), at=NOON + 2))
    assert updates(stage)[1:] == [[("1", 7, TODAY + 9, "IQ", None)]]
    assert stage.postings()[-1]["revision"] == 2


def test_an_order_that_is_not_open_or_not_known_is_not_updated():
    """The ERP closed it itself; an unknown one is updated when it comes."""
    ack = acknowledged(ack_line("1", "IQ", 6))

    assert updates(after(ordered(po_line("1", "A", 10), status="CLOSED"), ack)) == []
    assert updates(after(ack)) == []
    assert updates(after(ack, PO)) == [[("1", 6, None, "IQ", None)]]


def test_a_refused_update_is_the_buyers_and_not_repeated_before_order_or_answer_change():
    """No blind retry; a new acknowledgement is new content and is told."""
    stage = after(PO, acknowledged(ack_line("1", "IQ", 6)))
    stage.take(answer(stage.postings()[0], "REFUSED", "line is locked"))
    assert stage.open()["ERP_REFUSED"] == "P/PURCHASE_ORDER_UPDATE"

    stage.take(acknowledged(ack_line("2", "IA"), at=NOON + 1))

    assert len(updates(stage)) == 2
    assert "ERP_REFUSED" not in stage.open()
    stage.take(answer(stage.postings()[1], "REFUSED", "line is locked"))
    stage.take(ordered(po_line("1", "A", 10), po_line("2", "B", 5), revision=2))
    assert updates(stage)[2] == updates(stage)[1]


acks = st.builds(
    lambda lines, at, kind: acknowledged(*lines, at=NOON + at, kind=kind, event_id=f"a{at}"),
    st.lists(
        st.builds(
            ack_line,
            st.sampled_from("129"),
            st.sampled_from(["IA", "IQ", "DR", "IS", "BP", "IB", "IH", "IR"]),
            st.none() | st.integers(0, 12),
            st.none() | st.integers(TODAY, TODAY + 9),
            st.none() | st.just("Z"),
        ),
        max_size=4,
    ),
    st.integers(0, 9),
    st.sampled_from(["AT", "RJ", "AC", "AH"]),
)


def newest(stage):
    """The lines of the newest update, save those that only take something back."""
    lines = [line for record in stage.postings()[-1:] for line in record["lines"]]
    return {tuple(line.items()) for line in lines if line["note"]}


@given(st.lists(acks, max_size=4, unique_by=lambda ack: ack[1]["event_id"]), st.data())
@settings(max_examples=200, deadline=None)
def test_the_newest_update_is_the_same_in_whatever_order_the_answers_come(answers, data):
    """It says for each line what the ladder expects of it."""
    stages = [Stage(step), Stage(step)]
    for stage in stages:
        for event in data.draw(st.permutations([PO, *answers])):
            stage.take(event)

    assert newest(stages[0]) == newest(stages[1])
    for stage in stages:
        revisions = [record["revision"] for record in stage.postings()]
        assert revisions == list(range(1, len(revisions) + 1))

"""What two sites' books come to: answered where the ERP has it, refused where it was, told where nobody can know."""

from typing import Any

from connectors.brought_in import Books, settle


def posting(step: str, revision: int, quantity: int, *, document: str = "PURCHASE_ORDER:1", line: str = "1") -> Any:
    lines = [] if not quantity and step == "PURCHASE_ORDER_UPDATE" else [
        {"line": line, "sku": "A", "location": "DC01", "quantity": quantity, "disposition": "available", "date": None,
         "note": None, "substitute": None}
    ]  # fmt: skip
    return {"document": document, "step": step, "revision": revision, "lines": lines}


def answer(to: Any, outcome: str = "POSTED", reason: str | None = None) -> Any:
    return {**{name: to[name] for name in ("document", "step", "revision")}, "outcome": outcome, "reason": reason,
            "shadow": False}  # fmt: skip


def books(*entries: tuple[Any, str]) -> Books:
    """Postings, each with the ERP's last word on it; none where that is empty."""
    return Books.of([each for each, _ in entries], [answer(each, word, "why") for each, word in entries if word])


def test_postings_cut_otherwise_are_answered_when_their_sums_agree():
    """5 and 3 at one site are 8 at the other."""
    ours = books((posting("GOODS_RECEIPT", 1, 5), "POSTED"), (posting("GOODS_RECEIPT", 2, 3), "DUPLICATE"))
    found = settle(ours, books((posting("GOODS_RECEIPT", 1, 8), "")))

    assert [(a.name[2], a.outcome) for a in found.answers] == [(1, "DUPLICATE")]
    assert found.differences == []


def test_a_reversal_counts_with_its_step():
    """8 less 3 is 5."""
    ours = books((posting("GOODS_RECEIPT", 1, 5), "POSTED"))
    theirs = books((posting("GOODS_RECEIPT", 1, 8), ""), (posting("GOODS_RECEIPT_REVERSAL", 1, -3), ""))

    assert [a.outcome for a in settle(ours, theirs).answers] == ["DUPLICATE"] * 2


def test_what_the_erp_refused_stays_refused_with_its_reason():
    """It is not sent again because a site changed."""
    ours = books((posting("CREDIT", 1, 2), "POSTED"), (posting("CREDIT", 2, 4), "REFUSED"))
    theirs = books((posting("CREDIT", 1, 2), ""), (posting("CREDIT", 2, 4), ""))

    assert [(a.name[2], a.outcome, a.reason) for a in settle(ours, theirs).answers if a.outcome == "REFUSED"] == [
        (2, "REFUSED", "why")
    ]


def test_what_cannot_be_told_apart_is_a_difference():
    """5 taken and 3 refused at one site, 8 in one posting at the other: neither answer would be true."""
    ours = books((posting("CREDIT", 1, 5), "POSTED"), (posting("CREDIT", 2, 3), "REFUSED"))
    found = settle(ours, books((posting("CREDIT", 1, 8), "")))

    assert found.answers == []
    assert [(d.step, d.in_erp, d.said) for d in found.differences] == [
        ("CREDIT", {"A|DC01|available|1": 5}, {"A|DC01|available|1": 8})
    ]


def test_a_posting_without_an_answer_holds_the_handover_up():
    """Whether it is in the ERP nobody knows yet."""
    found = settle(books((posting("CREDIT", 1, 5), "")), books((posting("CREDIT", 1, 5), "")))

    assert ["the ERP has not answered revision 1"] == [d.why for d in found.differences]


def test_of_a_step_told_whole_the_newest_is_told_again_where_it_differs():
    """It replaces what is there; where nothing is said, nothing is."""
    before, after = posting("PURCHASE_ORDER_UPDATE", 1, 7), posting("PURCHASE_ORDER_UPDATE", 1, 9)
    found = settle(books((before, "POSTED")), books((after, "")))

    assert [name[2] for name in found.again] == [1]
    assert (found.answers, found.differences) == ([], [])
    assert settle(books((before, "POSTED")), books()).again == []


def test_adjustments_of_stock_are_compared_as_positions():
    """They have no document, and each site makes its own of them."""
    ours = books((posting("INVENTORY_ADJUSTMENT", 1, 5, document="STOCK:A|DC01"), "POSTED"))

    assert settle(ours, books()) == ([], [], [])

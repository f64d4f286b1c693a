"""What each 668 code promises of an ordered line."""

import pytest

from tables.acknowledgement import FIRM, TENTATIVE, ZERO, answer, header_answer


def of(*schedules, ordered=10, flag=False):
    return answer([list(schedule) for schedule in schedules], ordered, backorder_in_ack=flag)


@pytest.mark.parametrize("code", sorted(FIRM))
def test_a_firm_code_promises_its_quantity_on_its_date(code):
    """Accepted in any of its spellings is a promise."""
    reply = of((code, 6, 20_010, None))

    assert reply[:3] == ([(6, 20_010)], [], 0)


@pytest.mark.parametrize("code", sorted(FIRM | TENTATIVE))
def test_without_a_quantity_a_code_speaks_of_the_whole_line(code):
    """ACK02 is optional."""
    reply = of((code, None, None, None))

    assert reply.firm + reply.tentative == [(10, None)]


@pytest.mark.parametrize("code", [*sorted(TENTATIVE), "??"])
def test_a_tentative_or_unknown_code_promises_nothing_firm(code):
    """What may still change is not promised on; a code we do not know is never taken for a yes."""
    assert of((code, 10, None, None))[:3] == ([], [(10, None)], 0)


@pytest.mark.parametrize("quantity", [None, 0, 3, 10])
@pytest.mark.parametrize("code", sorted(ZERO))
def test_a_refusal_that_stands_alone_refuses_the_line(code, quantity):
    """Partners put the ordered quantity, nothing or zero beside a refusal."""
    assert of((code, quantity, None, None))[:3] == ([], [], 10)


def test_a_backorder_without_a_date_is_zero_and_with_a_date_is_firm_on_it():
    """IB is a promise only when it says when."""
    assert of(("IB", 10, None, None))[:3] == ([], [], 10)
    assert of(("IB", 10, 20_030, None))[:3] == ([(10, 20_030)], [], 0)


def test_a_partial_names_what_is_accepted_or_with_some_partners_what_is_not():
    """The partner's profile says which quantity stands in ACK02 under BP and IB."""
    assert of(("BP", 4, None, None)).firm == [(4, None)]
    assert of(("BP", 4, None, None), flag=True).firm == [(6, None)]
    assert of(("IB", 4, None, None), flag=True).zero == 4


def test_schedules_of_one_line_add_up_and_a_bare_one_takes_the_rest():
    """Six now, four later, or six now and the rest refused."""
    assert of(("IA", 6, 20_001, None), ("IB", 4, 20_030, None))[:3] == ([(6, 20_001), (4, 20_030)], [], 0)
    assert of(("IA", 6, None, None), ("IR", None, None, None))[:3] == ([(6, None)], [], 4)
    assert of(("IA", 6, None, None), ("IH", None, None, None))[:3] == ([(6, None)], [(4, None)], 0)


def test_a_substitution_names_the_other_item():
    """IS swaps the item the line is expected under."""
    assert of(("IS", 10, None, "Y")).substitute == "Y"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("AT", ([(10, None)], [], 0)), ("RJ", ([], [], 10)), ("AH", ([], [(10, None)], 0))],
)
def test_a_header_alone_acts_on_the_whole_line(kind, expected):
    """BAK02 without PO1."""
    assert expected == header_answer(kind, 10)[:3]

"""What the carrier's codes say of a shipment."""

import pytest

from tables.exceptions import CATEGORIES
from tables.milestones import DAMAGED_CODE, DELAYED, DELIVERED, EXCEPTIONS, HELD, IN_TRANSIT, LOST, STATES


@pytest.mark.parametrize(
    ("codes", "state"),
    [
        (("AF", "CP", "AM", "X6", "P1", "X4", "XB", "X3"), IN_TRANSIT),
        (("X1", "X5", "D1", "AV"), DELIVERED),
        (("K1", "PR", "BC"), HELD),
        (("SD", "AH", "AP", "AI"), DELAYED),
    ],
)
def test_a_code_says_where_the_shipment_stands(codes, state):
    """X12 1650 by group."""
    assert {STATES[code] for code in codes} == {state}


def test_returned_refused_and_cancelled_shipments_are_lost_as_supply():
    """A3, A7 and CA, nothing else."""
    assert {code for code, state in STATES.items() if state in LOST} == {"A3", "A7", "CA"}


@pytest.mark.parametrize("code", ["AG", "X2", "AB", "AC", "B6", "C1", DAMAGED_CODE])
def test_an_estimate_or_damage_leaves_the_state_as_it_is(code):
    """A date, or a finding, is not an event of the journey."""
    assert code not in STATES


def test_every_state_that_is_a_finding_has_its_category():
    """With an owner and a remedy."""
    assert set(EXCEPTIONS.values()) <= CATEGORIES.keys()
    assert LOST | {DELAYED} == EXCEPTIONS.keys()

"""Claims of documents: the same quantity never both moved and claimed."""

from hypothesis import given
from hypothesis import strategies as st

from tables.claims import move, outstanding, remaining, restate, transfer

PO = "PURCHASE_ORDER:4500"
DAY = 86_400_000


def part(quantity, date=20_000, line="1", shipment=None):
    return {"line": line, "shipment": shipment, "quantity": quantity, "date": date, "state": "ORDERED"}


def claim(*parts, settled=0):
    return {"parts": list(parts), "settled": settled, "fence_days": 7, "offset_days": 1, "reservations": None}


def test_a_receipt_is_taken_out_before_its_owner_knows():
    """Between the receipt and the claim written after it, the quantity is not expected any more."""
    claims = {}
    restate(claims, PO, claim(part(10)))
    move(claims, PO, 4)

    assert [quantity for _, _, quantity, _, _ in remaining(claims[PO])] == [6]

    restate(claims, PO, claim(part(6), settled=4))
    assert outstanding(claims[PO]) == 6


def test_a_receipt_may_come_before_the_first_claim():
    """The movement waits for its document; a claim that does not know of it yet is reduced by it."""
    claims = {}
    move(claims, PO, 4)
    restate(claims, PO, claim(part(10)))

    assert outstanding(claims[PO]) == 6


def test_a_claim_that_already_knows_a_receipt_still_to_come_is_not_reduced_by_it():
    """The race the other way round: settled first, moved after."""
    claims = {}
    restate(claims, PO, claim(part(6), settled=4))
    move(claims, PO, 4)

    assert outstanding(claims[PO]) == 6


def test_the_earliest_part_goes_first_and_undated_before_that():
    """Excess is taken by date (none first), then line, then shipment."""
    claims = {}
    restate(claims, PO, claim(part(5, 20_002), part(5, 20_001, "2"), part(5, 20_001), part(5, None, "9")))
    move(claims, PO, 12)

    assert [(line, quantity) for line, _, quantity, _, _ in remaining(claims[PO])] == [("2", 3), ("1", 5)]


def test_a_settled_claim_of_nothing_is_forgotten():
    """Nothing is left of a document that is done, in either order."""
    claims = {}
    move(claims, PO, 4)
    restate(claims, PO, claim(settled=4))

    assert claims == {}

    move(claims, PO, 4)
    move(claims, PO, -4)
    restate(claims, PO, claim())
    assert claims == {}


@given(st.lists(st.integers(1, 20), max_size=5), st.integers(0, 50), st.integers(0, 50))
def test_what_remains_is_never_negative_and_adds_up(quantities, settled, moved):
    """The sum of the remaining parts is the claim less the excess, floored at zero."""
    claims = {}
    restate(claims, PO, claim(*(part(quantity, 20_000 + n) for n, quantity in enumerate(quantities)), settled=settled))
    move(claims, PO, moved)
    left = claims.get(PO)

    expected = max(0, sum(quantities) - max(0, moved - settled))
    assert outstanding(left) == expected
    assert sum(p[2] for p in (remaining(left) if left else [])) == expected


def test_the_legs_of_a_transfer_meet_in_either_order():
    """Left minus arrived; arrival is expected two days after the first leg left; nothing stays when all is in."""
    transit = {}
    transfer(transit, "TRANSFER:T", -4, None)
    assert transit == {"TRANSFER:T": [-4, None]}

    transfer(transit, "TRANSFER:T", 10, 20_000 * DAY + 5)
    assert transit == {"TRANSFER:T": [6, 20_002]}

    transfer(transit, "TRANSFER:T", -6, None)
    assert transit == {}

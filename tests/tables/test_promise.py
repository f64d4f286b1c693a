"""The ATP formulas against their check vectors and identities."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tables.promise import discrete, look_ahead, projected, promise

VECTORS = [
    (
        20,
        [0, 0, 10, 0, 1, 3, 0],
        [3, 0, 0, 15, 0, 0, 0],
        [17, 17, 27, 12, 13, 16, 16],
        [12, 12, 12, 12, 13, 16, 16],
    ),
    (
        0,
        [6, 4, 2, 4, 8, 4, 4, 4],
        [6, 2, 3, 6, 6, 1, 2, 2],
        [0, 2, 1, -1, 1, 4, 6, 8],
        [-1, -1, -1, -1, 1, 4, 6, 8],
    ),
]
quantities = st.integers(0, 50)
buckets = st.lists(st.tuples(quantities, quantities), min_size=1, max_size=12)


@pytest.mark.parametrize(("opening", "receipts", "issues", "balances", "ahead"), VECTORS)
def test_the_published_vectors(opening, receipts, issues, balances, ahead):
    """Projected balance and look-ahead give the figures of the domain's reference."""
    found = projected(opening, receipts, issues)

    assert balances == found
    assert ahead == look_ahead(found)


@pytest.mark.parametrize(("opening", "receipts", "issues", "_balances", "ahead"), VECTORS)
def test_a_promise_by_date_is_the_same_as_by_bucket(opening, receipts, issues, _balances, ahead):
    """Buckets laid on consecutive dates give the vectors' look-ahead, told where the floored value changes."""
    supply = [(100 + day, quantity) for day, quantity in enumerate(receipts)]
    demand = [(100 + day, quantity) for day, quantity in enumerate(issues)]

    signed, schedule = promise(opening, supply, demand, 100, 0)
    floored = [max(0, value) for value in ahead]

    assert signed == ahead[0]
    assert schedule == [(100 + day, floored[day]) for day in range(1, len(ahead)) if floored[day] != floored[day - 1]]


def test_discrete_holds_each_receipt_for_the_issues_before_the_next():
    """Opening 10 serves the first two issues; the receipt of bucket 2 serves what follows; other buckets say 0."""
    assert discrete(10, [0, 0, 8, 0], [3, 2, 1, 4]) == [5, 0, 3, 0]


@given(st.integers(-20, 50), buckets)
def test_discrete_adds_up_to_the_last_balance(opening, rows):
    """Nothing is promised twice: discrete ATP sums to the final projected balance."""
    receipts, issues = [r for r, _ in rows], [i for _, i in rows]

    assert sum(discrete(opening, receipts, issues)) == projected(opening, receipts, issues)[-1]


@given(st.integers(-20, 50), buckets)
def test_look_ahead_never_falls_and_never_exceeds_the_balance(opening, rows):
    """A[t] <= P[t], A never decreases with t, and ends at the last balance."""
    balances = projected(opening, [r for r, _ in rows], [i for _, i in rows])
    ahead = look_ahead(balances)

    assert ahead == sorted(ahead)
    assert all(a <= p for a, p in zip(ahead, balances, strict=True))
    assert ahead[-1] == balances[-1]


@given(st.integers(-20, 50), buckets, st.integers(0, 10), st.randoms())
def test_a_schedule_rises_and_does_not_mind_the_order_of_documents(opening, rows, safety, random):
    """Later promises only grow, each differs from the one before, and the order of supply and demand is nothing."""
    supply = [(100 + day, r) for day, (r, _) in enumerate(rows)]
    demand = [(98 + day, i) for day, (_, i) in enumerate(rows)]
    signed, schedule = promise(opening, supply, demand, 100, safety)
    values = [max(0, signed - safety), *(value for _, value in schedule)]
    random.shuffle(supply)
    random.shuffle(demand)

    assert values == sorted(set(values))
    assert (signed, schedule) == promise(opening, supply, demand, 100, safety)

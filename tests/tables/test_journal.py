"""The journal of movements against a plain list."""

from hypothesis import given
from hypothesis import strategies as st

from tables.journal import LIMIT, NEVER, SIZE, added, since, without

times = st.integers(-(2**40), 2**42)
movements = st.lists(st.tuples(times, st.integers(-(10**6), 10**6), st.integers(0, 3)), max_size=LIMIT + 20)


def filled(moves):
    book, dropped = b"", NEVER
    for at, quantity, disposition in moves:
        book, gone = added(book, at, quantity, disposition)
        dropped = max(dropped, gone)
    return book, dropped


@given(movements, times, st.integers(0, 3))
def test_it_sums_what_came_later_as_a_list_would(moves, at, disposition):
    """Whatever the order of arrival, a sum from any time not dropped is exact."""
    book, dropped = filled(moves)

    assert len(book) <= LIMIT * SIZE
    if at >= dropped:
        assert since(book, at, disposition) == sum(q for t, q, d in moves if t > at and d == disposition)


@given(movements)
def test_only_the_oldest_are_dropped(moves):
    """Beyond the limit the newest stay, and the newest dropped is named."""
    _, dropped = filled(moves)
    newest = sorted(t for t, _, _ in moves)

    assert dropped == (newest[-LIMIT - 1] if len(moves) > LIMIT else NEVER)


@given(movements, times)
def test_a_count_clears_its_disposition_up_to_its_time(moves, at):
    """What a count has overtaken goes; later movements and other dispositions stay."""
    book = without(filled(moves)[0], at, 1)

    assert since(book, NEVER, 1) == since(filled(moves)[0], at, 1)
    assert since(book, NEVER, 2) == since(filled(moves)[0], NEVER, 2)


def test_a_movement_too_large_for_a_record_takes_several():
    """Quantities are as wide as the ledger's."""
    book, _ = added(b"", 5, 10**10, 0)

    assert since(book, 4, 0) == 10**10
    assert since(book, 5, 0) == 0

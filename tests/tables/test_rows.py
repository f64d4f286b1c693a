"""Rows carry what proves them whole, and say when they are due."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tables.outcome import CorruptRow, checked_due, pack_row, unpack_row

NUMBERS = st.integers(-(2**63), 2**63 - 1)


@given(st.binary(), NUMBERS, NUMBERS)
def test_a_row_gives_back_what_was_packed(payload, offset, due):
    """Payload, offset and due time survive the frame."""
    row = pack_row(payload, offset, due)

    assert (payload, offset, due) == unpack_row(row)
    assert due == checked_due(row)


@given(st.binary(min_size=1), st.data())
def test_any_damaged_byte_is_noticed(payload, data):
    """One byte changed anywhere, or a row cut short, never reads as sound."""
    row = bytearray(pack_row(payload, 7, 9))
    place = data.draw(st.integers(0, len(row) - 1))
    row[place] ^= data.draw(st.integers(1, 255))

    for damaged in (bytes(row), pack_row(payload, 7, 9)[:-1]):
        with pytest.raises(CorruptRow):
            checked_due(damaged)
        with pytest.raises(CorruptRow):
            unpack_row(damaged)

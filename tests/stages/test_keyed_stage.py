"""What every keyed stage does around its step: halt on damage, keep the timetable."""

from types import SimpleNamespace

import pytest

from schemas.codec import Undecodable
from streams.stages import Halt, KeyedStage, Timetable
from tables.outcome import Outcome, pack_row


def stage(step=lambda _rows, _entries: Outcome(), decode=lambda value: value):
    return KeyedStage("inventory", decode, step, lambda key, now: ("inventory.ledger", key, {"at": now}))


def test_a_damaged_row_halts_and_is_named():
    """Recovery never guesses."""
    row = bytearray(pack_row(b"payload", 3, 0))
    row[-1] ^= 1

    with pytest.raises(Halt, match=r"table inventory, row b'SKU\|DC01'"):
        stage().recover({b"SKU|DC01": bytes(row)})


def test_a_record_of_our_own_that_cannot_be_read_halts_with_its_place():
    """An internal topic holds only what we wrote: anything else is corruption."""

    def refuse(value):
        raise Undecodable("MALFORMED", "broken")

    record = SimpleNamespace(key=b"k", value=b"?", offset=41, partition=2)

    with pytest.raises(Halt, match=r"inventory\.ledger\[2\] in 41\.\.41"):
        stage(decode=refuse).step("inventory.ledger", [record], 0)


def test_due_rows_get_one_clock_entry_each_until_they_ask_again():
    """From recovered rows and from changed ones; a row that no longer waits gets none."""
    after = {b"b": pack_row(b"", 2, 0), b"c": pack_row(b"", 2, 70)}
    it = stage(step=lambda _rows, _entries: Outcome(rows=dict(after)))
    it.recover({b"a": pack_row(b"", 1, 50), b"b": pack_row(b"", 1, 60)})
    it.step("inventory.ledger", [SimpleNamespace(key=b"x", value=b"", offset=1, partition=0)], 0)

    assert [] == it.sweep(49).outputs
    assert ["a", "c"] == [key for _, key, _ in it.sweep(70).outputs]
    assert [] == it.sweep(99).outputs


def test_times_that_were_put_off_do_not_pile_up():
    """A key that asks for another time with every entry keeps one, and the soonest still come first."""
    timetable = Timetable({b"a": 5_000})
    for at in range(100_000, 200_000):
        timetable.note(b"busy", at)

    assert len(timetable) < 2_000
    timetable.note(b"b", 4_000)
    assert timetable.pop(100_000, 10) == [b"b", b"a"]
    assert timetable.pop(300_000, 10) == [b"busy"]

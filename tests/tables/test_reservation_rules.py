"""Reservations by themselves: what is free, where it is held, what becomes of a hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tables.channels import Channel
from tables.reservations import Shelf, cancel, confirm, earliest, expire, refusal, reserve, spread

SHOP = Channel("webshop", ("A", "B", "C"))
NOW = 1_000_000


def asked(action="RESERVE", name="S.1", channel="webshop", **fields):
    terms = {
        "reservation_id": name,
        "request_id": f"{action}/{name}",
        "action": action,
        "channel": channel,
        "location": None,
        "ttl_ms": 500,
        "order_number": None,
        "line": None,
    }
    return terms | fields


def entry(quantity=0, at=NOW):
    return {"quantity": quantity, "recorded_at": at, "correlation_id": "basket"}


def held(reservations, quantity=3, places=(("A", 5), ("B", 5)), **fields):
    return reserve(reservations, asked(**fields), entry(quantity), SHOP, "", Shelf(places, 0))


@pytest.mark.parametrize(
    ("places", "buffer", "location", "free"),
    [
        ((("A", 5), ("B", 4)), 0, None, 9),
        ((("A", 5), ("B", 4)), 3, None, 6),
        ((("A", 5), ("B", 4)), 3, "A", 5),
        ((("A", 5), ("B", 4)), 7, "A", 2),
        ((("A", 5), ("B", 4)), 10, None, 0),
        ((("A", 5),), 0, "B", 0),
        ((), 0, None, 0),
    ],
)
def test_free_is_the_sum_less_the_buffer_and_at_a_place_no_more_than_it_promises(places, buffer, location, free):
    """The buffer is kept back of the whole, not of each place."""
    assert Shelf(places, buffer).free(location) == free


def test_reasons_come_in_order_of_who_can_mend_them():
    """No such channel, not its item, not its place, not enough."""
    shelf = Shelf((("A", 5),), 0)
    books = Channel("books", ("A",), segments=frozenset({"B"}))

    assert refusal(None, "", shelf, None, 1) == "UNKNOWN_CHANNEL"
    assert refusal(books, "X", shelf, "Z", 9) == "NOT_SOLD"
    assert refusal(books, "B", shelf, "Z", 9) == "LOCATION_NOT_SOURCED"
    assert refusal(books, "B", shelf, "A", 9) == "INSUFFICIENT"
    assert refusal(books, "B", shelf, "A", 5) is None


@given(st.lists(st.integers(0, 9), min_size=1, max_size=5), st.integers(1, 45))
def test_parts_add_up_and_no_place_holds_more_than_it_promises(promised, quantity):
    """One place whenever one has it all."""
    shelf = Shelf([(f"L{n}", atp) for n, atp in enumerate(promised)], 0)
    if quantity > shelf.free(None):
        return
    parts = spread(shelf, None, quantity)

    assert sum(part for _, part in parts) == quantity
    assert all(0 < part <= dict(shelf.places)[place] for place, part in parts)
    assert (len(parts) == 1) is (quantity <= max(promised))


def test_a_hold_is_put_on_each_place_and_taken_off_each():
    """What was changed on the way in is changed back on the way out."""
    reservations = {}
    put = held(reservations, 10)
    gone = cancel(reservations, asked("CANCEL"))

    assert put.changes == [("A", "RESERVATION:S.1", 5, None), ("B", "RESERVATION:S.1", 5, None)]
    assert gone.changes == [("A", "RESERVATION:S.1", 0, None), ("B", "RESERVATION:S.1", 0, None)]
    assert reservations == {}


def test_a_confirmed_hold_changes_its_name_only():
    """In one go: at no place is it held twice, or not at all."""
    reservations = {}
    held(reservations, 4)
    [verdict] = confirm(reservations, asked("CONFIRM", order_number="O:1", line="7"), entry(at=NOW + 499))

    assert verdict.changes == [("A", "RESERVATION:S.1", 0, None), ("A", "CONFIRMED:O:1:S.1", 4, "O:1")]
    assert (verdict.state, verdict.order_number, verdict.line, verdict.expires_at) == ("CONFIRMED", "O:1", "7", None)
    assert reservations == {}


def test_what_is_over_goes_and_the_rest_stays():
    """At its end, not before; the earliest end of the rest is when to look again."""
    reservations = {}
    for n, ttl in enumerate((500, 300, 400)):
        held(reservations, 1, name=f"S.{n}", ttl_ms=ttl)
    assert earliest(reservations) == NOW + 300

    assert expire(reservations, NOW + 299) == []
    assert [verdict.reservation_id for verdict in expire(reservations, NOW + 400)] == ["S.1", "S.2"]
    assert (list(reservations), earliest(reservations)) == (["S.0"], NOW + 500)
    assert (earliest({}), expire({}, NOW)) == (0, [])

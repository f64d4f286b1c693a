"""A transaction that says only the newest offer of a key leaves no gap in what a channel can follow."""

from streams.task import _in_place_of


def test_the_offer_sent_alone_continues_from_where_the_unsent_one_did():
    """A channel at revision 2 with quantity 7 gets revision 4 and sees neither a gap nor a repeat."""
    third = {"revision": 3, "previous_revision": 2, "quantity": 0, "previous_quantity": 7, "status": "OUT"}
    fourth = {"revision": 4, "previous_revision": 3, "quantity": 5, "previous_quantity": 0, "status": "LOW"}
    sent = _in_place_of(third, fourth)

    assert sent == {"revision": 4, "previous_revision": 2, "quantity": 5, "previous_quantity": 7, "status": "LOW"}


def test_whole_answers_replace_one_another_as_they_are():
    """A snapshot carries no link to the one before."""
    assert _in_place_of({"revision": 1, "atp": 3}, {"revision": 2, "atp": 4}) == {"revision": 2, "atp": 4}

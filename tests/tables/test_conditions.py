"""Conditions: raised once when they come true, resolved once when they cease."""

from tables.conditions import settle
from tables.exceptions import exception_id

SHORT, LATE = ("SHORT_RECEIPT", "PURCHASE_ORDER_LINE", "P/1"), ("ACK_DATE", "PURCHASE_ORDER_LINE", "P/1")
CAUSE = {"coordinate": "in[0]@7", "recorded_at": 5, "correlation_id": "c"}


def settled(opened, found):
    outputs = []
    now = settle(opened, found, CAUSE, "ACME", outputs)
    return now, [(topic, record["category"]) for topic, _, record in outputs]


def test_what_is_new_is_raised_and_what_is_gone_is_resolved():
    """The open ones are remembered in the row, sorted."""
    assert settled([], {SHORT: "m", LATE: "m"}) == (
        [list(LATE), list(SHORT)],
        [("exceptions", "ACK_DATE"), ("exceptions", "SHORT_RECEIPT")],
    )
    assert settled([list(LATE), list(SHORT)], {LATE: "m"}) == (
        [list(LATE)],
        [("exceptions.resolutions", "SHORT_RECEIPT")],
    )


def test_what_holds_on_is_not_said_again():
    """Even when its figures have changed."""
    assert settled([list(LATE)], {LATE: "other"}) == ([list(LATE)], [])


def test_a_condition_has_one_identity_whatever_record_shows_it():
    """So that a replay raises nothing twice and a resolution finds it."""
    outputs = []
    settle([], {SHORT: "m"}, CAUSE, None, outputs)

    ((_, key, record),) = outputs

    assert key == record["exception_id"] == exception_id(*SHORT)
    assert record["coordinate"] == "in[0]@7"

"""What readers show while a feed is not fresh."""

from hypothesis import given
from hypothesis import strategies as st

from tables.fallback import FallbackRule, Rule, fallback, worst_by_location

OFFER = {
    "channel": "webshop",
    "sku": "S1",
    "revision": 4,
    "previous_revision": 3,
    "quantity": 25,
    "previous_quantity": 20,
    "status": "IN_STOCK",
    "by_location": [{"location": "DC01", "quantity": 20}, {"location": "DC02", "quantity": 10}],
    "next_date": 20_000,
    "buffer": 5,
    "fallback": None,
    "as_of": 1,
    "computed_at": 2,
    "correlation_id": "c",
}
WITHHELD = FallbackRule(late=Rule("HAIRCUT", 50), stale=Rule("WITHHOLD"))


def test_fresh_feeds_are_shown_as_they_are():
    """No status counts as fresh: the record is handed back untouched."""
    assert fallback(OFFER, {"DC01": "FRESH"}, WITHHELD) is OFFER


def test_only_the_silent_location_is_cut():
    """A warehouse that is offline takes its own stock off the shelf and no one else's."""
    answer = fallback(OFFER, {"DC01": "STALE"}, WITHHELD, low_at=5)

    assert answer["quantity"] == 5
    assert answer["status"] == "LOW"
    assert answer["fallback"] == "WITHHOLD DC01 STALE"
    assert answer["by_location"] == [{"location": "DC01", "quantity": 0}, {"location": "DC02", "quantity": 10}]


def test_each_status_has_its_rule():
    """Late is cut by half, stale withheld, and the buffer taken off what is left."""
    answer = fallback(OFFER, {"DC01": "LATE", "DC02": "STALE"}, WITHHELD)

    assert answer["quantity"] == 5
    assert answer["fallback"] == "HAIRCUT 50% DC01 LATE; WITHHOLD DC02 STALE"


def test_nothing_left_is_out_or_expected():
    """Whether more will come decides the word."""
    stale = {"DC01": "STALE", "DC02": "STALE"}

    assert fallback(OFFER, stale, WITHHELD)["status"] == "EXPECTED"
    assert fallback({**OFFER, "next_date": None}, stale, WITHHELD)["status"] == "OUT"


rules = st.builds(Rule, st.sampled_from(["USE_LAST", "HAIRCUT", "CAP", "WITHHOLD"]), st.integers(0, 100))


@given(st.builds(FallbackRule, rules, rules), st.sampled_from(["FRESH", "LATE", "STALE"]))
def test_a_fallback_never_shows_more(rule, status):
    """Caution only ever takes away."""
    assert 0 <= fallback(OFFER, {"DC01": status, "DC02": status}, rule)["quantity"] <= OFFER["quantity"]


def test_a_location_is_as_fresh_as_its_worst_feed():
    """Two scanners' feeds, one silent: the location is not fresh."""
    feeds = [{"location": "DC01", "status": status} for status in ("FRESH", "STALE", "LATE")]

    assert worst_by_location([*feeds, {"location": "DC02", "status": "LATE"}]) == {"DC01": "STALE", "DC02": "LATE"}

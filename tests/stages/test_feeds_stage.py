"""Feeds: events and heartbeats in, one status a feed out, silence told by the clock."""

from document_events import Stage
from hypothesis import given
from hypothesis import strategies as st

from streams import feeds
from tables.freshness import Thresholds
from tables.outcome import unpack_row

MINUTE = 60_000
T0 = 1_770_000_000_000
KEY = "WMS-DC01|DC01"
RULES = Thresholds(late_after_ms=15 * MINUTE, stale_after_ms=60 * MINUTE)


def stage() -> Stage:
    return Stage(lambda rows, entries: feeds.step(rows, entries, RULES))


def event(kind: str, event_time: int, recorded_at: int) -> tuple:
    record = {"kind": kind, "source": "WMS-DC01", "location": "DC01", "event_time": event_time}
    return "feed.events", KEY, record | {"recorded_at": recorded_at}


def due(feed: Stage) -> int:
    return unpack_row(feed.rows[KEY.encode()])[2]


def statuses(outputs) -> list[tuple[str, int]]:
    return [(record["status"], record["since"]) for _, _, record in outputs]


def test_first_sign_of_life_is_published():
    """A feed exists from its first event on."""
    [(topic, key, record)] = stage().take(event("EVENTS", T0 - 5, T0))

    assert (
        topic,
        key,
        record["status"],
        record["last_event_at"],
        record["last_heartbeat_at"],
    ) == ("feeds.status", KEY, "FRESH", T0 - 5, None)


def test_silence_makes_a_feed_late_then_stale_and_a_sign_fresh_again():
    """Each change is told once, with the time it began; the row asks for its clock when the next one is due."""
    feed = stage()
    feed.take(event("EVENTS", T0, T0))
    assert due(feed) == T0 + 15 * MINUTE

    late = feed.take(feeds.clock(KEY, due(feed)))
    assert due(feed) == T0 + 60 * MINUTE
    stale = feed.take(feeds.clock(KEY, due(feed) + 7))
    assert due(feed) == 0
    fresh = feed.take(event("HEARTBEAT", T0 + 90 * MINUTE, T0 + 90 * MINUTE))

    assert statuses(late) == [("LATE", T0 + 15 * MINUTE)]
    assert statuses(stale) == [("STALE", T0 + 60 * MINUTE)]
    assert statuses(fresh) == [("FRESH", T0 + 90 * MINUTE)]


def test_quiet_warehouse_with_a_heartbeat_is_fresh():
    """No scans is not no connection."""
    feed = stage()
    feed.take(event("EVENTS", T0, T0))
    for minute in range(10, 180, 10):
        at = T0 + minute * MINUTE
        outputs = feed.take(event("HEARTBEAT", at, at))

    assert statuses(outputs) == [("FRESH", T0)]


def test_old_batch_does_not_make_a_feed_fresh():
    """What counts is when things happened, not when they were sent."""
    feed = stage()

    outputs = feed.take(event("EVENTS", T0 - 30 * MINUTE, T0))

    assert statuses(outputs) == [("LATE", T0 - 15 * MINUTE)]


def test_live_feed_is_told_again_at_most_once_a_minute():
    """Enough for its last times to be of use, far fewer than its events."""
    feed = stage()
    outputs = [
        output for second in range(180) for output in feed.take(event("EVENTS", T0 + second * 1000, T0 + second * 1000))
    ]

    assert [record["computed_at"] for _, _, record in outputs] == [T0, T0 + 60_000, T0 + 120_000]


def test_early_clock_is_asked_for_again():
    """A sign of life after the clock was asked for moves the time, and the row says so."""
    feed = stage()
    feed.take(event("EVENTS", T0, T0))
    feed.take(event("EVENTS", T0 + MINUTE, T0 + MINUTE))

    assert feed.take(feeds.clock(KEY, T0 + 15 * MINUTE)) == []
    assert due(feed) == T0 + 16 * MINUTE


events = st.lists(
    st.tuples(st.sampled_from(["EVENTS", "HEARTBEAT"]), st.integers(0, 100), st.integers(0, 100)),
    min_size=1,
    max_size=20,
)


@given(events, st.randoms(use_true_random=False))
def test_last_times_do_not_depend_on_the_order_of_signs(signs, random):
    """Maxima: any interleaving of several intakes gives the same times, status and due time."""
    shuffled = list(signs)
    random.shuffle(shuffled)
    ends = []
    for order in (signs, shuffled):
        feed = stage()
        feed.each(*(event(kind, T0 + at * MINUTE, T0 + seen * MINUTE) for kind, at, seen in order))
        feed.take(feeds.clock(KEY, T0 + 300 * MINUTE))
        row = feed.row(KEY)
        ends.append((row[2], row[3], row[4], row[6], due(feed)))

    assert ends[0] == ends[1]


@given(events, st.integers(1, 7))
def test_row_does_not_depend_on_chunks(signs, size):
    """The same entries in any chunks give the same bytes."""
    entries = [event(kind, T0 + at * MINUTE, T0 + seen * MINUTE) for kind, at, seen in signs]
    one, many = stage(), stage()
    one.each(*entries)
    for at in range(0, len(entries), size):
        many.take(*entries[at : at + size])

    assert one.rows == many.rows


def test_a_clock_that_was_ahead_and_was_mended_leaves_no_feed_stale():
    """By it every feed was silent for a day; by the right one they are alive, and the next event says so."""
    feed = stage()
    feed.take(event("EVENTS", T0, T0))
    assert statuses(feed.take(event("EVENTS", T0 + 1, T0 + 1440 * MINUTE)))[0][0] == "STALE"

    assert statuses(feed.take(event("EVENTS", T0 + MINUTE, T0 + MINUTE))) == [("FRESH", T0 + MINUTE)]
    assert due(feed) == T0 + 16 * MINUTE

"""The Redis view when something breaks: instances die and freeze, Redis is emptied, stopped, replaced."""

import os
import signal
import threading
from collections.abc import Iterator

import pytest
import redis
from redis_under_test import RedisUnderTest
from view_under_test import ViewUnderTest, names, wait_for

from connectors import view_keys as keys
from tests.monitoring.exposition import Samples, samples, scraped, value

pytestmark = pytest.mark.stack
POSITIONS = 3_000


@pytest.fixture
def own_redis(tmp_path) -> Iterator[RedisUnderTest]:
    server = RedisUnderTest(tmp_path)
    server.start()
    wait_for(server.server.ready, 20, "Redis")
    yield server
    server.stop(kill=True)


@pytest.fixture
def view(stack, tmp_path, own_redis) -> Iterator[ViewUnderTest]:
    """A view in a Redis of the test's own; the test starts its instances."""
    view = ViewUnderTest(stack, tmp_path, own_redis.url)
    yield view
    view.close()


def told(view) -> Samples:
    """What the first instance says at /metrics."""
    return samples(scraped(view.instances["one"].url))


def test_a_redis_emptied_under_the_view_is_filled_again(view):
    """FLUSHALL on a quiet day: noticed without any new record, and everything is there again."""
    expected = positions(view, "FLUSH")
    view.start("one")
    view.await_revisions(expected)
    epoch = view.redis.hget(keys.view(view.app), keys.EPOCH)
    view.redis.flushall()
    view.await_revisions(expected)

    assert epoch != view.redis.hget(keys.view(view.app), keys.EPOCH)
    wait_for(lambda: view.state("one") == "ready", 30, "the view to be ready again")
    assert value(told(view), "stockstream_view_repositioned_total", why="emptied") == 1


def test_a_redis_emptied_between_batches_is_filled_again_by_all_instances(view):
    """FLUSHALL while records come in and two instances share the work: both start over."""
    expected = positions(view, "FLUSH2")
    view.start("one", "two")
    view.await_revisions(expected)
    for revision in range(2, 7):
        expected = positions(view, "", revision, skus=list(expected))
        if revision == 4:
            view.redis.flushall()
    view.await_revisions(expected)


def test_an_outage_of_redis_pauses_the_view_and_loses_nothing(view, own_redis):
    """Stopped with records coming in: /readyz says since when; started again, all is there."""
    expected = positions(view, "AWAY")
    view.start("one")
    view.await_revisions(expected)
    own_redis.stop()
    expected = positions(view, "", 2, skus=list(expected))
    wait_for(lambda: view.state("one").startswith("redis is away since "), 30, "/readyz to say that Redis is away")
    away = told(view)
    own_redis.start()
    view.await_revisions(expected)
    wait_for(lambda: view.state("one") == "ready", 30, "the view to be ready again")

    assert view.instances["one"].ended() is None
    assert value(away, "stockstream_view_away", what="redis") == 1
    assert value(told(view), "stockstream_view_away", what="redis") == 0
    assert value(told(view), "stockstream_view_outages_total", what="redis") >= 1


def test_an_empty_redis_in_place_of_the_one_before_is_filled(view, own_redis):
    """A failover to a server without the data."""
    expected = positions(view, "NEW")
    view.start("one")
    view.await_revisions(expected)
    own_redis.replace()
    view.await_revisions(expected)


def test_a_redis_that_lost_the_last_seconds_gets_them_again(view):
    """A failover to a replica that was behind, noticed without any new record: the view reads on from there."""
    expected = positions(view, "BEHIND")
    view.start("one")
    view.await_revisions(expected)
    before = dumped(view)
    newer = positions(view, "", 2, skus=list(expected))
    view.await_revisions(newer)
    put_back(view, before)
    view.await_revisions(newer)


def test_scripts_are_loaded_again_when_redis_forgot_them(view):
    """SCRIPT FLUSH, as after a restart."""
    expected = positions(view, "SCRIPT")
    view.start("one")
    view.await_revisions(expected)
    view.redis.script_flush()
    view.await_revisions(positions(view, "", 2, skus=list(expected)))


def test_what_is_left_of_a_view_without_its_marker_is_swept_up(view):
    """Leftovers of another past, with revisions above those of today, do not stay in the way; other keys do stay."""
    (sku, gone) = names("LEFT", 2)
    view.redis.hset(keys.sku(view.app, sku), mapping={"DC01": "{}", "r:DC01": "99"})
    view.redis.hset(keys.sku(view.app, gone), mapping={"DC01": "{}", "r:DC01": "99"})
    view.redis.set(f"{view.app}:limit:somebody", "1")
    view.snapshot(sku, "DC01", 1)
    view.start("one")
    view.await_revisions({sku: 1})

    assert not view.redis.exists(keys.sku(view.app, gone))
    assert view.redis.exists(f"{view.app}:limit:somebody")


def test_a_killed_instance_is_replaced_with_nothing_missing(view):
    """SIGKILL with a batch under way in Redis: the other takes its partitions over where Redis stands."""
    expected = positions(view, "KILL")
    view.start("one", "two")
    view.await_revisions(expected)
    view.redis.client_pause(1_500, all=False)  # batches are sent now, and hang in Redis
    expected = positions(view, "", 2, skus=list(expected))
    view.instances["one"].kill()
    view.await_revisions(expected)


def test_a_rebuild_goes_on_where_a_killed_instance_left_it(view):
    """SIGKILL again and again while an empty Redis is filled."""
    expected = positions(view, "REBUILD", count=10_000)
    for number in range(3):
        view.start(f"short-{number}", wait=False, view_batch_records=50)
        wait_for(lambda n=number: offsets(view) > n * 500, 30, "the rebuild to get on")
        view.instances[f"short-{number}"].kill()
    view.start("last")
    view.await_revisions(expected)


def test_two_instances_that_race_never_let_a_reader_see_an_older_revision(view):
    """One freezes with a batch in hand, loses its partitions, and wakes; instances come and go meanwhile."""
    expected = positions(view, "RACE", count=300)
    view.start("one", "two", view_batch_records=50, view_redis_timeout_ms=60_000)
    view.await_revisions(expected)
    wait_for(lambda: share(view, "one") and share(view, "two"), 60, "both to have partitions")
    with Watch(view, list(expected)) as watch:
        view.redis.client_pause(30_000, all=False)  # writes hang in Redis; behind them the next batches are read
        for revision in range(2, 6):
            expected = positions(view, "", revision, skus=list(expected))
        threading.Event().wait(1)
        os.kill(view.instances["one"].pid, signal.SIGSTOP)
        view.redis.client_unpause()
        for revision in range(6, 10):
            expected = positions(view, "", revision, skus=list(expected))
        view.await_revisions(expected)  # the other has taken all over
        os.kill(view.instances["one"].pid, signal.SIGCONT)
        view.start("three", wait=False)
        for revision in range(10, 40):
            expected = positions(view, "", revision, skus=list(expected))
        view.instances["two"].kill()
        expected = positions(view, "", 40, skus=list(expected))
        view.await_revisions(expected)

    assert [] == watch.went_back
    assert watch.looks > 0


def test_the_view_gets_in_with_a_password_from_a_file(stack, tmp_path):
    """The password stands in a file, not in the URL; without it the view says that it cannot get in."""
    server = RedisUnderTest(tmp_path, "--requirepass", "secret")
    server.start()
    view = ViewUnderTest(stack, tmp_path, server.url)
    try:
        (tmp_path / "password").write_text("secret\n")
        view.start("outside", wait=False)
        wait_for(lambda: view.state("outside").startswith("redis is away"), 30, "/readyz to say that Redis refuses")
        view.instances["outside"].stop()
        view.start("inside", redis_password_file=tmp_path / "password")
    finally:
        view.close()
        server.stop(kill=True)


def positions(view, prefix, revision=1, *, skus=None, count=POSITIONS):
    """Send one revision of every SKU; what readers shall find."""
    skus = skus or names(prefix, count)
    for sku in skus:
        view.snapshot(sku, "DC01", revision)
    view.flush()
    return dict.fromkeys(skus, revision)


def dumped(view):
    """Every key as it is now."""
    client = redis.Redis.from_url(view.redis_url)
    return {key: client.dump(key) for key in client.keys("*")}


def put_back(view, before):
    """As it was then, in one moment."""
    client = redis.Redis.from_url(view.redis_url)
    pipeline = client.pipeline(transaction=True)
    pipeline.flushall()
    for key, held in before.items():
        pipeline.restore(key, 0, held)
    pipeline.execute()


def offsets(view):
    fields = view.redis.hgetall(keys.view(view.app))
    return sum(int(value) for name, value in fields.items() if name.startswith(keys.OFFSET))


def share(view, name):
    """How many partitions an instance says it has."""
    return view.instances[name].answer()[1].get("partitions", 0)


class Watch:
    """Looks at revisions all the time, and notes any that went back."""

    def __init__(self, view, skus):
        self._view, self._skus = view, skus
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.went_back, self.looks = [], 0

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(30)

    def _look(self):
        last = {}
        while not self._stop.is_set():
            found = self._view.revisions(self._skus)
            self.went_back += [(sku, last[sku], found.get(sku)) for sku in last if found.get(sku, 0) < last[sku]]
            last, self.looks = found, self.looks + 1

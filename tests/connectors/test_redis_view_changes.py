"""The view's script and its changes, against a real Redis: any order the two exception topics come in, limits, fencing."""

import asyncio
import uuid

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from view_under_test import example, snapshot

from connectors import view_keys as keys
from connectors.outbound.redis_view.changes import Changes
from connectors.outbound.redis_view.settings import Settings
from connectors.outbound.redis_view.store import NotTheView, Store, connect

pytestmark = pytest.mark.stack
PLACE = ("exceptions", 0)


@st.composite
def histories(draw):
    """A condition raised and resolved by turns: some time apart, the last few in one transaction; and an arrival order.

    True is a raise. The order merges the two topics, each of which keeps its own.
    """
    apart, together = draw(st.integers(0, 5)), draw(st.integers(1, 5))
    events = [(number % 2 == 0, min(apart, number)) for number in range(apart + together)]
    topics = {kind: [event for event in events if event[0] is kind] for kind in (True, False)}
    turns = draw(st.permutations([event[0] for event in events]))
    return events, [topics[kind].pop(0) for kind in turns]


@given(histories(), st.booleans())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_exceptions_end_as_they_were_left_whatever_order_they_came_in(redis_url, history, one_batch):
    """Open if the last thing that happened was a raise; in exactly the index that says so."""
    events, arrivals = history
    app, client = f"lua-{uuid.uuid4().hex[:8]}", redis.Redis.from_url(redis_url, decode_responses=True)
    batches = [arrivals] if one_batch else [[arrival] for arrival in arrivals]
    asyncio.run(apply(redis_url, app, [exceptions(app, "X", batch) for batch in batches]))
    found = client.hgetall(keys.exception(app, "X"))
    open_, closed = (
        client.zscore(key, "X") is not None for key in (keys.exceptions_open(app), keys.exceptions_closed(app))
    )

    assert events[-1][0] == (found[keys.STATUS] == keys.OPEN)
    assert (events[-1][0], not events[-1][0]) == (open_, closed)
    assert open_ == (keys.RESOLUTION not in found)
    group = keys.group("OVER_RECEIPT", "HIGH", "buyer-fasteners")
    assert [group] == sorted(client.smembers(keys.exception_groups(app)))
    assert client.zrange(keys.exceptions_of(app, group), 0, -1, withscores=True) == client.zrange(
        keys.exceptions_open(app), 0, -1, withscores=True
    )


def test_only_the_newest_settled_exceptions_are_kept(redis_url, monkeypatch):
    """Of older ones a note stays for a while, so that what is settled never comes up as open."""
    monkeypatch.setattr(keys, "CLOSED_KEPT", 3)
    app, client = f"lua-{uuid.uuid4().hex[:8]}", redis.Redis.from_url(redis_url, decode_responses=True)
    batches = [exceptions(app, f"X{number}", [(True, number), (False, number + 1)]) for number in range(6)]
    batches.append(exceptions(app, "X0", [(True, 0)]))
    asyncio.run(apply(redis_url, app, batches))

    assert ["X3", "X4", "X5"] == client.zrange(keys.exceptions_closed(app), 0, -1)
    assert [] == client.zrange(keys.exceptions_open(app), 0, -1)
    assert not client.hexists(keys.exception(app, "X0"), keys.VALUE)
    assert client.ttl(keys.exception(app, "X0")) > 0
    assert client.ttl(keys.exception(app, "X5")) == -1


def test_an_exception_raised_again_for_another_owner_counts_for_that_one(redis_url):
    """And one that is deleted counts for nobody."""
    app, found = f"lua-{uuid.uuid4().hex[:8]}", []
    first, second = exceptions(app, "X", [(True, 5)]), Changes(app)
    raised = example("ExceptionRaised", "over-receipt-without-a-record") | {"exception_id": "X", "original": b""}
    second.add("exceptions", "X", raised | {"owner": "somebody", "raised_at": 7}, 7)
    gone = Changes(app)
    gone.add("exceptions", "X", None, 9)

    async def scenario():
        store = Store(connect(Settings(redis=redis_url, app=app)), app)
        await store.open()
        for number, changes in enumerate((first, second, gone)):
            await store.apply(changes, {PLACE: (str(number) if number else "", str(number + 1))})
            found.append(await store.open_exceptions())
        await store.close()

    asyncio.run(scenario())
    buyer, other = keys.group("OVER_RECEIPT", "HIGH", "buyer-fasteners"), keys.group("OVER_RECEIPT", "HIGH", "somebody")

    assert [[(buyer, 1, 5)], [(buyer, 0, None), (other, 1, 7)], [(buyer, 0, None), (other, 0, None)]] == found


def test_a_batch_counts_once_and_only_where_the_view_stands(redis_url):
    """A batch sent again, from elsewhere, or to a view that was built anew is refused whole."""
    app, client = f"lua-{uuid.uuid4().hex[:8]}", redis.Redis.from_url(redis_url, decode_responses=True)

    async def scenario():
        store = Store(connect(Settings(redis=redis_url, app=app)), app)
        await store.open()
        await store.apply(position(app, 1), {PLACE: ("", "5")})
        for stored in ("", "3", "7"):
            with pytest.raises(NotTheView, match="moved"):
                await store.apply(position(app, 2), {PLACE: (stored, "9")})
        client.hset(keys.view(app), keys.EPOCH, "another")
        with pytest.raises(NotTheView, match="emptied"):
            await store.apply(position(app, 2), {PLACE: ("5", "9")})
        with pytest.raises(NotTheView, match="emptied"):
            await store.sign_of_life("one", {"state": "live"}, [])
        await store.close()

    asyncio.run(scenario())

    assert "1" == client.hget(keys.sku(app, "S"), keys.revision_of("DC01"))
    assert "5" == client.hget(keys.view(app), keys.offset_field(*PLACE))


def test_nobody_says_live_while_a_partition_has_not_been_read_to_its_end(redis_url):
    """Whichever partitions an instance has, the view is rebuilding until all are built."""
    app, client = f"lua-{uuid.uuid4().hex[:8]}", redis.Redis.from_url(redis_url, decode_responses=True)
    parts, said = [("feeds.status", 0), ("feeds.status", 1)], []

    async def scenario():
        store = Store(connect(Settings(redis=redis_url, app=app)), app)
        await store.open()
        for part in ([], parts[:1], parts[1:]):
            await store.mark_built(part)
            await store.sign_of_life("one", {"state": "live"}, parts)
            said.append(client.hget(keys.view(app), keys.instance_field("one")))
        await store.close()

    asyncio.run(scenario())

    assert ['{"state":"rebuilding"}', '{"state":"rebuilding"}', '{"state":"live"}'] == said


def test_of_several_records_of_one_position_in_a_batch_only_the_newest_goes_to_redis():
    """Newest by revision, not by place in the batch; a deletion stands between what is before and after it."""
    changes = Changes("app")
    for revision in (1, 3, 2):
        changes.add("availability.snapshots", "S|DC01", snapshot("S", "DC01", revision), 0)
    changes.add("availability.snapshots", "S|DC01", None, 0)
    changes.add("availability.snapshots", "S|DC01", snapshot("S", "DC01", 1), 0)
    run = changes.runs["availability.snapshots"]

    assert ["3", "0", "1"] == [change.args[1] for change in run.changes]
    assert 2 == run.superseded


async def apply(url, app, batches):
    store = Store(connect(Settings(redis=url, app=app)), app)
    await store.open()
    for number, changes in enumerate(batches):
        await store.apply(changes, {PLACE: (str(number) if number else "", str(number + 1))})
    await store.close()


def exceptions(app, identifier, events):
    """Raises (True) and resolutions at times."""
    changes = Changes(app)
    raised = example("ExceptionRaised", "over-receipt-without-a-record") | {"exception_id": identifier, "original": b""}
    resolved = example("ExceptionResolved", "replayed") | {"exception_id": identifier}
    for is_raise, at in events:
        if is_raise:
            changes.add("exceptions", identifier, raised | {"raised_at": at}, at)
        else:
            changes.add("exceptions.resolutions", identifier, resolved | {"resolved_at": at}, at)
    return changes


def position(app, revision):
    changes = Changes(app)
    changes.add("availability.snapshots", "S|DC01", snapshot("S", "DC01", revision), 0)
    return changes

"""The Redis view on a real Kafka and a real Redis: what readers find there, whatever came in which order."""

import base64
import time
import urllib.request
from collections.abc import Iterator

import orjson
import pytest
from confluent_kafka import Producer
from confluent_kafka.schema_registry import Schema
from view_under_test import SNAPSHOTS, ViewUnderTest, example, names, snapshot, wait_for

from connectors import view_keys as keys
from schemas import registry
from schemas.codec import HEADER, source

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def view(stack, tmp_path_factory) -> Iterator[ViewUnderTest]:
    """One instance that all tests of this file share."""
    view = ViewUnderTest(stack, tmp_path_factory.mktemp("view"), stack.redis_url)
    try:
        view.start("one")
        yield view
    finally:
        view.close()


def test_a_position_reads_as_its_newest_record(view):
    """Every field of the newest record of each location is there, as JSON."""
    (sku,) = names("POS", 1)
    for revision in (1, 2, 3):
        newest = view.snapshot(sku, "DC01", revision)
    other = view.snapshot(sku, "DC02", 7)
    view.await_all()

    assert newest == view.position(sku, "DC01")
    assert other == view.position(sku, "DC02")
    assert {"DC01", "DC02"} == keys.records(view.redis.hgetall(keys.sku(view.app, sku))).keys()


def test_older_revisions_and_repeats_change_nothing(view):
    """Compare-and-set by revision, in one batch and over several."""
    (sku,) = names("OLD", 1)
    newest = view.snapshot(sku, "DC01", 5)
    view.snapshot(sku, "DC01", 4)
    view.await_all()
    for revision in (3, 5, 1):
        view.snapshot(sku, "DC01", revision, on_hand=-1)
        view.offer(sku, revision)
        view.await_all()

    assert newest == view.position(sku, "DC01")
    assert "5" == view.redis.hget(keys.offer(view.app, view.channel, sku), keys.REVISION)


def test_a_deleted_position_and_a_deleted_offer_are_gone_and_may_come_again(view):
    """Null values delete, from the index too; a later record starts anew whatever its revision."""
    (sku,) = names("DEL", 1)
    view.snapshot(sku, "DC01", 5)
    view.offer(sku, 5)
    view.await_all()
    view.send(SNAPSHOTS, f"{sku}|DC01", None, partition=sum(sku.encode()) % 4)
    view.send(view.offers, sku, None)
    view.await_all()

    assert not view.redis.exists(keys.sku(view.app, sku), keys.offer(view.app, view.channel, sku))
    assert view.redis.zscore(keys.offers(view.app, view.channel), sku) is None

    again, offered = view.snapshot(sku, "DC01", 1), view.offer(sku, 1)
    view.await_all()

    assert again == view.position(sku, "DC01")
    assert offered == orjson.loads(view.redis.hget(keys.offer(view.app, view.channel, sku), keys.VALUE))


def test_offers_can_be_paged_in_order_of_sku(view):
    """The index holds every SKU with an offer once, in lexicographic order."""
    skus = names("PAGE", 30)
    for sku in reversed(skus):
        view.offer(sku, 1)
        view.offer(sku, 2)
    view.await_all()

    index, prefix = keys.offers(view.app, view.channel), skus[0][:-5]
    found = view.redis.zrangebylex(index, f"[{prefix}", f"[{prefix}~", start=0, num=20)
    found += view.redis.zrangebylex(index, f"({found[-1]}", f"[{prefix}~", start=0, num=20)

    assert skus == found


def test_a_feed_shows_its_last_status(view):
    """Two statuses computed in one millisecond: the later one holds."""
    late = example("FeedStatus", "late") | {"source": view.app, "location": "DC01"}
    view.send("feeds.status", f"{view.app}|DC01", late, partition=0)
    fresh = late | {"status": "FRESH"}
    view.send("feeds.status", f"{view.app}|DC01", fresh, partition=0)
    view.await_all()

    assert fresh == orjson.loads(view.redis.hget(keys.feeds(view.app), f"{view.app}|DC01"))


def test_an_exception_shows_its_original_bytes_and_is_open(view):
    """Bytes travel as base64; the index of open ones has it by the time it was raised."""
    raised = an_exception(view, "open") | {"original": b"\x00\xff raw"}
    view.send("exceptions", raised["exception_id"], raised)
    view.await_all()
    found = view.redis.hgetall(keys.exception(view.app, raised["exception_id"]))
    record = orjson.loads(found[keys.VALUE])

    assert b"\x00\xff raw" == base64.b64decode(record["original"])
    assert keys.OPEN == found[keys.STATUS]
    assert raised["raised_at"] == view.redis.zscore(keys.exceptions_open(view.app), raised["exception_id"])


def test_a_resolution_that_comes_before_its_exception_settles_it(view):
    """The two topics have no order between them: the end is the same, and it is never open to readers."""
    raised = an_exception(view, "early")
    identifier, now = raised["exception_id"], time.time_ns() // 1_000_000
    view.send("exceptions.resolutions", identifier, a_resolution(identifier, "REPLAYED"), timestamp=now)
    view.await_all()
    before = view.redis.hgetall(keys.exception(view.app, identifier))
    view.send("exceptions", identifier, raised, timestamp=now - 5)
    view.await_all()
    found = view.redis.hgetall(keys.exception(view.app, identifier))

    assert keys.VALUE not in before
    assert "REPLAYED" == found[keys.STATUS]
    assert identifier == orjson.loads(found[keys.RESOLUTION])["exception_id"]
    assert view.redis.zscore(keys.exceptions_open(view.app), identifier) is None
    assert view.redis.zscore(keys.exceptions_closed(view.app), identifier) is not None


def test_a_condition_that_comes_up_again_is_open_again(view):
    """The same id raised after its resolution: open, and no longer among the closed."""
    raised = an_exception(view, "again")
    identifier = raised["exception_id"]
    view.send("exceptions", identifier, raised)
    view.await_all()
    view.send("exceptions.resolutions", identifier, a_resolution(identifier))
    view.await_all()
    view.send("exceptions", identifier, raised)
    view.await_all()

    assert keys.OPEN == view.redis.hget(keys.exception(view.app, identifier), keys.STATUS)
    assert view.redis.zscore(keys.exceptions_open(view.app), identifier) is not None
    assert view.redis.zscore(keys.exceptions_closed(view.app), identifier) is None


def test_a_refused_confirmation_leaves_the_reservation_as_it_is(view):
    """What changes a reservation changes it; what was refused does not; it does not stay for ever."""
    held = example("ReservationReply", "held") | {"reservation_id": f"{view.app}.held", "revision": 10}
    refused = held | {"action": "CONFIRM", "accepted": False, "reason": "EXPIRED", "state": "EXPIRED", "revision": 12}
    confirmed = held | {"action": "CONFIRM", "state": "CONFIRMED", "revision": 13}
    key = keys.reservation(view.app, held["reservation_id"])
    view.send("reservations.replies", held["reservation_id"], held)
    view.send("reservations.replies", held["reservation_id"], refused)
    view.await_all()

    assert held == orjson.loads(view.redis.hget(key, keys.VALUE))
    assert 0 < view.redis.ttl(key) <= keys.RESERVATION_KEPT_S

    view.send("reservations.replies", held["reservation_id"], confirmed)
    view.await_all()

    assert confirmed == orjson.loads(view.redis.hget(key, keys.VALUE))


def test_what_cannot_be_read_is_told_and_passed_over(view):
    """Bytes that are no record, a schema nobody has, a key that is no text: the records after them are there."""
    (sku,) = names("BAD", 1)
    for value in (b"no avro", b"", HEADER.pack(0, 999_999) + b"x", HEADER.pack(0, 1) + b"cut off"):
        view.send(view.offers, sku, value, partition=0)
    view.send(view.offers, b"\xff", view.codec.encode(view.offers, an_offer(view, sku)), partition=0)
    view.send(view.offers, sku, an_offer(view, sku), partition=0)
    view.await_all()

    assert view.redis.hexists(keys.offer(view.app, view.channel, sku), keys.VALUE)
    assert 5 == metric(view, f'stockstream_view_records_total{{outcome="undecodable",topic="{view.offers}"}}')
    assert f"{view.offers}[0]@" in view.instances["one"].log.read_text()


def test_records_of_a_newer_schema_are_read_by_ours(view):
    """Another writer's schema is learned from the registry when its id first comes up."""
    schema = orjson.loads(source("ChannelAvailability"))
    schema["fields"].append({"name": "promotion", "type": ["null", "string"], "default": None})
    client = registry.client(view.stack.registry_url)
    newer = client.register_schema(f"{view.offers}-value", Schema(orjson.dumps(schema).decode(), "AVRO"))
    (sku,) = names("NEWER", 1)
    offered = an_offer(view, sku)
    view.send(view.offers, sku, HEADER.pack(0, newer) + view.codec.encode(view.offers, offered)[5:] + b"\x00")
    view.await_all()

    assert offered == orjson.loads(view.redis.hget(keys.offer(view.app, view.channel, sku), keys.VALUE))


def test_the_marks_at_the_end_of_transactions_are_no_lag(view):
    """Committed transactions end in a mark that is no record: behind it the view is at the end all the same."""
    (sku,) = names("TXN", 1)
    producer = Producer({"bootstrap.servers": view.stack.bootstrap, "transactional.id": view.app})
    producer.init_transactions(30)
    producer.begin_transaction()
    record = snapshot(sku, "DC01", 1)
    producer.produce(SNAPSHOTS, view.codec.encode(SNAPSHOTS, record), f"{sku}|DC01", partition=1)
    producer.commit_transaction(30)

    wait_for(lambda: view.position(sku, "DC01") == record, 30, "a committed record")
    wait_for(lambda: view.instances["one"].answer()[1].get("lag") == 0, 30, "lag 0")


def an_exception(view, name):
    raised = example("ExceptionRaised", "over-receipt-without-a-record")
    return raised | {"exception_id": f"{view.app}-{name}", "original": b""}


def a_resolution(identifier, resolution="RESOLVED"):
    return example("ExceptionResolved", "replayed") | {"exception_id": identifier, "resolution": resolution}


def an_offer(view, sku):
    return example("ChannelAvailability", "in-stock") | {"channel": view.channel, "sku": sku}


def metric(view, name):
    with urllib.request.urlopen(f"{view.instances['one'].url}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return next(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))

"""Commands that read topics up to where they end: committed records once, and an end that always comes."""

import uuid

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from connectors.as_they_stand import extents, reader, runs, whole
from schemas.environment import SettingError, Shared

pytestmark = pytest.mark.stack


@pytest.fixture
def site(bootstrap: str, registry_url: str) -> Shared:
    return Shared(bootstrap=bootstrap, registry=registry_url)


@pytest.fixture
def topic(bootstrap: str) -> str:
    """Two partitions, the second empty."""
    name = f"test.{uuid.uuid4().hex}"
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(name, 2, 1)])[name].result(30)
    return name


def told(bootstrap: str, topic: str, *values: bytes, commit: bool = True, at: int = 0) -> None:
    """One transaction."""
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": topic})
    producer.init_transactions(30)
    producer.begin_transaction()
    for value in values:
        producer.produce(topic, value, b"key", partition=0, timestamp=at)
    producer.flush(30)
    if commit:
        producer.commit_transaction(30)
    else:
        producer.abort_transaction(30)


def delete(bootstrap: str, topic: str, before: int) -> None:
    """The first partition's records below this offset, as retention does."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for answer in admin.delete_records([TopicPartition(topic, 0, before)]).values():
        assert answer.result(30).low_watermark == before


def test_what_was_committed_is_read_once_and_marks_at_the_end_are_an_end(site: Shared, topic: str):
    """Neither an aborted transaction's records nor its marks, on which the topic ends, keep a reader waiting."""
    told(site.bootstrap, topic, b"1", b"2")
    told(site.bootstrap, topic, b"never", commit=False)
    told(site.bootstrap, topic, b"3")
    told(site.bootstrap, topic, b"nor this", commit=False)

    assert [record.value for run in whole(site, topic, "test") for record in run] == [b"1", b"2", b"3"]


def test_what_comes_after_the_beginning_of_the_reading_is_not_read(site: Shared, topic: str):
    """The end is where the topic ended at the call: a busy topic does not keep its reader for ever."""
    told(site.bootstrap, topic, b"1", b"2")
    consumer = reader(site, "test")
    try:
        places = extents(consumer, [topic, "test.that-nobody-made"])
        told(site.bootstrap, topic, b"later")
        found = [record.value for run in runs(consumer, places) for record in run]
    finally:
        consumer.close()

    assert set(places) == {(topic, 0)}
    assert found == [b"1", b"2"]


def test_a_time_to_begin_at(site: Shared, topic: str):
    """Records of before it are left out; a time to come leaves nothing to read."""
    told(site.bootstrap, topic, b"old", at=1_795_000_000_000)
    told(site.bootstrap, topic, b"new", at=1_795_000_060_000)
    consumer = reader(site, "test")
    try:
        places = extents(consumer, [topic], since=1_795_000_030_000)
        found = [record.value for run in runs(consumer, places) for record in run]
        later = extents(consumer, [topic], since=4_000_000_000_000)
    finally:
        consumer.close()

    assert found == [b"new"]
    assert later == {}


def test_records_deleted_before_they_were_read_are_an_error(site: Shared, topic: str):
    """Retention moves the beginning while a command is at it: what is left out does not pass for all there is."""
    told(site.bootstrap, topic, b"1", b"2", b"3")
    consumer = reader(site, "test")
    try:
        places = extents(consumer, [topic])
        delete(site.bootstrap, topic, 2)
        with pytest.raises(TimeoutError, match=rf"{topic}\[0\]: retention deleted records .* run the command again"):
            list(runs(consumer, places))
    finally:
        consumer.close()

    assert [record.value for run in whole(site, topic, "test") for record in run] == [b"3"]


def test_a_topic_that_is_not_there_is_said_at_once(site: Shared):
    """With its name and what to do; not after a silence."""
    with pytest.raises(SettingError, match=r"has no topic test\.nobody-s; run `stockstream topics apply`"):
        list(whole(site, "test.nobody-s", "test"))

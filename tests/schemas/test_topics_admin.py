"""Topics on a real broker: created as the catalogue says, verified ever after, never changed behind anybody's back."""

import uuid
from dataclasses import replace
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from schemas import topics_admin
from schemas.catalogue import Catalogue, Topic, catalogue

PARTITIONS = 4

pytestmark = pytest.mark.stack


@pytest.fixture
def deltas(monkeypatch: pytest.MonkeyPatch) -> Topic:
    """A catalogue of one topic that no other test knows."""
    topic = replace(catalogue().topic("availability.deltas"), name=f"test.{uuid.uuid4().hex}")
    monkeypatch.setattr(Catalogue, "for_channels", lambda *_: [topic])
    return topic


def created(bootstrap: str, topic: Topic, partitions: int = PARTITIONS, **config: str) -> None:
    """Somebody made the topic already, in their own way."""
    new = NewTopic(topic.name, partitions, 1, config={**topic.config, **config})
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([new])[topic.name].result(30)


def test_what_is_missing_is_created_and_then_verified(bootstrap: str, deltas: Topic):
    """The first time creates, the second finds nothing to do."""
    conf, changelog = {"bootstrap.servers": bootstrap}, f"test.{uuid.uuid4().hex}-changelog"
    again = {"partitions": PARTITIONS, "changelogs": [changelog]}

    assert {deltas.name, changelog} == set(topics_admin.apply(conf, **again))
    assert [] == topics_admin.apply(conf, **again)
    assert deltas.config | {"cleanup.policy": "delete"} == settings(bootstrap, deltas.name, deltas.config)
    assert settings(bootstrap, changelog, ["cleanup.policy"]) == {"cleanup.policy": "compact"}


def settings(bootstrap: str, name: str, keys) -> dict[str, str]:
    resource = ConfigResource(ResourceType.TOPIC, name)
    admin = AdminClient({"bootstrap.servers": bootstrap})
    found = admin.describe_configs([resource])[resource].result(30)
    return {key: found[key].value for key in keys}


def test_what_a_broker_may_not_know_is_not_sent(bootstrap: str, deltas: Topic, monkeypatch: pytest.MonkeyPatch):
    """Three settings at most in any request: docs/redpanda.md says why no others, and where they are set instead."""
    sent: dict[str, dict[str, str]] = {}

    class Recorded(NewTopic):
        def __init__(self, name: str, partitions: int, copies: int, config: dict[str, str]) -> None:
            sent[name] = config
            super().__init__(name, partitions, copies, config=config)

    monkeypatch.setattr(topics_admin, "NewTopic", Recorded)
    changelog = f"test.{uuid.uuid4().hex}-changelog"
    topics_admin.apply({"bootstrap.servers": bootstrap}, partitions=PARTITIONS, changelogs=[changelog])

    assert {deltas.name, changelog} == sent.keys()
    assert {key for config in sent.values() for key in config} == {
        "cleanup.policy",
        "retention.ms",
        "max.message.bytes",
    }


def test_another_number_of_partitions_is_an_error_that_says_both(bootstrap: str, deltas: Topic):
    """Keys would move between partitions, so nothing is changed and the two ways out are named."""
    created(bootstrap, deltas, partitions=2)

    with pytest.raises(topics_admin.TopicMismatch) as refusal:
        topics_admin.apply({"bootstrap.servers": bootstrap}, partitions=PARTITIONS)

    assert f"{deltas.name}: 2 partitions, wanted 4" in str(refusal.value)
    assert "STOCKSTREAM_PARTITIONS=2" in str(refusal.value)
    assert (
        len(AdminClient({"bootstrap.servers": bootstrap}).list_topics(deltas.name).topics[deltas.name].partitions) == 2
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [("cleanup.policy", "compact"), ("retention.ms", "1000"), ("max.message.bytes", "2000")],
)
def test_another_setting_is_an_error_with_the_command_that_mends_it(
    bootstrap: str, deltas: Topic, key: str, value: str
):
    """Every difference is said with what is, what should be, and how to get there."""
    created(bootstrap, deltas, **{key: value})

    with pytest.raises(topics_admin.TopicMismatch) as refusal:
        topics_admin.apply({"bootstrap.servers": bootstrap}, partitions=PARTITIONS)

    assert f"{deltas.name}: {key} is {value}, wanted {deltas.config[key]}" in str(refusal.value)
    assert f"rpk topic alter-config {deltas.name} --set {key}={deltas.config[key]}" in str(refusal.value)


def test_a_topic_may_take_larger_records_than_is_wanted(bootstrap: str, deltas: Topic):
    """Whoever raised a topic's limit, as a worker may have asked for, is not told to lower it again."""
    created(bootstrap, deltas, **{"max.message.bytes": "9000000"})

    assert [] == topics_admin.apply({"bootstrap.servers": bootstrap}, partitions=PARTITIONS)


@pytest.mark.parametrize(("days", "ms"), [(45, "3888000000"), (None, "-1")], ids=["45 days", "for ever"])
def test_a_retention_of_the_sites_own_is_created_and_verified(bootstrap: str, deltas: Topic, days: int | None, ms: str):
    """What the site chose is what is made and what is right from then on."""
    chosen = {"partitions": PARTITIONS, "retention": {deltas.name: days}}

    assert [deltas.name] == topics_admin.apply({"bootstrap.servers": bootstrap}, **chosen)
    assert [] == topics_admin.apply({"bootstrap.servers": bootstrap}, **chosen)
    assert {"retention.ms": ms} == settings(bootstrap, deltas.name, ["retention.ms"])


@pytest.mark.parametrize(
    ("ms", "way_out"),
    [
        ("3888000000", "or keep that: have {}=45 in STOCKSTREAM_RETENTION_DAYS"),
        ("-1", "or keep that: have {}=forever in STOCKSTREAM_RETENTION_DAYS"),
        ("5000", "or choose another: {}=DAYS in STOCKSTREAM_RETENTION_DAYS, 7 at least, and alter it to that"),
    ],
    ids=["45 days", "for ever", "5 s"],
)
def test_another_retention_names_both_ways_out(bootstrap: str, deltas: Topic, ms: str, way_out: str):
    """The command that alters the topic to what is wanted, and the setting by which what is there is wanted."""
    created(bootstrap, deltas, **{"retention.ms": ms})

    with pytest.raises(topics_admin.TopicMismatch) as refusal:
        topics_admin.apply({"bootstrap.servers": bootstrap}, partitions=PARTITIONS, retention={deltas.name: 60})

    assert f"{deltas.name}: retention.ms is {ms}, wanted 5184000000; rpk topic alter-config" in str(refusal.value)
    assert way_out.format(deltas.name) in str(refusal.value)
    assert {"retention.ms": ms} == settings(bootstrap, deltas.name, ["retention.ms"])


def test_every_difference_is_said_at_once(bootstrap: str, deltas: Topic):
    """Whoever mends the topics need not come back for each."""
    created(bootstrap, deltas, partitions=1, **{"cleanup.policy": "compact", "retention.ms": "1000"})

    with pytest.raises(topics_admin.TopicMismatch) as refusal:
        topics_admin.apply({"bootstrap.servers": bootstrap}, partitions=PARTITIONS)

    assert str(refusal.value).count(f"\n  {deltas.name}: ") == 3


def test_a_topic_the_broker_does_not_list_yet_is_verified_all_the_same(
    bootstrap: str, deltas: Topic, monkeypatch: pytest.MonkeyPatch
):
    """Made by somebody a moment ago, in their own way: refused as there, and listed a little later."""
    created(bootstrap, deltas, partitions=2)
    listed = 0

    class Late(AdminClient):
        def list_topics(self, *args: Any, **kwargs: Any) -> Any:
            nonlocal listed
            listed += 1
            found = super().list_topics(*args, **kwargs)
            if listed <= 2:
                found.topics.pop(deltas.name, None)
            return found

    monkeypatch.setattr(topics_admin, "AdminClient", Late)
    with pytest.raises(topics_admin.TopicMismatch, match=f"{deltas.name}: 2 partitions, wanted 4"):
        topics_admin.apply({"bootstrap.servers": bootstrap}, partitions=PARTITIONS)


def test_more_copies_than_brokers_is_told_with_the_setting(bootstrap: str, deltas: Topic):
    """What the broker refuses to create is named, with the setting that asked for it."""
    with pytest.raises(topics_admin.TopicMismatch, match=r"cannot be created.*STOCKSTREAM_REPLICATION"):
        topics_admin.apply({"bootstrap.servers": bootstrap}, partitions=PARTITIONS, replication=3)


def test_a_broker_that_is_away_is_said_to_be(monkeypatch: pytest.MonkeyPatch):
    """No broker is an error of its own, in words, after a bounded wait."""
    monkeypatch.setattr(topics_admin, "TIMEOUT", 1.0)

    with pytest.raises(topics_admin.BrokerUnreachable, match=r"127\.0\.0\.1:9.*is a broker up there"):
        topics_admin.apply({"bootstrap.servers": "127.0.0.1:9"}, partitions=PARTITIONS)

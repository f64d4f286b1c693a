"""A channel's user reads its own topic in its own groups, and nothing else of the site; the broker agrees with the list."""

import time
from typing import Any

import orjson
import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.commit import OffsetCommitRequest, OffsetFetchRequest
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.group import JoinGroupRequest
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from confluent_kafka import KafkaException, Producer, TopicCollection, TopicPartition
from confluent_kafka.admin import (
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)
from secured_site import APP, CHANNELS, SecuredSite, until

from schemas.access import librdkafka
from schemas.acls import Acl, Site, known, of_component
from schemas.acls_admin import add
from schemas.catalogue import catalogue
from streams import broker
from streams.topics import STAGES, changelog

pytestmark = pytest.mark.stack
MINE, OTHER = CHANNELS
OWN = f"channel.{MINE}.availability"
CHANGELOGS = [changelog(APP, stage) for stage in STAGES]
TOPICS = [topic.name for topic in catalogue().for_channels(CHANNELS)]
EVERYTHING = [*TOPICS, *CHANGELOGS, "__consumer_offsets", "__transaction_state"]
OPERATIONS = {
    "read": AclOperation.READ,
    "write": AclOperation.WRITE,
    "create": AclOperation.CREATE,
    "describe": AclOperation.DESCRIBE,
    "describe-configs": AclOperation.DESCRIBE_CONFIGS,
}
TOPIC_AUTHORIZATION_FAILED, GROUP_AUTHORIZATION_FAILED = 29, 30
QUIET = {"log_level": 0}


@pytest.fixture(scope="module")
def offered(site: SecuredSite) -> str:
    """A record in every topic there is, so that a refusal is not an empty answer; the key of the channel's offers."""
    producer = Producer({"bootstrap.servers": site.stack.bootstrap})
    for topic in (*TOPICS, *CHANGELOGS):
        for partition in range(2):
            producer.produce(topic, b"a record", b"SKU-1", partition=partition)
    assert producer.flush(30) == 0
    return "SKU-1"


def first_answer(consumer: Any, topic: str) -> Any:
    """The first record or the first error that a topic gives."""
    found: list[Any] = []
    until(f"{topic} to answer", lambda: found.extend(consumer.consume(1, 1.0)) or found, 30)
    return found[0]


def test_a_channel_reads_its_own_topic_in_a_group_of_its_own(site: SecuredSite, offered: str):
    """And commits there."""
    consumer = site.consumer(f"channel-{MINE}", f"{MINE}-shop")
    consumer.subscribe([OWN])
    try:
        record = first_answer(consumer, OWN)
        assert (record.error(), record.key()) == (None, offered.encode())
        consumer.commit(record, asynchronous=False)
    finally:
        consumer.close()


async def test_a_channel_reads_no_other_topic(site: SecuredSite, offered: str):
    """No topic of the catalogue, no changelog, none of the broker's own: asked of the broker itself, past all clients."""
    wanted = [(topic, [(partition, 0, 1 << 20) for partition in range(2)]) for topic in EVERYTHING]
    answer = await asked(site, f"channel-{MINE}", FetchRequest(100, 0, 8 << 20, 1, wanted))
    told = {topic: {partition[1] for partition in partitions} for topic, partitions in answer.topics}

    assert {0} == told.pop(OWN)
    assert {name: {TOPIC_AUTHORIZATION_FAILED} for name in told} == told
    assert {OWN, *told} == set(EVERYTHING)


async def test_a_channel_writes_nothing(site: SecuredSite, offered: str):
    """Not even to its own topic."""
    batch = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1 << 16)
    batch.append(0, 1_795_186_800_000, b"SKU-1", b"an offer of its own", [])
    wanted = [(topic, [(0, bytes(batch.build()))]) for topic in EVERYTHING]
    answer = await asked(site, f"channel-{MINE}", ProduceRequest(None, -1, 10_000, wanted))
    told = {topic: {partition[1] for partition in partitions} for topic, partitions in answer.topics}

    assert {name: {TOPIC_AUTHORIZATION_FAILED} for name in EVERYTHING} == told


async def asked(site: SecuredSite, user: str, request: Any) -> Any:
    """The broker's answer to one request of a user."""
    client = AIOKafkaClient(**broker.client(site.settings(user)))
    await client.bootstrap()
    try:
        [node] = client.cluster.brokers()
        return await client.send(node.nodeId, request)
    finally:
        await client.close()


async def test_a_channel_uses_no_other_group(site: SecuredSite, offered: str):
    """Neither joins nor commits nor looks: whoever could would make others lose or repeat records."""
    others = (
        f"{OTHER}-shop",
        APP,
        f"{APP}-redis-view",
        f"{APP}-erp",
        f"{APP}.shop.{MINE}",
        f"{APP}.webhooks.demo",
        MINE,
    )
    for group in (*others, "any"):
        join = JoinGroupRequest(group, 6_000, 6_000, "", "me", "consumer", [("range", b"")])
        commit = OffsetCommitRequest(group, -1, "", -1, [(OWN, [(0, 0, "")])])
        look = OffsetFetchRequest(group, [(OWN, [0])])
        joined, committed, looked = [await asked(site, f"channel-{MINE}", one) for one in (join, commit, look)]

        told = joined.error_code, committed.topics[0][1][0][1], looked.error_code
        assert (GROUP_AUTHORIZATION_FAILED,) * 3 == told, group


def test_a_channel_sees_no_other_topic_and_changes_nothing(site: SecuredSite, offered: str):
    """What it is shown is its own topic; creating, deleting, emptying, configuring, transactions and ACLs are refused."""
    admin = AdminClient({**librdkafka(site.settings(f"channel-{MINE}")), **QUIET})

    assert [OWN] == list(admin.list_topics(timeout=20).topics)
    assert [] == [
        group.group_id for group in admin.list_consumer_groups().result(20).valid if not group.group_id.startswith(MINE)
    ]

    resource = ConfigResource(
        ResourceType.TOPIC,
        OWN,
        incremental_configs=[ConfigEntry("retention.ms", "1", incremental_operation=AlterConfigOpType.SET)],
    )
    attempts = [
        admin.create_topics([NewTopic("mine", 1, 1)])["mine"],
        admin.delete_topics([OWN])[OWN],
        admin.delete_records([TopicPartition(OWN, 0, 1)])[TopicPartition(OWN, 0, 1)],
        admin.incremental_alter_configs([resource])[resource],
        admin.delete_consumer_groups([APP])[APP],
    ]
    for attempt in attempts:
        with pytest.raises(KafkaException, match="AUTHORIZATION_FAILED"):
            attempt.result(20)
    transactions = Producer({**librdkafka(site.settings(f"channel-{MINE}")), **QUIET, "transactional.id": f"{APP}-0"})
    with pytest.raises(KafkaException, match="TRANSACTIONAL_ID_AUTHORIZATION_FAILED"):
        transactions.init_transactions(20)


def test_the_broker_allows_every_component_what_the_list_says_and_no_more(site: SecuredSite):
    """Asked as each user, about every topic: the operations that the broker names are those of the list."""
    plan = Site(APP, CHANNELS, CHANGELOGS, MINE, {})
    users = [name for name in known(plan) if name.replace(":", "-") in site.users or f"{APP}-{name}" in site.users]
    for component in users:
        listed: dict[str, set[AclOperation]] = {topic: set() for topic in (*TOPICS, *CHANGELOGS)}
        for acl in of_component(plan, component):
            if acl.resource == "topic":
                listed[acl.name].add(OPERATIONS[acl.operation])
        admin = AdminClient({**librdkafka(site.settings(component.replace(":", "-"))), **QUIET})
        asked = admin.describe_topics(TopicCollection(list(listed)), include_authorized_operations=True)

        for topic, future in asked.items():
            refused = future.exception(30)
            told = set() if refused else set(future.result().authorized_operations or ())
            assert refused is None or "TOPIC_AUTHORIZATION_FAILED" in str(refused)
            implied = {AclOperation.DESCRIBE} if listed[topic] & {AclOperation.READ, AclOperation.WRITE} else set()
            assert listed[topic] | implied == told, f"{component} on {topic}"


def test_acls_are_brought_to_the_broker_once_and_taken_away_when_asked(site: SecuredSite):
    """Applied again nothing is added; what a principal has beyond the list is named, and removed only with --prune."""

    def applied(*options: str) -> dict[str, Any]:
        return orjson.loads(site.ran("topics", "acls", "--apply", "--json", *options, **site.administrator))

    assert (applied()["added"], applied()["superfluous"]) == ([], [])

    beyond = Acl("User:channel-webshop", "topic", "erp.postings", "literal", "read")
    gone = Acl("User:channel-closed", "topic", "channel.closed.availability", "literal", "read")
    others = Acl("User:channel-manager", "topic", "erp.postings", "literal", "read")
    add(site.admin, [beyond, gone, others])
    time.sleep(0.5)
    said = [(acl["principal"], acl["name"]) for acl in applied("--prune", "--dry-run")["superfluous"]]

    assert [(beyond.principal, beyond.name), (gone.principal, gone.name)] == sorted(said, reverse=True)
    assert len(applied()["superfluous"]) == 2
    applied("--prune")
    until("the broker to have forgotten them", lambda: applied()["superfluous"] == [], 20)
    assert "channel-manager" in str(site.admin.describe_acls(everything()).result(20))


def everything() -> Any:
    return AclBindingFilter(
        ResourceType.ANY, None, ResourcePatternType.ANY, None, None, AclOperation.ANY, AclPermissionType.ANY
    )

"""Topics created or verified against the catalogue; whatever differs is said, topic by topic, with how to mend it."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, OffsetSpec, ResourceType

from schemas.catalogue import Topic, catalogue, kept
from schemas.retention import VARIABLE, written

TIMEOUT = 30.0
ASK_WITHIN_S = 10.0
LIST_AGAIN_S = 0.1
DAY_MS = 86_400_000
FOREVER_MS = -1
Wanted = dict[str, dict[str, str]]
CHANGELOG = {"cleanup.policy": "compact", "max.message.bytes": str(8 << 20)}
"""A row holds all that is known of a document or a position: it may be far larger than any record that comes in."""
AT_LEAST = "max.message.bytes"
"""A site may allow more of it than is wanted."""


class TopicMismatch(RuntimeError):
    """Topics that differ from the catalogue or cannot be created; the message says each one and what to do."""


class BrokerUnreachable(RuntimeError):
    """No broker answered."""


def apply(
    conf: Mapping[str, Any],
    *,
    partitions: int,
    replication: int = 1,
    channels: Iterable[str] = (),
    changelogs: Iterable[str] = (),
    retention: Mapping[str, int | None] | None = None,
) -> list[str]:
    """Create what is missing and verify what is there; return the names created.

    `conf` is librdkafka's. Changelogs are compacted topics of the worker's own. `retention` is the site's own, in days
    by topic (schemas/retention.py). Nothing that exists is changed. Raise TopicMismatch or BrokerUnreachable.
    """
    topics = {topic.name: topic for topic in kept(catalogue().for_channels(channels), retention or {})}
    wanted: Wanted = {topic.name: topic.config for topic in topics.values()}
    wanted |= dict.fromkeys(changelogs, CHANGELOG)
    admin = AdminClient({"log_level": 2, **conf})  # what goes wrong is in the exception, once
    try:
        existing = admin.list_topics(timeout=TIMEOUT).topics
        created, there, findings = _create(
            admin, wanted, [name for name in wanted if name not in existing], partitions, replication
        )
        existing = _known(admin, there) if there else existing
        present = {name: existing[name].partitions for name in wanted if name in existing and name not in created}
        findings += _sizes(present, partitions, replication)
        findings += _settings(admin, {name: wanted[name] for name in present}, topics)
    except KafkaException as error:
        raise BrokerUnreachable(
            f"{conf.get('bootstrap.servers')}: {error.args[0].str()}; is a broker up there?"
        ) from error
    if findings:
        raise TopicMismatch("topics differ from the catalogue:\n  " + "\n  ".join(findings))
    return created


def with_records(conf: Mapping[str, Any], channels: Iterable[str] = ()) -> list[str]:
    """Topics of the catalogue that hold records; none where no broker answers, which then has nothing to say."""
    admin = AdminClient({"log_level": 2, **conf})
    try:
        existing = admin.list_topics(timeout=ASK_WITHIN_S).topics
        names = [topic.name for topic in catalogue().for_channels(channels) if topic.name in existing]
        places = [TopicPartition(name, partition) for name in names for partition in existing[name].partitions]
        ends: dict[tuple[str, int], list[int]] = {}
        for which in (OffsetSpec.earliest(), OffsetSpec.latest()):
            answers = admin.list_offsets(dict.fromkeys(places, which), request_timeout=ASK_WITHIN_S) if places else {}
            for place, future in answers.items():
                ends.setdefault((place.topic, place.partition), []).append(future.result(ASK_WITHIN_S).offset)
    except (KafkaException, TimeoutError):
        return []
    return sorted({topic for (topic, _), (first, last) in ends.items() if last > first})


def _create(
    admin: AdminClient, wanted: Wanted, missing: Sequence[str], partitions: int, replication: int
) -> tuple[list[str], list[str], list[str]]:
    """Create topics; the names created, those that were there all the same, and why others were not."""
    new = [NewTopic(name, partitions, replication, config=wanted[name]) for name in missing]
    created, there, findings = list[str](), list[str](), list[str]()
    for name, future in (admin.create_topics(new, operation_timeout=TIMEOUT) if new else {}).items():
        try:
            future.result(TIMEOUT)
            created.append(name)
        except KafkaException as error:
            code = error.args[0].code()
            if code == KafkaError.TOPIC_ALREADY_EXISTS:
                there.append(name)
            else:
                findings.append(f"{name}: cannot be created: {error.args[0].str()}{_REFUSALS.get(code, '')}")
    return created, there, findings


def _known(admin: AdminClient, names: Sequence[str]) -> dict[str, Any]:
    """All topics, once these are among them: a broker refuses to create what another made before it lists it."""
    end = time.monotonic() + TIMEOUT
    while True:
        existing: dict[str, Any] = admin.list_topics(timeout=TIMEOUT).topics
        late = [name for name in names if name not in existing]
        if not late:
            return existing
        if time.monotonic() > end:
            raise BrokerUnreachable(f"{', '.join(late)}: there, says the broker, but does not list it; apply again")
        time.sleep(LIST_AGAIN_S)


_REFUSALS = {
    KafkaError.INVALID_REPLICATION_FACTOR: "; set STOCKSTREAM_REPLICATION to no more than there are brokers",
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "; allow this principal to create it",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "; allow this principal to create topics",
}


def _sizes(present: Mapping[str, Mapping[int, Any]], partitions: int, replication: int) -> list[str]:
    """Partitions and copies that differ from what was asked for."""
    findings = []
    for name, found in sorted(present.items()):
        if len(found) != partitions:
            findings.append(
                f"{name}: {len(found)} partitions, wanted {partitions}; keys would move between partitions, so it cannot "
                f"be changed in place: set STOCKSTREAM_PARTITIONS={len(found)}, or, if it holds nothing you need, delete "
                f"it (rpk topic delete {name}) and apply again"
            )
        copies = min(len(partition.replicas) for partition in found.values())
        if copies < replication:
            findings.append(f"{name}: {copies} copies, wanted {replication}; reassign its partitions to more brokers")
    return findings


def _settings(admin: AdminClient, wanted: Wanted, topics: Mapping[str, Topic]) -> list[str]:
    """Settings that differ, with the command that puts them right, and of retention with our setting that keeps it."""
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in sorted(wanted)]
    findings = []
    for resource, future in (admin.describe_configs(resources, request_timeout=TIMEOUT) if resources else {}).items():
        actual = future.result(TIMEOUT)
        for key, value in wanted[resource.name].items():
            found = actual[key].value if key in actual else None
            if found is not None and _differs(key, found, value):
                findings.append(
                    f"{resource.name}: {key} is {found}, wanted {value}; "
                    f"rpk topic alter-config {resource.name} --set {key}={value}, or with Apache Kafka kafka-configs.sh "
                    f"--alter --entity-type topics --entity-name {resource.name} --add-config {key}={value}"
                    + (f"; or {_keep(topics[resource.name], found)}" if key == "retention.ms" else "")
                )
    return findings


def _keep(topic: Topic, found: str) -> str:
    """How to keep the retention that is there, or the nearest thing to it."""
    days, rest = divmod(int(found), DAY_MS)
    least = topic.least_retention_days
    if int(found) == FOREVER_MS or (not rest and days >= least):
        return f"keep that: have {written(topic.name, None if rest else days)} in {VARIABLE}"
    return f"choose another: {topic.name}=DAYS in {VARIABLE}, {least} at least, and alter it to that"


def _differs(key: str, found: str, wanted: str) -> bool:
    return int(found) < int(wanted) if key == AT_LEAST else _parts(found) != _parts(wanted)


def _parts(value: str) -> set[str]:
    return {part.strip() for part in value.split(",")}

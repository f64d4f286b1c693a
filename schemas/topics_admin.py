"""Topics created or verified; a mismatch is an error that says what differs."""

from collections.abc import Iterable, Mapping
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from schemas.catalogue import catalogue

TIMEOUT = 30.0
Wanted = dict[str, dict[str, str]]


class TopicMismatch(RuntimeError):
    """Topics that exist and differ from the catalogue; the message says each difference and what to do."""


class BrokerUnreachable(RuntimeError):
    """No broker answered."""


def apply(
    conf: Mapping[str, Any],
    *,
    partitions: int,
    replication: int = 1,
    channels: Iterable[str] = (),
    changelogs: Iterable[str] = (),
) -> list[str]:
    """Create what is missing and verify what is there; return the names created.

    Changelogs are compacted topics of the worker's own. Raise TopicMismatch or BrokerUnreachable.
    """
    wanted: Wanted = {topic.name: topic.config for topic in catalogue().for_channels(channels)}
    for name in changelogs:
        wanted[name] = {"cleanup.policy": "compact", "max.message.bytes": "1048576"}
    admin = AdminClient(dict(conf))
    try:
        existing = admin.list_topics(timeout=TIMEOUT).topics
    except KafkaException as error:
        raise BrokerUnreachable(f"no broker at {conf['bootstrap.servers']} answered within {TIMEOUT:.0f} s") from error
    missing = [name for name in wanted if name not in existing]
    if missing:
        new = [NewTopic(n, num_partitions=partitions, replication_factor=replication, config=wanted[n]) for n in missing]
        for future in admin.create_topics(new, operation_timeout=TIMEOUT).values():
            future.result(TIMEOUT)
    present = {name: len(existing[name].partitions) for name in wanted if name in existing}
    findings = _differences(admin, wanted, present, partitions)
    if findings:
        raise TopicMismatch("topics differ from the catalogue:\n  " + "\n  ".join(findings))
    return missing


def _differences(admin: AdminClient, wanted: Wanted, present: Mapping[str, int], partitions: int) -> list[str]:
    findings = [
        f"{name}: {count} partitions, wanted {partitions}; keyed topics cannot be repartitioned in place: "
        f"set STOCKSTREAM_PARTITIONS={count} or recreate it"
        for name, count in sorted(present.items())
        if count != partitions
    ]
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in present]
    if resources:
        for resource, future in admin.describe_configs(resources, request_timeout=TIMEOUT).items():
            actual = future.result(TIMEOUT)
            findings += [
                f"{resource.name}: {key} is {actual[key].value}, wanted {value}; change it with your Kafka tools"
                for key, value in wanted[resource.name].items()
                if key in actual and actual[key].value != value
            ]
    return findings

"""Whether a consumer group has anything left to read: records, not transactions' markers, which also take offsets."""

import time
from collections.abc import Iterable
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from connectors.kafka import client, without_errors
from schemas.acls import STAGES
from schemas.catalogue import catalogue
from schemas.environment import Shared

PATIENCE_S: Final = 30.0
Place = tuple[str, int]


def worker_topics() -> list[str]:
    """What the workers' group reads."""
    stages = frozenset(STAGES) - {"sweep", "workers"}
    return [topic.name for topic in catalogue().topics if not stages.isdisjoint(topic.consumers)]


def committed(site: Shared, group: str, topics: Iterable[str]) -> dict[Place, int | None]:
    """The group's committed offset of each partition, None where it has none; raise KafkaException."""
    member = Consumer({**client(site), "group.id": group})  # asked for offsets only, so it never joins
    try:
        known = member.list_topics(timeout=PATIENCE_S).topics
        places = [TopicPartition(topic, p) for topic in topics if topic in known for p in known[topic].partitions]
        found = without_errors(member.committed(places, timeout=PATIENCE_S))
    finally:
        member.close()
    return {(at.topic, at.partition): at.offset if at.offset >= 0 else None for at in found}


def members(site: Shared, group: str) -> int:
    """How many processes are in the group now; raise KafkaException."""
    admin = AdminClient(client(site))
    try:
        described = admin.describe_consumer_groups([group], request_timeout=PATIENCE_S)[group].result(PATIENCE_S)
    except KafkaException as error:
        if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
            return 0
        raise
    return len(described.members)


def waiting(site: Shared, group: str, topics: Iterable[str]) -> list[str]:
    """Partitions with a committed record the group has not read; raise TimeoutError or KafkaException."""
    places = committed(site, group, topics)
    probe = Consumer(
        {
            **client(site),
            "group.id": f"{group}-drained",  # never joined
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
        }
    )
    found: list[str] = []
    try:
        open_ones: set[Place] = set()
        for place, offset in places.items():
            low, high = probe.get_watermark_offsets(TopicPartition(*place), timeout=PATIENCE_S, cached=False)
            if high > max(offset or 0, low):
                open_ones.add(place)
        probe.assign([TopicPartition(topic, p, places[topic, p] or 0) for topic, p in sorted(open_ones)])
        end = time.monotonic() + PATIENCE_S
        while open_ones:
            for message in probe.consume(500, 0.2):
                place = (str(message.topic()), int(message.partition() or 0))
                error = message.error()
                if place not in open_ones or (error is not None and error.code() != KafkaError._PARTITION_EOF):  # noqa: SLF001 - the client's own name
                    continue
                open_ones.discard(place)
                if error is None:
                    found.append(f"{place[0]}[{place[1]}]")
            if time.monotonic() > end:
                raise TimeoutError(f"{site.bootstrap}: {', '.join(f'{t}[{p}]' for t, p in open_ones)} did not answer")
    finally:
        probe.close()
    return sorted(found)

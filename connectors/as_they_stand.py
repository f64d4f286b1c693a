"""Reads topics up to where they end at the call, for commands: every committed record once, as a member of no group."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from connectors.away import passes, pauses
from connectors.kafka import Record, checked, client
from schemas.environment import SettingError, Shared

T = TypeVar("T")
ASK_S: Final = 10.0
SILENCE_S: Final = 30.0
"""Longest time without a record before the broker counts as unreachable."""
AT_ONCE: Final = 5_000

Extents = Mapping[tuple[str, int], tuple[int, int]]
"""By topic and partition, the first offset to read and the end."""


def reader(settings: Shared, command: str) -> Consumer:
    """A consumer whose group, APP-`command`, is never joined: librdkafka wants a name, and rights may be given by it."""
    return Consumer(
        {
            **client(settings),
            "group.id": f"{settings.app}-{command}",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            # Where retention overtakes the reading it is an error; else librdkafka goes on at the end, without a word.
            "auto.offset.reset": "error",
            "queued.max.messages.kbytes": 65_536,
        }
    )


def extents(consumer: Consumer, topics: Iterable[str], since: int | None = None) -> Extents:
    """Where to read: from the beginning, or from what was written at `since` (ms); raise KafkaException.

    Topics that the broker does not have are left out.
    """
    known = consumer.list_topics(timeout=ASK_S).topics
    places = [TopicPartition(t, p, since or 0) for t in topics if t in known for p in known[t].partitions]
    if since is not None and places:
        places = _answer(consumer.offsets_for_times, places)
    found: dict[tuple[str, int], tuple[int, int]] = {}
    for place in places:
        if place.error is not None:
            raise KafkaException(place.error)
        if place.offset < 0:  # nothing was written since
            continue
        low, high = _answer(consumer.get_watermark_offsets, TopicPartition(place.topic, place.partition))
        if high > max(low, place.offset):
            found[place.topic, place.partition] = max(low, place.offset), high
    return found


def _answer(ask: Callable[..., T], about: object) -> T:
    """What the broker says, asked again for ASK_S while leaders change hands; raise KafkaException."""
    end, waits = time.monotonic() + ASK_S, pauses()
    while True:
        try:
            return ask(about, timeout=ASK_S)
        except KafkaException as error:
            if not passes(error.args[0]) or time.monotonic() > end:
                raise
            time.sleep(next(waits))


def runs(consumer: Consumer, places: Extents) -> Iterator[list[Record]]:
    """Committed records up to the ends, each partition in order.

    Raise KafkaException, or TimeoutError in a silence and where records were deleted before they could be read.
    """
    waiting = set(places)
    if not waiting:
        return
    consumer.assign([TopicPartition(topic, partition, low) for (topic, partition), (low, _) in places.items()])
    heard = time.monotonic()
    while waiting:
        run: list[Record] = []
        for message in consumer.consume(AT_ONCE, 0.5):
            place, error = (message.topic(), message.partition()), message.error()
            if error is not None and error.name() == "_AUTO_OFFSET_RESET":
                if place in waiting:
                    raise TimeoutError(
                        f"{place[0]}[{place[1]}]: retention deleted records before they were read; run the command again"
                    )
                continue  # read to its end already
            record = checked(message)
            if record is not None:
                heard = time.monotonic()
                if record.offset < places[place][1]:
                    run.append(record)
                if record.offset >= places[place][1] - 1:
                    waiting.discard(place)
            elif error.name() == "_PARTITION_EOF":  # an end that is no record: a transaction's mark
                waiting.discard(place)
        if run:
            yield run
            heard = time.monotonic()  # whoever takes the records may take long
        elif waiting and time.monotonic() - heard > SILENCE_S:
            left = ", ".join(f"{topic}[{partition}]" for topic, partition in sorted(waiting)[:5])
            raise TimeoutError(f"the broker was silent for {SILENCE_S:.0f} s before the end of {left}")
    consumer.unassign()


def whole(settings: Shared, topic: str, command: str) -> Iterator[list[Record]]:
    """All of one topic; raise SettingError where it is not there, KafkaException or TimeoutError."""
    consumer = reader(settings, command)
    try:
        there = consumer.list_topics(topic, timeout=ASK_S).topics[topic]
        if there.error is not None and there.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise SettingError(f"{settings.bootstrap} has no topic {topic}; run `stockstream topics apply` there first")
        if there.error is not None:
            raise KafkaException(there.error)
        yield from runs(consumer, extents(consumer, [topic]))
    finally:
        consumer.close()

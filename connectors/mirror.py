"""Copies the facts of one site to another's broker, and goes on as they come: inbound and reference topics, nothing else.

Key, value, headers and time stay as they are. Where both sites have one partition count a record keeps its partition,
otherwise its key decides (murmur2, as for every producer); either way records of a key keep their order.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from connectors.kafka import checked, client, without_errors
from schemas import registry
from schemas.catalogue import Topic, catalogue
from schemas.environment import SettingError, Shared

ANSWERS: Final = "erp.posting-results"
"""The one inbound topic that is no fact of the business: what the ERP said to the postings of one site."""
READ: Final = 2_000
LOOK_S: Final = 0.5
PATIENCE_S: Final = 60.0
"""Longest wait for a broker to take or give records."""
NOTE_ALL_S: Final = 86_400.0
"""How often the place in every partition is noted anew: a broker forgets one that was noted seven days ago."""

Place = tuple[str, int]
Tell = Callable[[int, int], None]
"""Called now and then with how many records were copied and how many there are still to copy."""


def facts() -> tuple[list[str], list[str]]:
    """The topics a second site needs: reference data, and what else comes in."""
    topics = catalogue().topics

    def of(direction: str) -> list[str]:
        return [topic.name for topic in topics if topic.direction == direction and topic.name != ANSWERS]

    return of("reference"), of("inbound")


class Mirror:
    """Copies from `ours` to `theirs`; its place is kept in our group APP-mirror, so a restart goes on from there.

    What was copied and not noted yet when it died is copied again; the other site drops it by event id or revision.
    Raise SettingError where the sites cannot be mirrored, TimeoutError or KafkaException where a broker fails.
    """

    def __init__(self, ours: Shared, theirs: Shared) -> None:
        if ours.bootstrap == theirs.bootstrap:
            raise SettingError(f"both sites are the broker {ours.bootstrap}: topics have the same names at every site")
        self._same_schemas(ours, theirs)
        self._faults: list[KafkaError] = []
        self._consumer = Consumer(
            {
                **client(ours),
                "group.id": f"{ours.app}-mirror",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
            }
        )
        self._producer = Producer(
            {
                **client(theirs),
                "enable.idempotence": True,
                "acks": "all",
                "partitioner": "murmur2_random",
                "linger.ms": 5,
                "compression.type": "lz4",
            }
        )
        self._parts: dict[str, int] = {}
        self._same_count: dict[str, bool] = {}
        there = AdminClient(client(theirs)).list_topics(timeout=PATIENCE_S).topics
        here = self._consumer.list_topics(timeout=PATIENCE_S).topics
        for name in (*facts()[0], *facts()[1]):
            if name not in here or name not in there:
                where = ours if name not in here else theirs
                raise SettingError(f"{where.bootstrap} has no topic {name}; run `stockstream topics apply` there first")
            self._parts[name] = len(here[name].partitions)
            self._same_count[name] = self._parts[name] == len(there[name].partitions)
        self.copied = 0

    def close(self) -> None:
        self._producer.flush(PATIENCE_S)
        self._consumer.close()

    # ---- copying ----------------------------------------------------------------------------------------------------

    def run(self, stopping: threading.Event, *, once: bool, tell: Tell) -> None:
        """Copy reference data whole, then everything as it comes; `once` returns when nothing is left."""
        reference, inbound = facts()
        self._copy(reference, stopping, until_still=True, tell=tell)
        self._copy([*reference, *inbound], stopping, until_still=once, tell=tell)

    def _copy(self, topics: Iterable[str], stopping: threading.Event, *, until_still: bool, tell: Tell) -> None:
        places = [TopicPartition(topic, p) for topic in topics for p in range(self._parts[topic])]
        noted = without_errors(self._consumer.committed(places, timeout=PATIENCE_S))
        position = {(at.topic, at.partition): max(at.offset, 0) for at in noted}
        self._consumer.assign(
            [TopicPartition(topic, p, offset or OFFSET_BEGINNING) for (topic, p), offset in position.items()]
        )
        ended: set[Place] = set()
        note_all_at = time.monotonic()
        while not stopping.is_set():
            messages = []
            for message in self._consumer.consume(READ, LOOK_S):
                place = _place(message)
                if message.error() is not None and message.error().name() == "_PARTITION_EOF":
                    ended.add(place)
                elif checked(message) is not None:
                    ended.discard(place)
                    position[place] = int(message.offset() or 0) + 1
                    messages.append(message)
            self._forward(messages)
            if time.monotonic() >= note_all_at:
                self._note(position)
                note_all_at = time.monotonic() + NOTE_ALL_S
            elif messages:
                self._note({place: position[place] for place in map(_place, messages)})
            if messages:
                tell(self.copied, self._left(position))
            elif until_still and len(ended) == len(places):
                break
        with suppress(KafkaException):  # all of it was noted before: this only makes it be remembered for longer
            self._note(position)

    def _forward(self, messages: list[Message]) -> None:
        for message in messages:
            topic, partition = str(message.topic()), message.partition()
            more: dict[str, Any] = {"partition": partition} if self._same_count[topic] else {}
            while True:
                try:
                    self._producer.produce(
                        topic,
                        message.value(),
                        message.key(),
                        timestamp=max(message.timestamp()[1], 0),
                        headers=message.headers(),
                        on_delivery=self._delivered,
                        **more,
                    )
                    break
                except BufferError:
                    self._producer.poll(LOOK_S)
            self.copied += 1
        if self._producer.flush(PATIENCE_S):
            raise TimeoutError(f"the other site's broker did not take all records within {PATIENCE_S:.0f} s")
        if self._faults:
            raise KafkaException(self._faults[0])

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._faults.append(error)

    def _note(self, ends: Mapping[Place, int]) -> None:
        """Keep the places up to which all is copied; where nothing is, the beginning needs no note."""
        offsets = [TopicPartition(*place, end) for place, end in ends.items() if end > 0]
        if offsets:
            self._consumer.commit(offsets=offsets, asynchronous=False)

    def _left(self, position: Mapping[Place, int]) -> int:
        """About how many records are still to be copied, by offsets as last heard."""
        left = 0
        for place, offset in position.items():
            low, high = self._consumer.get_watermark_offsets(TopicPartition(*place), cached=True)
            left += max(0, high - max(offset, low))
        return left

    @staticmethod
    def _same_schemas(ours: Shared, theirs: Shared) -> None:
        """Values carry ids of our registry: the other site's has to know the same schemas by the same ids."""
        if ours.registry == theirs.registry:
            return
        mine, other = registry.client(ours), registry.client(theirs)
        for topic in (_topic(name) for name in (*facts()[0], *facts()[1])):
            known = registry.versions(mine, topic.subject)
            if known - registry.versions(other, topic.subject):
                raise SettingError(
                    f"{theirs.registry} does not know {topic.subject} by the ids of {ours.registry}, which the values "
                    f"carry: let the other site use this registry, or bring the schemas there with their ids"
                )


def _place(message: Message) -> Place:
    return str(message.topic()), int(message.partition() or 0)


def _topic(name: str) -> Topic:
    return catalogue().topic(name)


def patiently(tell: Tell, every_s: float = 5.0) -> Tell:
    """Tell at most every so often."""
    last = [0.0]

    def told(copied: int, left: int) -> None:
        if time.monotonic() - last[0] >= every_s or not left:
            last[0] = time.monotonic()
            tell(copied, left)

    return told

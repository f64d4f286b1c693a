"""A mirror's places: kept by the broker for as long as the mirror is at work, whether or not there is anything to copy."""

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from connectors import mirror
from connectors.away import passes
from connectors.drained import committed
from schemas.environment import Shared
from tests.connectors.erp_site import wait

pytestmark = pytest.mark.stack


class Nowhere:
    """In place of the other site's producer: takes all, keeps nothing."""

    def __init__(self, _: Any) -> None:
        """No connection is made."""

    def produce(self, *_: Any, **__: Any) -> None:
        """Taken."""

    def flush(self, _: float) -> int:
        return 0


class Site:
    """A site with one reference and one inbound topic, a record in each, and a mirror of it to nowhere."""

    def __init__(self, bootstrap: str, registry: str, monkeypatch: pytest.MonkeyPatch) -> None:
        mark = uuid.uuid4().hex
        self.topics = f"test.{mark}.reference", f"test.{mark}.inbound"
        self.settings = Shared(bootstrap=bootstrap, registry=registry, app=f"mirror-{mark}")
        self.theirs = Shared(bootstrap=f"{bootstrap},{bootstrap}", registry=registry)
        self.group = f"{self.settings.app}-mirror"
        self._admin = AdminClient({"bootstrap.servers": bootstrap})
        producer = Producer({"bootstrap.servers": bootstrap})
        for topic in self.topics:
            self._admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(30)
            producer.produce(topic, b"fact", partition=0)
        assert producer.flush(30) == 0
        monkeypatch.setattr(mirror, "facts", lambda: ([self.topics[0]], [self.topics[1]]))
        monkeypatch.setattr(mirror, "Producer", Nowhere)
        wait(self._asked, f"the coordinator of {self.group}")

    def _asked(self) -> bool:
        try:
            committed(self.settings, self.group, self.topics)
        except KafkaException as error:  # the broker's first group ever: its coordinator reads its log first
            if not passes(error.args[0]):
                raise
            return False
        return True

    @contextmanager
    def running(self) -> Iterator[threading.Event]:
        """Within, the mirror is at work; it is told to stop by the event, or on the way out."""
        copier, stopping, faults = mirror.Mirror(self.settings, self.theirs), threading.Event(), list[Exception]()

        def work() -> None:
            try:
                copier.run(stopping, once=False, tell=lambda *_: None)
            except Exception as error:  # noqa: BLE001 - told below
                faults.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield stopping
        finally:
            stopping.set()
            thread.join(60)
            copier.close()
            if faults:  # not what the test waited for in vain, but why
                raise faults[0]
        assert not thread.is_alive(), "the mirror did not stop within 60 s"

    def noted(self) -> bool:
        return set(committed(self.settings, self.group, self.topics).values()) == {1}

    def forget(self) -> None:
        """As the broker does with a place noted long ago."""
        self._admin.delete_consumer_groups([self.group])[self.group].result(30)
        assert set(committed(self.settings, self.group, self.topics).values()) == {None}


@pytest.fixture
def site(bootstrap: str, registry_url: str, monkeypatch: pytest.MonkeyPatch) -> Site:
    return Site(bootstrap, registry_url, monkeypatch)


def test_places_are_noted_again_while_nothing_comes(site: Site, monkeypatch: pytest.MonkeyPatch):
    """Now and then, all of them: a quiet topic's place would be forgotten else, and all of it be copied again."""
    monkeypatch.setattr(mirror, "NOTE_ALL_S", 0.5)
    with site.running():
        wait(site.noted, "the records to be copied and noted")
        site.forget()
        wait(site.noted, "all places to be noted again")


def test_places_are_noted_once_more_before_the_end(site: Site):
    """So that the seven days begin when it is told to stop."""
    with site.running() as stopping:
        wait(site.noted, "the records to be copied and noted")
        site.forget()
        stopping.set()
    assert site.noted()


def test_places_are_noted_again_at_the_start(site: Site, monkeypatch: pytest.MonkeyPatch):
    """A mirror may be started shortly before the broker would forget them."""
    with site.running():
        wait(site.noted, "the records to be copied and noted")

    forgotten = threading.Event()

    class Forgotten(Consumer):
        """All places are forgotten as soon as they were asked for."""

        def committed(self, places: list[TopicPartition], **more: Any) -> list[TopicPartition]:
            found = super().committed(places, **more)
            if len(places) == len(site.topics):
                site.forget()
                forgotten.set()
            return found

    monkeypatch.setattr(mirror, "Consumer", Forgotten)
    with site.running():
        wait(forgotten.is_set, "the places to be asked for")
        wait(site.noted, "all places to be noted again")

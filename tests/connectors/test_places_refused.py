"""A place that the broker refuses to tell is an error: it is no place that was never noted, read from the beginning."""

import asyncio
import threading
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from confluent_kafka.aio import AIOConsumer

from connectors import drained, mirror
from connectors.outbound.commerce.feeds import Feeds
from connectors.outbound.commerce.reader import ChannelReader
from connectors.outbound.commerce.settings import Commerce
from connectors.outbound.erp.connector import Connector
from connectors.outbound.erp.routing import Routing, Rule, System
from connectors.outbound.erp.settings import Settings
from local.stack import LocalStack
from schemas.codec import Codec
from schemas.environment import Shared
from tables.channels import parse
from tests.connectors.erp_in_memory import Erp, Told, online
from tests.connectors.erp_site import ErpSite

pytestmark = pytest.mark.stack
WAIT_S = 60.0
REFUSED = "TOPIC_AUTHORIZATION_FAILED"


class Refused(TopicPartition):
    """One partition's part of the broker's answer."""

    error = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)


def refused(places: Sequence[TopicPartition]) -> list[TopicPartition]:
    return [Refused(place.topic, place.partition) for place in places]


class Unprivileged(Consumer):
    """May ask for places, and is told none."""

    def committed(self, places: list[TopicPartition], **_: Any) -> list[TopicPartition]:
        return refused(places)


@pytest.fixture
def topic(bootstrap: str) -> str:
    """A channel's, in name."""
    name = f"channel.{uuid.uuid4().hex}.availability"
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(name, 1, 1)])[name].result(30)
    return name


@pytest.fixture
def unprivileged(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read by groups' members is so as well."""

    async def committed(_: AIOConsumer, places: list[TopicPartition], **__: Any) -> list[TopicPartition]:
        return refused(places)

    monkeypatch.setattr(AIOConsumer, "committed", committed)


@pytest.mark.usefixtures("unprivileged")
async def test_the_erp_connector_ends(stack: LocalStack, tmp_path: Path):
    """It would post everything again."""
    site, told = ErpSite(stack, tmp_path), Told()
    results: Any = told
    settings = Settings(bootstrap=stack.bootstrap, app=site.app)
    it = Connector(settings, Routing({"erp": System("erp", "odata")}, (Rule("erp"),)), site.codec, results)
    it.drivers["erp"] = online("erp", Erp(), told, it)
    with pytest.raises(ExceptionGroup) as ended:
        await asyncio.wait_for(it.run(), WAIT_S)

    assert ended.group_contains(KafkaException, match=REFUSED)


@pytest.mark.usefixtures("unprivileged")
async def test_a_channel_s_reader_ends(bootstrap: str, topic: str):
    """It would tell everything again."""
    (channel,) = parse({"channels": {topic.split(".")[1]: {"sourcing": ["DC01"]}}}).channels
    settings, codec = Commerce(bootstrap=bootstrap), Codec()
    it = ChannelReader(settings, codec, channel, Feeds(settings, codec), topic)
    with pytest.raises(KafkaException, match=REFUSED):
        await asyncio.wait_for(it.run(), WAIT_S)


def test_a_mirror_ends(bootstrap: str, topic: str, monkeypatch: pytest.MonkeyPatch):
    """It would copy everything again."""
    monkeypatch.setattr(mirror, "Consumer", Unprivileged)
    monkeypatch.setattr(mirror, "facts", lambda: ([topic], []))
    it = mirror.Mirror(Shared(bootstrap=bootstrap), Shared(bootstrap=f"{bootstrap},{bootstrap}"))
    stopping = threading.Event()
    end = threading.Timer(WAIT_S, stopping.set)
    end.start()
    try:
        with pytest.raises(KafkaException, match=REFUSED):
            it.run(stopping, once=True, tell=lambda *_: None)
    finally:
        end.cancel()
        it.close()


def test_what_a_group_has_left_is_not_known(bootstrap: str, topic: str, monkeypatch: pytest.MonkeyPatch):
    """A handover must not take it for a group that has read nothing, nor for one that has nothing left."""
    monkeypatch.setattr(drained, "Consumer", Unprivileged)
    with pytest.raises(KafkaException, match=REFUSED):
        drained.committed(Shared(bootstrap=bootstrap), "group", [topic])

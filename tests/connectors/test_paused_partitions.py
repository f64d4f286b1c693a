"""Partitions paused for want of room that go to another member and come back: they are read on.

librdkafka keeps a partition paused beyond its assignment, so these run against a real broker.
"""

import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from confluent_kafka.aio import AIOConsumer

from connectors import kafka
from connectors.outbound.commerce.feeds import Feeds
from connectors.outbound.commerce.reader import ChannelReader
from connectors.outbound.commerce.settings import Commerce
from connectors.outbound.erp.connector import Connector
from connectors.outbound.erp.routing import Routing, Rule, System
from connectors.outbound.erp.settings import Settings
from local.stack import LocalStack
from schemas import registry
from schemas.environment import Shared
from schemas.topics_admin import apply
from tables.channels import parse
from tests.connectors import erp_in_memory
from tests.connectors.erp_in_memory import Erp, Told, at_work, online
from tests.connectors.erp_site import PARTITIONS, POSTINGS, ErpSite, posting
from tests.connectors.view_under_test import example

pytestmark = pytest.mark.stack
WAIT_S = 60.0
SESSION_MS = 6_000


until = partial(erp_in_memory.until, within_s=WAIT_S)


@pytest.fixture
def paused(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """Partitions that were paused and not resumed since, as far as the client was asked to."""
    held: set[int] = set()
    pause, resume = AIOConsumer.pause, AIOConsumer.resume

    async def paused(self: AIOConsumer, places: list[TopicPartition]) -> None:
        await pause(self, places)
        held.update(place.partition for place in places)

    async def resumed(self: AIOConsumer, places: list[TopicPartition]) -> None:
        await resume(self, places)
        held.difference_update(place.partition for place in places)

    monkeypatch.setattr(AIOConsumer, "pause", paused)
    monkeypatch.setattr(AIOConsumer, "resume", resumed)
    return held


@asynccontextmanager
async def another_member(settings: Shared, group: str, topic: str) -> AsyncIterator[set[int]]:
    """A member that has partitions of the topic, which it gives back on the way out."""
    member = kafka.consumer(settings, group, session_timeout_ms=SESSION_MS)
    try:
        await member.subscribe([topic])
        end = time.monotonic() + WAIT_S
        while not (mine := await member.assignment()):
            if time.monotonic() > end:
                raise TimeoutError(f"waited {WAIT_S:.0f} s for {group} to give its new member partitions")
            await member.consume(1, 0.1)
        yield {place.partition for place in mine}
    finally:
        await member.close()


async def test_the_client_keeps_a_partition_paused_beyond_its_assignment(bootstrap: str):
    """What the connectors have to reckon with; a partition that was not paused is read meanwhile."""
    topic = group = f"test.{uuid.uuid4().hex}"
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(topic, 2, 1)])[topic].result(30)
    producer = Producer({"bootstrap.servers": bootstrap})
    found: list[tuple[int, bytes | None]] = []
    source = kafka.consumer(Shared(bootstrap=bootstrap), group, session_timeout_ms=SESSION_MS)

    async def read_until(condition: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + WAIT_S
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError(f"waited {WAIT_S:.0f} s for {what}; read {found}")
            found.extend((record.partition, record.value) for record in await kafka.read(source, wait_s=0.1))

    try:
        assigned: list[int] = []
        gone: list[int] = []

        async def on_assign(_: AIOConsumer, places: list[TopicPartition]) -> None:
            assigned.extend(place.partition for place in places)

        async def on_revoke(_: AIOConsumer, places: list[TopicPartition]) -> None:
            gone.extend(place.partition for place in places)

        for partition in (0, 1):
            producer.produce(topic, b"before", partition=partition)
        assert producer.flush(30) == 0
        await source.subscribe([topic], on_assign=on_assign, on_revoke=on_revoke)
        await read_until(lambda: len(found) == 2, "both partitions' first records")
        await source.commit(offsets=[TopicPartition(topic, number, 1) for number in (0, 1)], asynchronous=False)
        await source.pause([TopicPartition(topic, 0)])
        await source.unsubscribe()
        await read_until(lambda: len(gone) == 2, "both partitions to go")
        await source.subscribe([topic], on_assign=on_assign, on_revoke=on_revoke)
        await read_until(lambda: len(assigned) == 4, "both partitions to come back")
        for partition in (0, 1):
            producer.produce(topic, b"after", partition=partition)
            assert producer.flush(30) == 0
        await read_until(lambda: (1, b"after") in found, "the partition that was not paused")
        assert (0, b"after") not in found

        await source.resume([TopicPartition(topic, 0)])
        await read_until(lambda: (0, b"after") in found, "the partition that was resumed")
    finally:
        await source.close()

    assert sorted(found) == [(0, b"after"), (0, b"before"), (1, b"after"), (1, b"before")]


async def test_postings_of_a_partition_that_left_at_the_horizon_are_posted_when_it_comes_back(
    stack: LocalStack, tmp_path: Path, paused: set[int]
):
    """The ERP is away, all partitions wait at the horizon, and another instance comes and goes."""
    site, erp, told = ErpSite(stack, tmp_path), Erp(), Told()
    erp.up.clear()
    settings = Settings(
        bootstrap=stack.bootstrap,
        registry=stack.registry_url,
        app=site.app,
        horizon=100,
        window=100,
        commit_interval_ms=50,
        session_timeout_ms=SESSION_MS,
    )
    results: Any = told
    it = Connector(settings, Routing({"erp": System("erp", "odata")}, (Rule("erp"),)), site.codec, results)
    it.drivers["erp"] = online("erp", erp, told, it)
    sent = [posting(site.document(number)) for number in range(800)]
    site.send(*sent)
    async with at_work(it):
        await until(lambda: len(paused) == PARTITIONS, f"all partitions to wait at the horizon; {paused} do")
        async with another_member(settings, it.group, POSTINGS) as lent:
            await until(lambda: lent.isdisjoint(it.state()["partitions"]), f"partitions {lent} to go")
        await until(lambda: len(it.state()["partitions"]) == PARTITIONS, f"partitions {lent} to come back")
        erp.up.set()
        wanted = {each["idempotency_key"] for each in sent}
        await until(lambda: wanted <= set(erp.taken), f"all postings, those of partitions {lent} among them")

    assert sorted(wanted) == sorted(erp.taken)


async def test_offers_of_a_partition_that_left_while_memory_was_full_are_told_when_it_comes_back(
    stack: LocalStack, paused: set[int]
):
    """Nobody takes any offer, so reading pauses; a reader comes, offers are taken again, and the reader goes."""
    name = f"c{uuid.uuid4().hex[:8]}"
    topic, group = f"channel.{name}.availability", f"{name}-group"
    registry.register_all(stack.registry_url, [name])
    apply({"bootstrap.servers": stack.bootstrap}, partitions=PARTITIONS, channels=[name])
    codec = registry.connected_codec(stack.registry_url, [name])
    (channel,) = parse({"channels": {name: {"sourcing": ["DC01"]}}}).channels
    settings = Commerce(bootstrap=stack.bootstrap, registry=stack.registry_url, app=name, pending=100)
    producer = Producer({"bootstrap.servers": stack.bootstrap})

    def send(*skus: str) -> None:
        for number, sku in enumerate(skus):
            offer = example("ChannelAvailability", "in-stock") | {"channel": name, "sku": sku, "revision": 1}
            producer.produce(topic, codec.encode(topic, offer), sku, partition=number % PARTITIONS)
        assert producer.flush(30) == 0

    it = ChannelReader(settings, codec, channel, Feeds(settings, codec), group)
    told: set[str] = set()

    def work() -> None:
        changes = it.outbox.take(50)
        told.update(change.sku for change in changes)
        it.outbox.done(changes)

    early, late = [f"E{number}" for number in range(400)], [f"L{number}" for number in range(PARTITIONS)]
    send(*early)
    async with at_work(it):
        await until(lambda: len(paused) == PARTITIONS, f"all partitions to wait for room; {paused} do")
        async with another_member(settings, group, topic) as lent:
            await until(lambda: lent.isdisjoint(it.outbox.positions()), f"partitions {lent} to go")
            await until(lambda: work() or paused <= lent, f"the partitions other than {lent} to be read again")
        send(*late)
        await until(lambda: work() or told >= {*early, *late}, f"all offers, those of partitions {lent} among them")

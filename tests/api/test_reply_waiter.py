"""The waiter for the single writer's decisions, on a real broker: bounded, and never in the way of a request."""

import asyncio
import uuid
from typing import Any

import pytest
from confluent_kafka import KafkaException, Producer

from connectors.api.reply_waiter import REPLIES, ReplyWaiter
from schemas.codec import Codec
from tests.api.api_site import Site
from tests.api.newer_writer import newer_writer

pytestmark = pytest.mark.stack


def reply(number: int, prefix: str, **changes: Any) -> dict[str, Any]:
    return {
        "reservation_id": f"{prefix}.{number}",
        "request_id": f"{prefix}-{number}",
        "action": "RESERVE",
        "accepted": True,
        "reason": None,
        "state": "HELD",
        "channel": "shop",
        "sku": prefix,
        "quantity": 1,
        "parts": [],
        "available": 0,
        "expires_at": None,
        "order_number": None,
        "revision": number,
        "decided_at": 1_795_168_800_000,
        "correlation_id": "",
        **changes,
    }


def tell(site: Site, *replies: dict[str, Any]) -> None:
    producer = Producer({"bootstrap.servers": site.stack.bootstrap, "partitioner": "murmur2_random"})
    for one in replies:
        producer.produce(REPLIES, site.codec.encode(REPLIES, one), one["reservation_id"])
    assert producer.flush(20) == 0


async def heard(waiter: ReplyWaiter, request_id: str) -> Any:
    with waiter.expecting(request_id) as future:
        return await asyncio.wait_for(future, 20)


async def test_only_so_many_replies_are_remembered(site: Site):
    """The oldest go first, from both memories."""
    prefix = f"W-{uuid.uuid4().hex[:8]}"
    waiter = ReplyWaiter(site.settings(), site.codec, most=3)
    assert await waiter.ready(20)
    replies = [reply(number, prefix) for number in range(5)]
    for one in replies:
        await asyncio.to_thread(tell, site, one)
        await heard(waiter, one["request_id"])
    await waiter.stop()

    assert [waiter.reply(one["request_id"]) is not None for one in replies] == [False, False, True, True, True]
    assert [waiter.state(one["reservation_id"]) is not None for one in replies] == [False, False, True, True, True]


async def test_a_refused_change_leaves_the_reservation_as_it_was(site: Site):
    """And an older reply that comes late does not turn it back."""
    prefix = f"W-{uuid.uuid4().hex[:8]}"
    waiter = ReplyWaiter(site.settings(), site.codec)
    assert await waiter.ready(20)
    name = {"reservation_id": f"{prefix}.0"}
    no = {"accepted": False, "reason": "NOT_OPEN", "state": "NOT_OPEN"}
    await asyncio.to_thread(
        tell,
        site,
        reply(5, prefix, **name),
        reply(6, prefix, **name, **no, action="CONFIRM"),
        reply(4, prefix, **name, state="EXPIRED", action="EXPIRE"),
    )
    refused = await heard(waiter, f"{prefix}-6")
    await heard(waiter, f"{prefix}-4")
    state = waiter.state(f"{prefix}.0")
    await waiter.stop()

    assert refused["reason"] == "NOT_OPEN"
    assert state is not None
    assert (state["state"], state["revision"]) == ("HELD", 5)


async def test_a_broker_that_is_away_makes_answers_pending_not_errors(site: Site):
    """Not ready within the wait, and stopped without having been."""
    waiter = ReplyWaiter(site.settings(bootstrap="127.0.0.1:1"), site.codec)

    assert not await waiter.ready(0.2)
    await asyncio.wait_for(waiter.stop(), 20)


async def test_after_a_fault_it_goes_on_where_it_was(site: Site, monkeypatch: pytest.MonkeyPatch):
    """What was decided while nobody listened is heard afterwards."""
    prefix = f"W-{uuid.uuid4().hex[:8]}"
    waiter = ReplyWaiter(site.settings(), site.codec)
    assert await waiter.ready(20)
    hand_over, missed = waiter._hand_over, reply(2, prefix)

    def fail_once(messages: list[Any]) -> None:
        monkeypatch.setattr(waiter, "_hand_over", hand_over)
        tell(site, missed)
        raise KafkaException("the connection is lost")

    monkeypatch.setattr(waiter, "_hand_over", fail_once)
    await asyncio.to_thread(tell, site, reply(1, prefix))
    found = [await heard(waiter, f"{prefix}-{number}") for number in (1, 2)]
    await waiter.stop()

    assert [one["revision"] for one in found] == [1, 2]


async def test_what_is_no_reply_is_passed_over(site: Site):
    """Bytes of someone else's in the topic do not stop the followers."""
    prefix = f"W-{uuid.uuid4().hex[:8]}"
    waiter = ReplyWaiter(site.settings(), site.codec)
    assert await waiter.ready(20)
    producer = Producer({"bootstrap.servers": site.stack.bootstrap, "partitioner": "murmur2_random"})
    for value in (b"", b"{}", b"\x00\x00\x00\x00\x00junk"):
        producer.produce(REPLIES, value, f"{prefix}.1")
    assert producer.flush(20) == 0
    await asyncio.to_thread(tell, site, reply(1, prefix))
    found = await heard(waiter, f"{prefix}-1")
    await waiter.stop()

    assert found["state"] == "HELD"


async def test_a_newer_writer_s_reply_is_heard_once_the_registry_says_how_to_read_it(site: Site):
    """The schema id came after the API started; a registry that is away makes the reply wait, and nothing is lost."""
    prefix = f"W-{uuid.uuid4().hex[:8]}"
    encode = newer_writer(site.stack.registry_url, REPLIES)
    away = site.settings(registry="http://127.0.0.1:1")
    here, there = ReplyWaiter(site.settings(), site.codec), ReplyWaiter(away, Codec())
    assert await here.ready(20)
    assert await there.ready(20)
    await asyncio.to_thread(site.write, REPLIES, encode(reply(1, prefix)), prefix)
    await asyncio.to_thread(tell, site, reply(2, prefix))
    found = [await heard(here, f"{prefix}-{number}") for number in (1, 2)]
    waiting = there.reply(f"{prefix}-1")
    await asyncio.gather(here.stop(), asyncio.wait_for(there.stop(), 20))

    assert [one["revision"] for one in found] == [1, 2]
    assert waiting is None

"""One connection to Redis for all requests: every question gets its own answer, whatever becomes of the connection."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import redis
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as Broken
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as Silent

from connectors.api.redis_line import Questions, RedisLine
from local.processes import pick_port
from tests.api.own_redis import OwnRedis

PATIENCE_MS = 300


@pytest.fixture
def own(tmp_path: Path) -> Iterator[OwnRedis]:
    made = OwnRedis(tmp_path, pick_port(set()))
    client = redis.Redis.from_url(made.url)
    for number in range(200):
        client.hset(f"h:{number}", mapping={"a": number, "b": f"value {number}"})
    client.set("text", "no hash")
    yield made
    made.resume()
    made.stop()


@pytest_asyncio.fixture
async def line(own: OwnRedis) -> AsyncIterator[RedisLine]:
    client = Redis.from_url(own.url, protocol=2, socket_connect_timeout=1)
    made = RedisLine(client, PATIENCE_MS)
    yield made
    made.close()
    await client.aclose()


def asking(key: str) -> Questions:
    questions = Questions()
    questions.hget(key, "a")
    questions.hmget(key, ("b", "none"))
    questions.hgetall(key)
    return questions


def of(number: int) -> list[Any]:
    a, b = str(number).encode(), f"value {number}".encode()
    return [a, [b, None], {b"a": a, b"b": b}]


@pytest.mark.asyncio
async def test_many_who_ask_at_once_get_each_their_own_answers(line: RedisLine) -> None:
    """Answers come in the order of the questions, over one connection."""
    found = await asyncio.gather(*(line.ask(asking(f"h:{number}")) for number in range(200)))

    assert [of(number) for number in range(200)] == found


@pytest.mark.asyncio
async def test_who_gives_up_waiting_leaves_the_answers_of_others_in_order(line: RedisLine) -> None:
    """The answer to a cancelled question still comes, and is nobody else's."""
    await line.ask(asking("h:1"))
    given_up = asyncio.create_task(line.ask(asking("h:2")))
    await asyncio.sleep(0)
    other = asyncio.create_task(line.ask(asking("h:3")))
    await asyncio.sleep(0)
    given_up.cancel()

    assert of(3) == await other


@pytest.mark.asyncio
async def test_a_connection_that_was_cut_is_made_again(line: RedisLine, own: OwnRedis) -> None:
    """Whoever asks next does not notice."""
    await line.ask(asking("h:1"))
    with redis.Redis.from_url(own.url) as other:
        other.client_kill_filter(_type="normal", skipme=True)

    assert of(2) == await line.ask(asking("h:2"))


@pytest.mark.asyncio
async def test_a_question_redis_refuses_harms_no_other(line: RedisLine) -> None:
    """A key of another type: whoever asked is told, the connection goes on."""
    wrong, right = await asyncio.gather(line.ask(asking("text")), line.ask(asking("h:4")), return_exceptions=True)

    assert isinstance(wrong, ResponseError)
    assert of(4) == right


@pytest.mark.asyncio
async def test_silence_ends_the_wait_of_all_and_is_not_asked_again(line: RedisLine, own: OwnRedis) -> None:
    """Redis is connected and says nothing; once it speaks again, so does the line."""
    await line.ask(asking("h:1"))
    own.pause()
    told = await asyncio.gather(*(line.ask(asking("h:1")) for _ in range(5)), return_exceptions=True)
    own.resume()

    assert [Silent] * 5 == [type(one) for one in told]
    assert of(5) == await line.ask(asking("h:5"))


@pytest.mark.asyncio
async def test_a_redis_that_is_not_there_is_told(line: RedisLine, own: OwnRedis) -> None:
    """Before and after there was a connection; back again, it is used again."""
    await line.ask(asking("h:1"))
    own.stop()
    with pytest.raises(Broken):
        await line.ask(asking("h:1"))
    own.start()

    assert of(6) == await line.ask(asking("h:6"))

"""Questions to Redis over one connection that all requests share: written as they come, answered in their order.

redis-py makes the connection, with whatever address, password and TLS the settings name. Its pool and pipelines take
several times the CPU of a read, so the connection is then ours: hiredis packs and parses, nothing is in between.
"""

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Any

import hiredis
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as Broken
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as Silent


class Questions:
    """Commands that read, for one round trip; named as in redis-py, and so are their answers."""

    __slots__ = ("hashes", "packed")

    def __init__(self) -> None:
        self.packed: list[bytes] = []
        self.hashes: list[int] = []
        """Which of the answers are whole hashes."""

    def hget(self, key: str, field: str) -> None:
        self._pack("HGET", key, field)

    def hmget(self, key: str, fields: Iterable[str]) -> None:
        self._pack("HMGET", key, *fields)

    def hgetall(self, key: str) -> None:
        self.hashes.append(len(self.packed))
        self._pack("HGETALL", key)

    def _pack(self, *command: str) -> None:
        self.packed.append(hiredis.pack_command(command))  # type: ignore[arg-type]  # takes a tuple of any length


class RedisLine:
    """The connection, made when it is first needed and again once it is lost."""

    def __init__(self, redis: Redis, patience_ms: int) -> None:
        self._redis, self._patience = redis, patience_ms / 1000
        self._connection: _Connection | None = None
        self._connecting = asyncio.Lock()

    async def ask(self, questions: Questions) -> list[Any]:
        """The answers; raise RedisError or OSError. A connection that breaks is made once more, silence is not."""
        connection = self._connection
        if connection is None or connection.lost:
            connection = await self._connect()
        try:
            found = await connection.ask(questions.packed)
        except Broken:
            found = await (await self._connect()).ask(questions.packed)
        for place in questions.hashes:
            flat = iter(found[place])
            found[place] = dict(zip(flat, flat, strict=True))
        return found

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    async def _connect(self) -> "_Connection":
        async with self._connecting:
            if self._connection is None or self._connection.lost:
                made: Any = self._redis.connection_pool.make_connection()  # type: ignore[no-untyped-call]
                await made.connect()
                self._connection = _Connection(made, self._patience)
        return self._connection


class _Connection(asyncio.Protocol):
    """One connection, taken over from redis-py once it has let us in."""

    def __init__(self, made: Any, patience: float) -> None:
        self._made, self._patience = made, patience
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader()
        self._waiting: deque[_Waiting] = deque()
        self._unsent: list[bytes] = []
        self._watch: asyncio.TimerHandle | None = None
        self._transport: Any = made._writer.transport  # noqa: SLF001 - redis-py has no way to give it away
        self._former: Any = self._transport.get_protocol()
        self._transport.set_protocol(self)
        self.lost = self._transport.is_closing()

    async def ask(self, packed: list[bytes]) -> list[Any]:
        if self.lost:
            raise Broken("the connection was lost")
        waiting = _Waiting(self._loop.create_future(), len(packed), self._loop.time() + self._patience)
        self._waiting.append(waiting)
        if self._watch is None:
            self._watch = self._loop.call_at(waiting.until, self._look)
        if not self._unsent:
            self._loop.call_soon(self._send)
        self._unsent += packed
        found: list[Any] = await waiting.future
        return found

    def _send(self) -> None:
        """What all requests asked in this turn of the loop, in one go."""
        if not self.lost:
            self._transport.write(b"".join(self._unsent))
        self._unsent.clear()

    def close(self, why: Exception | None = None) -> None:
        """End it; whoever waits is told."""
        self.lost = True
        if self._watch is not None:
            self._watch.cancel()
        self._transport.abort()
        while self._waiting:
            self._waiting.popleft().fail(why or Broken("the connection was lost"))

    def _look(self) -> None:
        """One timer for all: whoever asked first waits longest."""
        self._watch = None
        if self._waiting:
            until = self._waiting[0].until
            if until <= self._loop.time():
                self.close(Silent("Redis has not answered"))
            else:
                self._watch = self._loop.call_at(until, self._look)

    # ---- what the transport calls -------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        try:
            self._reader.feed(data)
            while (answer := self._reader.gets()) is not False:
                waiting = self._waiting[0]
                if waiting.take(answer):
                    self._waiting.popleft()
        except (hiredis.ProtocolError, IndexError):
            self.close(Broken("what came is no answer of Redis"))

    def connection_lost(self, exc: Exception | None) -> None:
        self.close()
        self._former.connection_lost(exc)
        self._made._reader = self._made._writer = None  # noqa: SLF001 - nothing left to close


class _Waiting:
    """One round trip: how many answers are to come, and until when."""

    __slots__ = ("answers", "count", "future", "until")

    def __init__(self, future: asyncio.Future[list[Any]], count: int, until: float) -> None:
        self.future, self.count, self.until = future, count, until
        self.answers: list[Any] = []

    def take(self, answer: Any) -> bool:
        """Whether that was the last; the caller may have given up by then."""
        self.answers.append(answer)
        if len(self.answers) < self.count:
            return False
        if not self.future.done():
            wrong = next((one for one in self.answers if isinstance(one, hiredis.ReplyError)), None)
            if wrong is None:
                self.future.set_result(self.answers)
            else:
                self.future.set_exception(ResponseError(str(wrong)))
        return True

    def fail(self, why: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(why)

"""The life of one open stream: replay up to the channel's reader, then live, until client, server or key ends it."""

import asyncio
import contextlib
from typing import Any, Final

import orjson
from confluent_kafka.aio import AIOConsumer
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from connectors.api import cursor as cursors
from connectors.api import metrics, offers
from connectors.api.edge import Edge
from connectors.api.fanout import Offsets, Replay, Subscriber, some
from connectors.api.security import Principal
from connectors.away import Away
from connectors.decoding import Decoding
from connectors.kafka import Record, checked
from schemas.clock import wall_ms
from tables.channels import Channel

LOOK_S: Final = 1.0
"""How often feeds and keys are looked at while nothing happens."""
PIECE: Final = 100
"""Most events in one write."""
LAST_WORD_S: Final = 1.0


class Ended(Exception):
    """The server ends the stream; the message is the reason its client is told."""


class EventStream(Response):
    """Answers with the channel's changes. `open` first: what can be refused is refused before the answer begins."""

    media_type = "text/event-stream"

    def __init__(self, edge: Edge, channel: Channel, caller: Principal) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._edge, self._channel, self._caller = edge, channel, caller
        self._at: Offsets = {}
        self._replay: AIOConsumer | None = None
        self._subscriber: Subscriber | None = None
        self._place, self._replaying = contextlib.ExitStack(), contextlib.AsyncExitStack()
        self._settings = edge.settings
        self._feeds: Any = None

    async def open(self, start: Offsets | None, replay: Replay) -> None:
        """Take a place among the streams, and find the cursor; raise Problem, OutOfRange or KafkaException."""
        streams = self._edge.streams
        try:
            self._place.enter_context(streams.one_more(self._caller.id))
            self._decoding = Decoding(self._settings, self._edge.codec)
            self._reader = await streams.reader(self._channel.topic, self._decoding, self._render)
            if start is not None:
                self._replaying.enter_context(streams.one_more_replay())
                self._replay = await self._replaying.enter_async_context(replay.open(start))
                self._at = dict(start)
            else:
                self._join()
                self._at = dict(self._reader.position)
        except BaseException:
            await self._close()
            raise

    def _join(self) -> Subscriber:
        """Hear of everything after the reader's position of this very moment: nothing may be awaited in between."""
        self._subscriber = self._reader.join(self._settings.stream_backlog)
        return self._subscriber

    async def _close(self) -> None:
        self._place.close()
        if self._subscriber is not None:
            self._reader.subscribers.discard(self._subscriber)
        await self._replaying.aclose()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._send = send
        metrics.STREAMS.labels(self._channel.id).inc()
        gone = asyncio.create_task(_gone(receive))
        work = asyncio.create_task(self._serve())
        closing = asyncio.create_task(self._edge.closing.wait())
        try:
            await asyncio.wait({gone, work, closing}, return_when=asyncio.FIRST_COMPLETED)
            reason = await self._end(gone, work)
            metrics.STREAMS_ENDED.labels(reason).inc()
            if reason == "slow":
                scope.get("state", {}).get("abort", bool)()
        finally:
            for task in (gone, work, closing):
                task.cancel()
            await asyncio.gather(gone, work, closing, return_exceptions=True)
            await self._close()
            metrics.STREAMS.labels(self._channel.id).dec()

    async def _end(self, gone: asyncio.Task[None], work: asyncio.Task[None]) -> str:
        """Tell the client why, if it can still hear; return the reason's short name."""
        if gone.done():
            return "client"
        if work.done():
            error = work.exception()
            if not isinstance(error, Ended):
                raise error or RuntimeError("a stream ended by itself")
            name, text = error.args
        else:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            name, text = "closing", "the server is being stopped; come back"
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORD_S):
                data = orjson.dumps({"reason": name, "detail": text})
                await self._body(b"event: end\ndata: " + data + b"\n\n", more=False)
        return str(name)

    # ---- the work -----------------------------------------------------------------------------------------------

    async def _serve(self) -> None:
        await self._send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        start = {"channel": self._channel.id, "cursor": self._cursor(), **self._now_feeds()}
        self._feeds = self._state()
        await self._write([b"retry: 2000\n\n", self._event("start", orjson.dumps(start))])
        await self._follow(self._subscriber or await self._catch_up(self._replay))

    async def _catch_up(self, replay: AIOConsumer | None) -> Subscriber:
        """Replay until nothing lies between the client and the reader, then subscribe in the same breath."""
        while replay is not None and any(
            self._at.get(partition, 0) < offset for partition, offset in self._reader.position.items()
        ):
            pieces: list[bytes] = []
            messages = await some(replay)
            await self._learn(messages)
            for message in messages:
                record = checked(message)
                if record is None:  # the end of a partition tells where it is, beyond markers of transactions
                    if message.error().name() == "_PARTITION_EOF":
                        self._at[message.partition()] = max(self._at.get(message.partition(), 0), message.offset())
                elif record.offset >= self._at.get(record.partition, 0):
                    self._at[record.partition] = record.offset + 1
                    if (data := self._render(record)) is not None:
                        pieces.append(self._event("offer", data))
            for first in range(0, len(pieces), PIECE):
                await self._write(pieces[first : first + PIECE])
            if not pieces:
                await self._look()
        subscriber = self._join()
        await self._replaying.aclose()
        return subscriber

    async def _learn(self, messages: list[Any]) -> None:
        """Ask for schemas of newer writers; a client that cannot be brought up to date now comes back."""
        try:
            await self._decoding.learn(message.value() for message in messages if message.error() is None)
        except Away as away:
            raise Ended("fault", f"{away}; come back with the last id") from None

    async def _follow(self, subscriber: Subscriber) -> None:
        loop = asyncio.get_running_loop()
        beat = loop.time() + self._settings.stream_heartbeat_ms / 1000
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):  # wait_for would lose a cancellation that comes with the news
                    await subscriber.news.wait()
            subscriber.news.clear()
            while subscriber.waiting:
                pieces: list[bytes] = []
                while subscriber.waiting and len(pieces) < PIECE:
                    change = subscriber.waiting.popleft()
                    if change.offset >= self._at.get(change.partition, 0):
                        self._at[change.partition] = change.offset + 1
                        pieces.append(self._event("offer", change.data))
                await self._write(pieces)
            if subscriber.dropped:
                raise Ended(*subscriber.dropped)
            await self._look()
            if loop.time() >= beat:
                await self._write([b": alive\n\n"])
                beat = loop.time() + self._settings.stream_heartbeat_ms / 1000

    async def _look(self) -> None:
        """Whether the caller may still listen, and whether its feeds have changed."""
        expires = self._caller.expires_at
        if (expires is not None and expires <= wall_ms()) or not self._edge.authenticator.still_valid(self._caller):
            raise Ended("expired", "the key or token is no longer valid")
        state = self._state()
        if state != self._feeds:
            self._feeds = state
            await self._write([b"event: feeds\ndata: " + orjson.dumps(self._now_feeds()) + b"\n\n"])

    def _state(self) -> Any:
        """What makes the feeds worth telling again."""
        feeds = self._edge.view.feeds_of(self._channel.sourcing)
        return self._edge.view.why_not() is None, [(f["source"], f["location"], f["status"]) for f in feeds]

    def _now_feeds(self) -> dict[str, Any]:
        view = self._edge.view
        return {"feeds": view.feeds_of(self._channel.sourcing), "feeds_unknown_because": view.why_not()}

    def _render(self, record: Record) -> bytes | None:
        """One change as every client of the channel gets it; None for what is no offer."""
        found = self._decoding.decoded(record)
        if found is None:
            return None
        answer = offers.offer(found, self._channel, self._edge.view.worst, self._edge.clock())
        del answer["stamps"]
        return orjson.dumps(answer)

    # ---- writing ------------------------------------------------------------------------------------------------

    def _cursor(self) -> str:
        return cursors.encode(self._channel.topic, self._at)

    def _event(self, name: str, data: bytes) -> bytes:
        return b"id: %b\nevent: %b\ndata: %b\n\n" % (self._cursor().encode(), name.encode(), data)

    async def _write(self, pieces: list[bytes]) -> None:
        if not pieces:
            return
        try:
            async with asyncio.timeout(self._settings.stream_write_timeout_ms / 1000):
                await self._body(b"".join(pieces), more=True)
        except TimeoutError:
            raise Ended("slow", "the client does not read") from None

    async def _body(self, body: bytes, *, more: bool) -> None:
        await self._send({"type": "http.response.body", "body": body, "more_body": more})


async def _gone(receive: Receive) -> None:
    """Ends when the client has hung up."""
    while (await receive())["type"] != "http.disconnect":
        pass

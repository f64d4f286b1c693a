"""Brings the single writer's decisions back to the requests that wait for them: follows `reservations.replies`.

Each API process reads the whole topic from its end, without a group, in a thread of its own. A fault of the consumer
costs answers their wait (they are pending then), never a request: the thread connects anew and goes on where it was.
"""

import asyncio
import contextlib
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any, Final

from confluent_kafka import Consumer, KafkaException, TopicPartition

from connectors.away import Away, pauses
from connectors.decoding import Decoding
from connectors.heartbeat import beat, going_round
from connectors.kafka import Record, checked, client
from schemas.codec import Codec
from schemas.environment import Shared
from schemas.records import ReservationReply

REPLIES: Final = "reservations.replies"
POLL_S: Final = 0.5
ASK_S: Final = 3.0
AGAIN_S: Final = 1.0
log = logging.getLogger(__name__)


class ReplyWaiter:
    """Futures by request id, and the newest replies; use it from one event loop."""

    def __init__(self, settings: Shared, codec: Codec, most: int = 20_000) -> None:
        self._settings, self._most = settings, most
        self._decoding = Decoding(settings, codec)
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[str, list[asyncio.Future[ReservationReply]]] = {}
        self._by_request: OrderedDict[str, ReservationReply] = OrderedDict()
        self._by_reservation: OrderedDict[str, ReservationReply] = OrderedDict()
        self._ready = asyncio.Event()
        self._stopping = threading.Event()
        self._positions: dict[int, int] = {}
        self._thread = threading.Thread(target=self._follow, name="reservation replies", daemon=True)
        self._thread.start()

    # ---- for requests -------------------------------------------------------------------------------------------

    async def ready(self, within_s: float) -> bool:
        """Whether replies are followed: a request written before that might never see its own."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ready.wait(), within_s)
        return self._ready.is_set()

    @contextlib.contextmanager
    def expecting(self, request_id: str) -> Iterator[asyncio.Future[ReservationReply]]:
        """The reply to a request; enter before the request is written."""
        future: asyncio.Future[ReservationReply] = self._loop.create_future()
        if (known := self._by_request.get(request_id)) is not None:
            future.set_result(known)
        self._waiting.setdefault(request_id, []).append(future)
        try:
            yield future
        finally:
            others = self._waiting[request_id]
            others.remove(future)
            if not others:
                del self._waiting[request_id]

    def reply(self, request_id: str) -> ReservationReply | None:
        """The reply to a request, if it came lately."""
        return self._by_request.get(request_id)

    def state(self, reservation_id: str) -> ReservationReply | None:
        """The newest reply that changed a reservation, if it came lately."""
        return self._by_reservation.get(reservation_id)

    async def stop(self) -> None:
        self._stopping.set()
        await asyncio.to_thread(self._thread.join)

    # ---- in the loop --------------------------------------------------------------------------------------------

    def _take(self, replies: list[ReservationReply]) -> None:
        for reply in replies:
            _keep(self._by_request, reply["request_id"], reply, self._most)
            known = self._by_reservation.get(reply["reservation_id"])
            if changes(reply) and (known is None or known["revision"] <= reply["revision"]):
                _keep(self._by_reservation, reply["reservation_id"], reply, self._most)
            for future in self._waiting.get(reply["request_id"], ()):
                if not future.done():
                    future.set_result(reply)

    # ---- in the thread ------------------------------------------------------------------------------------------

    def _follow(self) -> None:
        with going_round("following reservation replies"):
            while not self._stopping.is_set():
                beat()
                try:
                    self._read()
                except KafkaException as error:
                    log.warning("reservation replies are not followed, answers are pending: %s", error)
                    self._tell(self._ready.clear)
                    self._stopping.wait(AGAIN_S)
                except Exception:
                    log.exception("reservation replies are not followed, answers are pending")
                    self._tell(self._ready.clear)
                    self._stopping.wait(AGAIN_S)

    def _read(self) -> None:
        """Follow the topic until told to stop; raise KafkaException."""
        consumer = Consumer(
            {
                **client(self._settings),
                "group.id": f"{self._settings.app}-api-replies",  # never joined: partitions are assigned by hand
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "auto.offset.reset": "latest",
                "fetch.wait.max.ms": 50,
            }
        )
        try:
            self._assign(consumer)
            self._tell(self._ready.set)
            while not self._stopping.is_set():
                beat()
                first = consumer.poll(POLL_S)
                if first is not None:
                    self._hand_over([first, *consumer.consume(500, 0)])
        finally:
            consumer.close()

    def _assign(self, consumer: Consumer) -> None:
        """Every partition from its end, or from where the last consumer was when it failed."""
        partitions = consumer.list_topics(REPLIES, timeout=ASK_S).topics[REPLIES].partitions
        if not partitions:
            raise KafkaException(f"the topic {REPLIES} is not there")
        for number in partitions:
            if number not in self._positions:
                place = TopicPartition(REPLIES, number)
                self._positions[number] = consumer.get_watermark_offsets(place, timeout=ASK_S)[1]
        consumer.assign([TopicPartition(REPLIES, number, offset) for number, offset in self._positions.items()])

    def _hand_over(self, messages: list[Any]) -> None:
        records = [record for message in messages if (record := checked(message)) is not None]
        if not self._learnt(records):
            return
        replies: list[ReservationReply] = []
        for record in records:
            self._positions[record.partition] = record.offset + 1
            if (reply := self._decoding.decoded(record)) is not None:
                replies.append(reply)
        if replies:
            self._tell(self._take, replies)

    def _learnt(self, records: list[Record]) -> bool:
        """Ask for schemas of a newer writer, for as long as it takes; False: the process ends before."""
        for pause in pauses():
            beat()
            try:
                self._decoding.learn_here(record.value for record in records)
            except Away as away:
                log.warning("%s; answers are pending", away)
                if self._stopping.wait(pause):
                    break
            else:
                return True
        return False

    def _tell(self, what: Callable[..., object], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(what, *arguments)


def changes(reply: ReservationReply) -> bool:
    """Whether a reply changes the reservation: a refused confirmation or cancellation leaves it as it was."""
    return reply["accepted"] or reply["action"] in ("RESERVE", "EXPIRE")


def _keep(kept: OrderedDict[str, ReservationReply], name: str, reply: ReservationReply, most: int) -> None:
    kept[name] = reply
    kept.move_to_end(name)
    if len(kept) > most:
        kept.popitem(last=False)

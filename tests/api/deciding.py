"""A stand-in for the single writer: reads requests as they come and writes the replies a test wants."""

import threading
import uuid
from collections.abc import Callable
from typing import Any, Self

from confluent_kafka import Consumer, Producer, TopicPartition

from schemas.clock import wall_ms
from schemas.codec import Codec

REQUESTS, REPLIES = "reservations.requests", "reservations.replies"
Decide = Callable[[dict[str, Any]], dict[str, Any] | None]


class Decider:
    """Decides the requests of SKUs with one prefix; `seen` are those requests, repeats among them."""

    def __init__(self, bootstrap: str, codec: Codec, prefix: str) -> None:
        self.prefix, self.decide = prefix, held
        self.seen: list[dict[str, Any]] = []
        self._codec, self._revision = codec, 0
        self._taken: set[str] = set()
        self._producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random", "linger.ms": 0})
        self._consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": f"decider-{uuid.uuid4().hex}"})
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> Self:
        places = []
        for number in self._consumer.list_topics(REQUESTS, timeout=20).topics[REQUESTS].partitions:
            place = TopicPartition(REQUESTS, number)
            place.offset = self._consumer.get_watermark_offsets(place, timeout=20)[1]
            places.append(place)
        self._consumer.assign(places)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(20)
        self._consumer.close()

    def _follow(self) -> None:
        while not self._stopping.is_set():
            message = self._consumer.poll(0.1)
            if message is None or message.error() or not message.key().decode().startswith(self.prefix):
                continue
            request = self._codec.decode(REQUESTS, message.value())
            self.seen.append(request)
            if request["event_id"] not in self._taken:  # as intake does with a repeat
                self._taken.add(request["event_id"])
                self.tell(request, self.decide(request))

    def tell(self, request: dict[str, Any], decision: dict[str, Any] | None) -> None:
        """Write a reply to a request; None: say nothing."""
        if decision is None:
            return
        self._revision += 1
        reply = {
            "reservation_id": request["reservation_id"],
            "request_id": request["event_id"],
            "action": request["action"],
            "accepted": True,
            "reason": None,
            "channel": request["channel"],
            "sku": request["sku"],
            "quantity": request["quantity"],
            "parts": [],
            "available": 7,
            "expires_at": None,
            "order_number": request["order_number"],
            "revision": self._revision,
            "decided_at": wall_ms(),
            "correlation_id": request["correlation_id"],
            **decision,
        }
        self._producer.produce(REPLIES, self._codec.encode(REPLIES, reply), reply["reservation_id"])
        assert self._producer.flush(20) == 0


def held(request: dict[str, Any]) -> dict[str, Any]:
    """Yes to everything."""
    if request["action"] == "RESERVE":
        parts = [{"location": request["location"] or "DC01", "quantity": request["quantity"]}]
        return {"state": "HELD", "parts": parts, "expires_at": wall_ms() + request["ttl_ms"]}
    return {"state": "CONFIRMED" if request["action"] == "CONFIRM" else "CANCELLED"}


def refused(reason: str, state: str = "REFUSED", available: int = 7) -> Decide:
    """No to everything."""
    return lambda _: {"accepted": False, "reason": reason, "state": state, "available": available}


def silent(_: dict[str, Any]) -> None:
    """Nothing at all."""


def not_that(decide: Decide, *actions: str) -> Decide:
    """One answer for these actions, yes to others."""
    return lambda request: decide(request) if request["action"] in actions else held(request)

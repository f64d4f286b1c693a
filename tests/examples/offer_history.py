"""One channel's topic as a producer writes it: offers, repeats, gaps, deletions, a newer schema, an aborted write."""

import io
import json
import random
import uuid
from typing import Any

import fastavro
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from confluent_kafka.schema_registry import Schema

from schemas.codec import source
from schemas.registry import client

SKUS, REVISIONS = 40, 40
AS_OF = 1_790_000_000_000
RECORD = json.loads(source("ChannelAvailability"))
NEWER = {**RECORD, "fields": [*RECORD["fields"], {"name": "note", "type": ["null", "string"], "default": None}]}


class OfferHistory:
    """Writes a history in two parts and knows what a subscriber must make of it: `newest` by SKU."""

    def __init__(self, bootstrap: str, registry_url: str) -> None:
        self.channel = f"ex{uuid.uuid4().hex[:10]}"
        self.topic = f"channel.{self.channel}.availability"
        self.bootstrap, self.registry_url = bootstrap, registry_url
        self.newest: dict[str, dict[str, Any]] = {}
        self.applied = 0
        """Offers on the topic that a subscriber takes: neither withheld, nor sent again."""
        self._revisions: dict[str, int] = {}
        self.random = random.Random(7)
        topic = NewTopic(self.topic, 4, 1, config={"cleanup.policy": "compact"})
        admin = AdminClient({"bootstrap.servers": bootstrap})
        admin.create_topics([topic])[self.topic].result(30)
        self.old, self.new = self._register(RECORD), self._register(NEWER)
        self.producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random", "linger.ms": 20})

    def first_part(self) -> None:
        """So many offers that no subscriber has printed all of them when it is killed."""
        turns = [f"SKU-{number:03}" for number in range(SKUS)] * REVISIONS
        self.random.shuffle(turns)
        for sku in turns:
            self.offer(sku)
        self.producer.flush(30)

    def second_part(self) -> None:
        """What needs the rule, in a fixed order."""
        old = [self.offer("SKU-000"), self.offer("SKU-000"), self.offer("SKU-001")]
        for sku, offer in zip(("SKU-000", "SKU-000", "SKU-001"), old, strict=True):
            self._send(sku, self._encode(offer, self.old, RECORD))  # three repeats
        self.offer("SKU-002", withheld=True)
        self.offer("SKU-002")  # a gap
        self.offer("SKU-003", withheld=True)
        self.offer("SKU-003")  # another, with a newer offer behind it
        self.offer("SKU-003")
        self.delete("SKU-004")
        self.delete("SKU-005")
        self.offer("SKU-005")  # deleted, and back
        self._send("SKU-006", b"no Avro at all")
        self.offer("SKU-006", newer=True)
        self.offer("SKU-NEW", newer=True, next_date=20_000, fallback="stale: WITHHOLD")
        self.producer.flush(30)
        self._abort("SKU-007")
        self.offer("SKU-007")
        self.producer.flush(30)

    def offer(self, sku: str, *, withheld: bool = False, newer: bool = False, **more: Any) -> dict[str, Any]:
        """The SKU's next offer; one withheld never reaches the topic."""
        offer = self._next(sku, **more)
        self._revisions[sku] = offer["revision"]
        if not withheld:
            chosen = (self.new, NEWER) if newer else (self.old, RECORD)
            self._send(sku, self._encode({**offer, "note": "a field of tomorrow"} if newer else offer, *chosen))
            self.applied += 1
            self.newest[sku] = {
                "revision": offer["revision"],
                "quantity": offer["quantity"],
                "status": offer["status"],
                "next_date": "2024-10-04" if more else None,
                "fallback": offer["fallback"],
                "as_of": offer["as_of"],
            }
        return offer

    def delete(self, sku: str) -> None:
        self._send(sku, None)
        del self.newest[sku]

    def _next(self, sku: str, **more: Any) -> dict[str, Any]:
        revision = self._revisions.get(sku, 0) + 1
        quantity = self.random.randrange(100)
        return {
            "channel": self.channel,
            "sku": sku,
            "revision": revision,
            "previous_revision": revision - 1,
            "quantity": quantity,
            "previous_quantity": 0,
            "status": "IN_STOCK" if quantity else "OUT",
            "by_location": [{"location": "DC01", "quantity": quantity}],
            "next_date": None,
            "buffer": 0,
            "fallback": None,
            "as_of": AS_OF + revision,
            "computed_at": AS_OF + revision,
            "correlation_id": str(revision),
            **more,
        }

    def _abort(self, sku: str) -> None:
        """An offer no reader of committed records may see."""
        producer = Producer(
            {"bootstrap.servers": self.bootstrap, "transactional.id": self.channel, "partitioner": "murmur2_random"}
        )
        producer.init_transactions(30)
        producer.begin_transaction()
        never = {**self._next(sku), "revision": 1_000_000}
        producer.produce(self.topic, key=sku, value=self._encode(never, self.old, RECORD))
        producer.flush(30)
        producer.abort_transaction(30)

    def _register(self, schema: dict[str, Any]) -> int:
        text = json.dumps(schema)
        return int(client(self.registry_url).register_schema(f"{self.topic}-value", Schema(text, "AVRO")))

    def _encode(self, offer: dict[str, Any], schema_id: int, schema: dict[str, Any]) -> bytes:
        out = io.BytesIO()
        fastavro.schemaless_writer(out, fastavro.parse_schema(schema), offer)
        return b"\0" + schema_id.to_bytes(4, "big") + out.getvalue()

    def _send(self, sku: str, value: bytes | None) -> None:
        self.producer.produce(self.topic, key=sku, value=value)
        self.producer.poll(0)

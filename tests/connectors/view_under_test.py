"""What the Redis view's tests drive: instances as processes, records produced to the real topics, a Redis to read."""

import json
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import redis
from confluent_kafka import Producer

from connectors import view_keys as keys
from local.supervised import Supervised, await_all
from schemas import registry
from schemas.topics_admin import apply

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "schemas" / "examples"
PARTITIONS = 4
SESSION_MS = 6_000
COMMAND = ("-c", "from cli.redis_view import connect_redis; import typer; typer.run(connect_redis)")
SNAPSHOTS = "availability.snapshots"


def example(record: str, name: str) -> dict[str, Any]:
    return json.loads((EXAMPLES / record / "v1" / f"{name}.json").read_text())


class ViewUnderTest:
    """One application id of its own on the session's broker; tests keep apart by their SKUs and ids."""

    def __init__(self, stack: Any, directory: Path, redis_url: str) -> None:
        self.app = f"view-{uuid.uuid4().hex[:8]}"
        self.stack, self.directory, self.redis_url = stack, directory, redis_url
        self.channel = self.app  # of our own, so that broken records disturb nobody
        self.offers = f"channel.{self.channel}.availability"
        self.channels = directory / "channels.yaml"
        self.channels.write_text(f"channels:\n  {self.channel}:\n    sourcing: [DC01, DC02]\n")
        registry.register_all(stack.registry_url, [self.channel])
        apply({"bootstrap.servers": stack.bootstrap}, partitions=PARTITIONS, channels=[self.channel])
        self.codec = registry.connected_codec(stack.registry_url, [self.channel])
        self.producer = Producer({"bootstrap.servers": stack.bootstrap, "partitioner": "murmur2_random"})
        self.redis = redis.Redis.from_url(redis_url, decode_responses=True, socket_timeout=5)
        self.instances: dict[str, Supervised] = {}
        self._sent: dict[str, int] = {}

    def close(self) -> None:
        for instance in self.instances.values():
            instance.stop()
        self.redis.close()

    # ---- instances ----------------------------------------------------------------------------------------------

    def start(self, *names: str, wait: bool = True, **settings: Any) -> None:
        for name in names:
            given = {
                "bootstrap": self.stack.bootstrap,
                "registry": self.stack.registry_url,
                "redis": self.redis_url,
                "app": self.app,
                "channels": self.channels,
                "view_session_timeout_ms": SESSION_MS,
                **settings,
            }
            environment = {f"STOCKSTREAM_{key.upper()}": str(value) for key, value in given.items()}
            instance = Supervised(
                name, COMMAND, environment, self.directory, port_variable="STOCKSTREAM_VIEW_HTTP_PORT"
            )
            instance.start()
            self.instances[name] = instance
        if wait:
            await_all([self.instances[name] for name in names], 60)

    def state(self, name: str) -> str:
        return str(self.instances[name].answer()[1].get("state"))

    # ---- records ------------------------------------------------------------------------------------------------

    def send(self, topic: str, key: str, record: dict[str, Any] | bytes | None, **more: Any) -> None:
        value = self.codec.encode(topic, record) if isinstance(record, dict) else record
        self.producer.produce(topic, value, key, on_delivery=self._delivered, **more)
        self.producer.poll(0)

    def flush(self) -> None:
        assert self.producer.flush(30) == 0

    def snapshot(self, sku: str, location: str, revision: int, **changes: Any) -> dict[str, Any]:
        """Send a position; its on hand is its revision. One partition a SKU, as the product does."""
        record = snapshot(sku, location, revision) | changes
        self.send(SNAPSHOTS, f"{sku}|{location}", record, partition=hash_of(sku))
        return record

    def offer(self, sku: str, revision: int) -> dict[str, Any]:
        record = example("ChannelAvailability", "in-stock") | {
            "channel": self.channel,
            "sku": sku,
            "revision": revision,
        }
        self.send(self.offers, sku, record)
        return record

    # ---- what readers see ---------------------------------------------------------------------------------------

    def position(self, sku: str, location: str) -> dict[str, Any] | None:
        value = self.redis.hget(keys.sku(self.app, sku), location)
        return None if value is None else orjson.loads(value)

    def revisions(self, skus: list[str], location: str = "DC01") -> dict[str, int]:
        pipeline = self.redis.pipeline(transaction=False)
        for sku in skus:
            pipeline.hget(keys.sku(self.app, sku), keys.revision_of(location))
        return {sku: int(found) for sku, found in zip(skus, pipeline.execute(), strict=True) if found is not None}

    def await_all(self, within_s: float = 60.0) -> None:
        """Wait until every record sent so far is dealt with: the view stands beyond it."""
        self.flush()
        sent = dict(self._sent)
        wait_for(lambda: self.behind(sent) == [], within_s, lambda: f"the view to get to {self.behind(sent)}")

    def behind(self, sent: dict[str, int]) -> list[str]:
        """Partitions where the view is not beyond what was sent."""
        try:
            found = self.redis.hmget(keys.view(self.app), list(sent)) if sent else []
        except redis.RedisError:
            return ["redis"]
        return [
            f"{field} {offset}"
            for (field, offset), at in zip(sent.items(), found, strict=True)
            if int(at or 0) <= offset
        ]

    def _delivered(self, error: Any, message: Any) -> None:
        assert error is None, error
        field = keys.offset_field(message.topic(), message.partition())
        self._sent[field] = max(message.offset(), self._sent.get(field, -1))

    def await_revisions(self, expected: dict[str, int], within_s: float = 60.0) -> None:
        skus = list(expected)
        wait_for(
            lambda: self.seen(skus) == expected, within_s, lambda: f"{first_difference(expected, self.seen(skus))}"
        )

    def seen(self, skus: list[str]) -> dict[str, int]:
        try:
            return self.revisions(skus)
        except redis.RedisError:
            return {}


def snapshot(sku: str, location: str, revision: int) -> dict[str, Any]:
    base = example("Availability", "with-supply-on-the-way")
    return base | {"sku": sku, "location": location, "revision": revision, "on_hand": revision}


def hash_of(sku: str) -> int:
    return sum(sku.encode()) % PARTITIONS


def first_difference(expected: dict[str, int], found: dict[str, int]) -> str:
    wrong = [
        f"{sku}: {found.get(sku)} not {revision}" for sku, revision in expected.items() if found.get(sku) != revision
    ]
    return f"{len(wrong)} of {len(expected)} to come, first {wrong[:1]}"


def wait_for(condition: Callable[[], Any], within_s: float, what: str | Callable[[], str]) -> None:
    end = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {within_s:.0f} s for {what if isinstance(what, str) else what()}")
        time.sleep(0.05)


def names(prefix: str, count: int) -> list[str]:
    unique = uuid.uuid4().hex[:6]
    return [f"{prefix}-{unique}-{number:05d}" for number in range(count)]

"""What the API's tests stand on: a view filled by hand, keys and tokens, and the API served by the real server."""

import asyncio
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx2
import orjson
import redis
import yaml
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from connectors import view_keys as keys
from connectors.api import api_keys
from connectors.api.app import build_app
from connectors.api.main import server
from connectors.api.settings import ApiSettings
from schemas.clock import wall_ms
from schemas.registry import connected_codec, register_all
from schemas.topics_admin import apply

T = TypeVar("T")
ALL = ("availability:read", "feeds:read", "exceptions:read", "reservations:write", "ingest:write")
NOW = wall_ms()
CHANNELS: dict[str, Any] = {
    "shop": {
        "sourcing": ["DC01", "DC02"],
        "buffer": 2,
        "low_at": 5,
        "fallback": {"late": "use_last", "stale": {"haircut": 50}},
    },
    "market": {"sourcing": ["DC01"], "low_at": 5, "fallback": {"late": {"haircut": 20}, "stale": "withhold"}},
}


class Site:
    """One application id: its channels, its part of Redis, its keys, its API. Everything is its own."""

    def __init__(self, stack: Any, directory: Path, redis_url: str | None = None, partitions: int = 4) -> None:
        self.stack, self.directory = stack, directory
        self.app = f"api-{uuid.uuid4().hex[:8]}"
        self.names = {name: f"{name}-{self.app[4:]}" for name in CHANNELS}
        self.shop, self.market = self.names.values()
        self.channels_file = directory / "channels.yaml"
        declared = {self.names[name]: rules for name, rules in CHANNELS.items()}
        self.channels_file.write_text(yaml.safe_dump({"channels": declared}))
        register_all(stack.registry_url, self.names.values())
        apply(
            {"bootstrap.servers": stack.bootstrap}, partitions=partitions, replication=1, channels=self.names.values()
        )
        until(lambda: [led(stack.bootstrap, f"channel.{name}.availability") for name in self.names.values()], all)
        self.redis_url = redis_url or stack.redis_url
        self.redis = redis.Redis.from_url(self.redis_url)
        self.keys_file = directory / "keys.json"
        self.reader = self.key("reader", ALL)
        self.shop_key = self.key("shop", ALL, channel=self.shop)
        self.market_key = self.key("market", ALL, channel=self.market)
        self.codec = connected_codec(stack.registry_url, self.names.values())

    def settings(self, **changes: Any) -> ApiSettings:
        return ApiSettings(
            **{
                "bootstrap": self.stack.bootstrap,
                "registry": self.stack.registry_url,
                "redis": self.redis_url,
                "app": self.app,
                "channels": str(self.channels_file),
                "data_dir": str(self.directory),
                "keys_file": str(self.keys_file),
                "port": 0,
                "client_rate": 10_000,
                "view_refresh_ms": 20,
                **changes,
            }
        )

    def environment(self, **changes: Any) -> dict[str, str]:
        """The same settings for a process of its own."""
        shared = ("bootstrap", "registry", "redis", "app", "channels", "data_dir")
        chosen = self.settings(**changes)
        own = ("keys_file", "port", "client_rate", "view_refresh_ms", *changes)
        return {f"STOCKSTREAM_{name.upper()}": str(getattr(chosen, name)) for name in shared} | {
            f"STOCKSTREAM_API_{name.upper()}": str(getattr(chosen, name)) for name in own
        }

    def key(self, name: str, scopes: Sequence[str] = ALL, **terms: Any) -> str:
        return api_keys.create(self.keys_file, name, scopes, **terms)[0]

    # ---- the view, by hand --------------------------------------------------------------------------------------

    def live(self, **state: Any) -> None:
        """The view has been built, and an instance keeps it."""
        instance = {"state": "live", "percent": 100, "at": wall_ms() + 3_600_000, "lag": 0, **state}
        self.redis.hset(
            keys.view(self.app), mapping={keys.EPOCH: "1", keys.instance_field("test"): orjson.dumps(instance)}
        )

    def position(self, sku: str, location: str, atp: int, **changes: Any) -> dict[str, Any]:
        record = {**position(sku, location, atp), **changes}
        self.redis.hset(
            keys.sku(self.app, sku),
            mapping={location: orjson.dumps(record), keys.revision_of(location): record["revision"]},
        )
        return record

    def offer(self, channel: str, sku: str, places: dict[str, int], **changes: Any) -> dict[str, Any]:
        record = {**offer(channel, sku, places), **changes}
        self.redis.hset(
            keys.offer(self.app, channel, sku),
            mapping={keys.VALUE: orjson.dumps(record), keys.REVISION: record["revision"]},
        )
        self.redis.zadd(keys.offers(self.app, channel), {sku: 0})
        return record

    def feed(self, location: str, status: str, **changes: Any) -> None:
        record = {
            "source": f"WMS-{location}",
            "location": location,
            "status": status,
            "since": NOW,
            "last_event_at": NOW,
            "last_heartbeat_at": NOW,
            "computed_at": NOW,
            **changes,
        }
        field = f"{record['source']}|{location}"
        self.redis.hset(
            keys.feeds(self.app), mapping={field: orjson.dumps(record), keys.revision_of(field): record["computed_at"]}
        )

    def exception(self, number: int, state: str = "OPEN", **changes: Any) -> str:
        record = {**exception(number), **changes}
        identifier: str = record["exception_id"]
        fields = {keys.VALUE: orjson.dumps(record), keys.STATUS: state}
        index, at = keys.exceptions_open(self.app), record["raised_at"]
        if state != keys.OPEN:
            settled = {"resolution": state, "note": "done", "resolved_at": NOW, "resolved_by": "test"}
            fields[keys.RESOLUTION] = orjson.dumps(settled)
            index, at = keys.exceptions_closed(self.app), NOW
        self.redis.hset(keys.exception(self.app, identifier), mapping=fields)
        self.redis.zadd(index, {identifier: at})
        return identifier

    # ---- the channel's topic ------------------------------------------------------------------------------------

    def tell(self, channel: str, *revisions: int, sku: str = "S-1", partition: int | None = None) -> None:
        """Write offers of these revisions to the channel's topic."""
        producer = Producer({"bootstrap.servers": self.stack.bootstrap, "partitioner": "murmur2_random"})
        place = {} if partition is None else {"partition": partition}
        for number in revisions:
            record = offer(channel, sku, {"DC01": number}, revision=number, previous_revision=number - 1)
            topic = f"channel.{channel}.availability"
            producer.produce(topic, self.codec.encode(topic, record), sku, **place)
        assert producer.flush(30) == 0

    def write(self, topic: str, value: bytes, key: str = "S-1") -> None:
        """Write bytes to a topic, whatever they are."""
        producer = Producer({"bootstrap.servers": self.stack.bootstrap, "partitioner": "murmur2_random"})
        producer.produce(topic, value, key)
        assert producer.flush(30) == 0


def position(sku: str, location: str, atp: int) -> dict[str, Any]:
    return {
        "sku": sku,
        "location": location,
        "revision": 7,
        "on_hand": atp + 3,
        "disposition": {"available": atp + 3},
        "allocated": 3,
        "safety_stock": 0,
        "expected": [],
        "atp": atp,
        "atp_signed": atp,
        "schedule": [{"date": 21_000, "atp": atp + 10}, {"date": 21_010, "atp": atp + 30}],
        "next_receipt": 21_000,
        "as_of": NOW - 5_000,
        "stamps": [
            {
                "source": f"WMS-{location}",
                "event_time": NOW - 5_000,
                "ingested_at": NOW - 4_000,
                "coordinate": "warehouse.scans[0]@12",
            }
        ],
        "computed_at": NOW - 3_000,
        "causes": ["warehouse.scans[0]@12"],
        "correlation_id": "test",
    }


def offer(channel: str, sku: str, places: dict[str, int], **changes: Any) -> dict[str, Any]:
    quantity = max(0, sum(places.values()) - 2)
    return {
        "channel": channel,
        "sku": sku,
        "revision": 4,
        "previous_revision": 3,
        "quantity": quantity,
        "previous_quantity": 0,
        "status": "IN_STOCK" if quantity > 5 else "LOW" if quantity else "OUT",
        "by_location": [{"location": place, "quantity": count} for place, count in places.items()],
        "next_date": None,
        "buffer": 2,
        "fallback": None,
        "as_of": NOW - 5_000,
        "computed_at": NOW - 3_000,
        "correlation_id": "test",
        **changes,
    }


def exception(number: int) -> dict[str, Any]:
    return {
        "exception_id": f"{number:032x}",
        "category": "SHORT_RECEIPT",
        "severity": "MEDIUM",
        "owner": "buyer",
        "partner": None,
        "subject": {"kind": "PURCHASE_ORDER", "id": "450001"},
        "message": "3 of 10 came",
        "remedy": "Claim the shortage.",
        "evidence": {"received": "3"},
        "coordinate": f"supply.events[0]@{number}",
        "original": "AAEC",
        "raised_at": NOW - 1_000 * number,
        "correlation_id": "test",
    }


def led(bootstrap: str, topic: str) -> bool:
    """Whether every partition of a topic just made has a leader that answers; until then a stream of it is 503."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "look"})
    try:
        for partition in consumer.list_topics(topic, timeout=10).topics[topic].partitions:
            consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
    except KafkaException:
        return False
    finally:
        consumer.close()
    return True


def until(ask: Callable[[], T], fits: Callable[[T], object], within_s: float = 15) -> T:
    """Ask again until the answer fits; TimeoutError otherwise."""
    end = time.monotonic() + within_s
    while True:
        answer = ask()
        if fits(answer):
            return answer
        if time.monotonic() > end:
            raise TimeoutError(f"after {within_s} s the answer still is {answer!r}")
        time.sleep(0.02)


class Api:
    """The API on its own thread and event loop, served as production serves it."""

    def __init__(self, settings: ApiSettings) -> None:
        self.app = build_app(settings)
        self.server = server(self.app, settings)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._failed: BaseException | None = None

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - told by __enter__
            self._failed = error

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        await self.server.serve()

    def __enter__(self) -> Self:
        self._thread.start()
        for _ in range(600):
            if self.server.started or not self._thread.is_alive():
                break
            self._thread.join(0.05)
        if not self.server.started:
            raise RuntimeError("the API did not start within 30 s") from self._failed
        self.url = f"http://127.0.0.1:{self.server.port}"
        return self

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = True
        self._thread.join(20)
        if self._thread.is_alive():
            waiting = [str(task) for task in asyncio.all_tasks(self._loop)]
            raise TimeoutError(f"the API did not stop within 20 s: {waiting}")

    def client(self, key: str | None = None, **more: Any) -> httpx2.Client:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return httpx2.Client(base_url=self.url, headers=headers, timeout=15, **more)

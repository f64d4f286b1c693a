"""What the tests of webhooks and shop drive: a channel of the test's own, real processes, and a stand-in shop."""

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx2
import yaml
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

from local.stack import LocalStack
from local.supervised import Supervised, await_all, importable
from schemas.registry import connected_codec, register_all
from schemas.topics_admin import apply

PARTITIONS = 4
FIRST, SECOND = "whsec_" + "QUFB" * 8, "whsec_" + "QkJC" * 8
RUN = "import sys; from schemas.environment import read; from connectors.outbound.commerce import main, settings; "
NOW = 1_795_186_800_000


def offer(channel: str, sku: str, revision: int, quantity: int, previous: tuple[int, int] = (0, 0)) -> dict[str, Any]:
    return {
        "channel": channel,
        "sku": sku,
        "revision": revision,
        "previous_revision": previous[0],
        "quantity": quantity,
        "previous_quantity": previous[1],
        "status": "IN_STOCK" if quantity else "OUT",
        "by_location": [{"location": "DC01", "quantity": quantity}],
        "next_date": None,
        "buffer": 0,
        "fallback": None,
        "as_of": NOW,
        "computed_at": NOW + revision,
        "correlation_id": f"test-{sku}-{revision}",
    }


def until(what: str, true: Callable[[], Any], within_s: float = 60.0) -> Any:
    """Wait for something to become true; say what it was when it does not."""
    end = time.monotonic() + within_s
    while not (answer := true()):
        if time.monotonic() > end:
            raise TimeoutError(f"not within {within_s:.0f} s: {what}")
        time.sleep(0.05)
    return answer


class Shop:
    """The stand-in shop as a process of its own."""

    def __init__(self, directory: Path, name: str = "shop-server") -> None:
        state = str(directory / f"{name}.sqlite")
        command = ("-m", "local.shop_server", "--port", "{port}", "--state", state, "--secret", FIRST)
        self.process = Supervised(name, command, {}, directory, health="/state")
        self.process.start()
        await_all([self.process], within_s=30)

    @property
    def url(self) -> str:
        return self.process.url

    def state(self) -> dict[str, Any]:
        return httpx2.get(f"{self.url}/state", timeout=10).json()

    def faults(self, **wanted: Any) -> None:
        httpx2.post(f"{self.url}/faults", json=wanted, timeout=10).raise_for_status()

    def count(self, name: str) -> int:
        return self.state()["counts"].get(name, 0)


class CommerceSite:
    """One channel, apart from every other test's."""

    def __init__(self, stack: LocalStack, directory: Path, **rules: Any) -> None:
        """`rules`: what channels.yaml says of the channel beside where it sells from."""
        self.stack, self.directory = stack, directory
        self.name = f"c{uuid.uuid4().hex[:10]}"
        self.topic = f"channel.{self.name}.availability"
        register_all(stack.registry_url, [self.name])
        apply(
            {"bootstrap.servers": stack.bootstrap},
            partitions=PARTITIONS,
            replication=1,
            channels=[self.name],
            changelogs=[],
        )
        self.codec = connected_codec(stack.registry_url, [self.name])
        self.producer = Producer({"bootstrap.servers": stack.bootstrap, "partitioner": "murmur2_random"})
        declared: dict[str, dict[str, Any]] = {self.name: {"sourcing": ["DC01"], **rules}}
        (directory / "channels.yaml").write_text(yaml.safe_dump({"channels": declared}))
        self.has: dict[str, tuple[int, int]] = {}
        """Revision and quantity by SKU: what every receiver must have in the end."""
        self.at: dict[str, str] = {}
        """Its location by SKU."""
        self.places: list[str] = declared[self.name]["sourcing"]
        self.judged = NOW
        self._processes: list[Supervised] = []

    def close(self) -> None:
        for process in self._processes:
            process.stop()

    # ---- the channel --------------------------------------------------------------------------------------------

    def tell(self, sku: str, quantity: int, skip: int = 0, location: str = "DC01") -> None:
        """The channel's next offer of a SKU; `skip` leaves out so many revisions, as compaction would."""
        revision, had = self.has.get(sku, (0, 0))
        revision += skip
        self.has[sku] = revision + 1, quantity
        record = offer(self.name, sku, revision + 1, quantity, (revision, had))
        record["by_location"][0]["location"] = location
        self.at[sku] = location
        self.producer.produce(self.topic, self.codec.encode(self.topic, record), sku)
        self.producer.poll(0)

    def feed(self, location: str, status: str) -> None:
        """The location's feed stands so from now on."""
        self.judged += 1_000_000
        record = {
            "source": f"WMS-{location}", "location": location, "status": status, "since": self.judged,
            "last_event_at": None, "last_heartbeat_at": None, "computed_at": self.judged,
        }  # fmt: skip
        self.producer.produce("feeds.status", self.codec.encode("feeds.status", record), f"WMS-{location}|{location}")
        self.flush()

    def flush(self) -> None:
        left = self.producer.flush(30)
        assert left == 0, f"{left} records did not reach the broker within 30 s"

    def quantities(self) -> dict[str, int]:
        return {sku: quantity for sku, (_, quantity) in self.has.items()}

    # ---- processes ----------------------------------------------------------------------------------------------

    def settings(self, **own: Any) -> dict[str, str]:
        shared = {
            "BOOTSTRAP": self.stack.bootstrap,
            "REGISTRY": self.stack.registry_url,
            "APP": self.name,
            "CHANNELS": str(self.directory / "channels.yaml"),
            "COMMERCE_SUBSCRIPTIONS": str(self.directory / "subscriptions.yaml"),
            "COMMERCE_SHOP_CHANNEL": self.name,
            "COMMERCE_ALLOW_HTTP": "true",
            "COMMERCE_ALLOW": "127.0.0.0/8",
            "COMMERCE_LOOK_MS": "100",
            "COMMERCE_BATCH_MS": "50",
            "COMMERCE_RETRY_FIRST_MS": "100",
            "COMMERCE_RETRY_MOST_MS": "500",
            "COMMERCE_TOTAL_MS": "1500",
            "COMMERCE_SHOP_RATE": "200",
            "COMMERCE_SHOP_RETRY_FIRST_MS": "50",
            "COMMERCE_SHOP_RETRY_MOST_MS": "500",
            **{f"COMMERCE_{name.upper()}": str(value) for name, value in own.items()},
        }
        return {
            **{f"STOCKSTREAM_{name}": value for name, value in shared.items()},
            "SECRET_ONE": FIRST,
            "SECRET_TWO": SECOND,
        }

    def subscribe(self, subscriptions: Mapping[str, Mapping[str, Any]]) -> None:
        """Declare subscriptions; names get the channel's before them, so that tests do not meet."""
        declared = {
            self.id(name): {"channel": self.name, "secrets": [{"env": "SECRET_ONE"}], **value}
            for name, value in subscriptions.items()
        }
        new = self.directory / "subscriptions.new"
        new.write_text(yaml.safe_dump({"subscriptions": declared}))
        new.replace(self.directory / "subscriptions.yaml")

    def id(self, name: str) -> str:
        return f"{self.name}-{name}"

    def start(self, what: str, *, wait: bool = True, **own: Any) -> Supervised:
        """`webhooks` or `shop`, as a process."""
        code = f"{RUN}sys.exit(main.run_{what}(read(settings.Commerce)))"
        process = Supervised(
            f"{what}-{len(self._processes)}",
            ("-c", code),
            self.settings(**own),
            self.directory,
            port_variable="STOCKSTREAM_COMMERCE_HTTP_PORT",
        )
        process.start()
        self._processes.append(process)
        if wait:
            await_all([process], within_s=60)
        return process

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """`stockstream webhooks …` with this site's settings."""
        return subprocess.run(
            [sys.executable, "-m", "cli.commerce", *words],
            env={**os.environ, **self.settings(), "PYTHONPATH": importable()},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def item(self, sku: str, segment: str) -> None:
        record = {
            "sku": sku, "description": sku, "base_uom": "EA", "packs": [], "identifiers": [], "segment": segment,
            "safety_stock": [], "shelf_life_days": None, "active": True,
        }  # fmt: skip
        self.producer.produce("erp.items", self.codec.encode("erp.items", record), sku)
        self.flush()

    # ---- what came of it ----------------------------------------------------------------------------------------

    def records(self, topic: str) -> list[Any]:
        """All records of a topic up to now."""
        consumer = Consumer(
            {"bootstrap.servers": self.stack.bootstrap, "group.id": self.name, "enable.partition.eof": True}
        )
        left = set(consumer.list_topics(topic, timeout=10).topics[topic].partitions)
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in left])
        found, end = [], time.monotonic() + 30
        while left:
            for message in consumer.consume(1_000, 0.2):
                if message.error() is None:
                    found.append(self.codec.decode(topic, message.value()))
                else:
                    left.discard(message.partition())
            if time.monotonic() > end:
                raise TimeoutError(f"{topic} was not read to its end within 30 s")
        consumer.close()
        return found

    def standing(self, name: str) -> dict[str, Any] | None:
        """How a subscription stands by the newest record."""
        states = [each for each in self.records("webhooks.subscriptions") if each["subscription"] == self.id(name)]
        return max(states, key=lambda each: each["changed_at"], default=None)

    def exceptions(self, category: str) -> list[Any]:
        mine = [each for each in self.records("exceptions") if each["category"] == category]
        return [each for each in mine if self.name in each["subject"]["id"]]

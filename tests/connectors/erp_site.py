"""What the ERP connector's tests drive: postings in a real topic, stand-in ERPs and connectors as processes.

All tests share one broker: each has its own application id, so its own group, which begins at the topic's end.
"""

import itertools
import time
import urllib.request
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import orjson
import yaml
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from local.supervised import Supervised
from schemas import registry
from schemas.topics_admin import apply

PARTITIONS = 4
POSTINGS, RESULTS, EXCEPTIONS, LETTERS = "erp.postings", "erp.posting-results", "exceptions", "dead-letters"
PRIORITIES = {
    "shipment_confirm": 10, "invoice_release": 20, "goods_receipt": 30, "credit": 40, "backorder": 50,
    "purchase_order_update": 60, "inventory_adjustment": 70,
}  # fmt: skip
WAIT_S = 60.0
FINAL = ("POSTED", "DUPLICATE", "REFUSED")


def wait(condition: Callable[[], Any], what: str, within_s: float = WAIT_S, every_s: float = 0.1) -> Any:
    """The condition's first true value; TimeoutError says what was waited for."""
    end = time.monotonic() + within_s
    while not (value := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"waited {within_s:.0f} s for {what}")
        time.sleep(every_s)
    return value


def posting(document: str, operation: str = "goods_receipt", revision: int = 1, **changes: Any) -> dict[str, Any]:
    """A posting of one line; `quantity` and `location` change the line."""
    step = operation.upper()
    line = {
        "line": "1",
        "sku": changes.pop("sku", "A1"),
        "location": changes.pop("location", "DC01"),
        "quantity": changes.pop("quantity", 1),
        "disposition": "available",
        "date": None,
        "note": None,
        "substitute": None,
    }
    return {
        "document": document,
        "step": step,
        "revision": revision,
        "idempotency_key": f"{document}/{step}/{revision}",
        "operation": operation,
        "priority": PRIORITIES.get(operation, 90),
        "lines": [line],
        "causes": [],
        "created_at": time.time_ns() // 1_000_000,
        "correlation_id": uuid.uuid4().hex,
        "reverses": None,
        "partner": None,
        **changes,
    }


class Erp(Supervised):
    """A stand-in ERP as a process."""

    def __init__(self, name: str, directory: Path, seed: int = 7) -> None:
        state = directory / f"{name}.sqlite"
        command = ("-m", "local.erp_server", "--port", "{port}", "--state", str(state), "--seed", str(seed))
        super().__init__(name, command, {}, directory, health="/faults")

    @property
    def service(self) -> str:
        return f"{self.url}/odata"

    def up(self) -> "Erp":
        self.start()
        wait(lambda: self.answer()[0], f"{self.name} to answer; see {self.log}")
        return self

    def faults(self, **wanted: Any) -> None:
        request = urllib.request.Request(f"{self.url}/faults", orjson.dumps(wanted), method="POST")
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 200

    def state(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url}/state", timeout=30) as answer:
            return orjson.loads(answer.read())

    def keys(self) -> list[str]:
        """Every idempotency key it has taken, as often as it has taken it."""
        return [key for keys in self.state()["documents"].values() for key in keys]


class ErpSite:
    """One application id; documents begin with `mark`, so that tests do not meet."""

    def __init__(self, stack: Any, directory: Path) -> None:
        registry.register_all(stack.registry_url)
        apply({"bootstrap.servers": stack.bootstrap}, partitions=PARTITIONS, channels=["webshop", "marketplace"])
        self.stack, self.directory = stack, directory
        self.mark = uuid.uuid4().hex[:8]
        self.app = f"erp-{self.mark}"
        self.codec = registry.connected_codec(stack.registry_url)
        self.producer = Producer(
            {"bootstrap.servers": stack.bootstrap, "partitioner": "murmur2_random", "linger.ms": 5}
        )
        self.processes: list[Supervised] = []
        self._numbers = itertools.count()
        self.begin(f"{self.app}-erp")
        self._since = {topic: self._ends(topic) for topic in (RESULTS, EXCEPTIONS, LETTERS)}

    def begin(self, group: str) -> None:
        """Let a group begin at the end of the topic."""
        client = self._client(group)
        ends = [TopicPartition(POSTINGS, p, end) for p, end in self._ends(POSTINGS).items()]

        def committed() -> bool:
            try:
                client.commit(offsets=ends, asynchronous=False)
            except KafkaException as error:  # the broker's first group ever: its coordinator reads its log first
                if error.args[0].code() != KafkaError.COORDINATOR_LOAD_IN_PROGRESS:
                    raise
                return False
            return True

        wait(committed, f"the coordinator of {group}")
        client.close()

    def close(self) -> None:
        for process in self.processes:
            process.stop()

    # ---- processes ----------------------------------------------------------------------------------------------

    def erp(self, name: str = "erp", **more: Any) -> Erp:
        erp = Erp(name, self.directory, **more).up()
        self.processes.append(erp)
        return erp

    def connector(self, name: str = "connector", *, start: bool = True, **settings: Any) -> Supervised:
        """A connector of this site; settings of STOCKSTREAM_ERP_ by their own names, `url` or `routing` among them."""
        settings = {
            "read_timeout_ms": 700,
            "total_timeout_ms": 1_500,
            "backoff_first_ms": 20,
            "backoff_most_ms": 400,
            "breaker_open_ms": 200,
            "breaker_open_most_ms": 500,
            "rate": 2_000,
            "commit_interval_ms": 100,
            "session_timeout_ms": 6_000,
            **settings,
        }
        environment = {
            "STOCKSTREAM_BOOTSTRAP": self.stack.bootstrap,
            "STOCKSTREAM_REGISTRY": self.stack.registry_url,
            "STOCKSTREAM_APP": self.app,
            **{f"STOCKSTREAM_ERP_{key.upper()}": str(value) for key, value in settings.items()},
        }
        connector = Supervised(
            name,
            ("-c", "from cli.erp import connect_erp; import typer; typer.run(connect_erp)"),
            environment,
            self.directory,
            port_variable="STOCKSTREAM_ERP_HTTP_PORT",
        )
        self.processes.append(connector)
        if start:
            connector.start()
            wait(lambda: connector.answer()[0], f"{name} to be ready; see {connector.log}")
        return connector

    def routing(self, document: dict[str, Any]) -> Path:
        path = self.directory / f"routing-{next(self._numbers)}.yaml"
        path.write_text(yaml.safe_dump(document))
        return path

    # ---- records ------------------------------------------------------------------------------------------------

    def document(self, name: object, kind: str = "PURCHASE_ORDER") -> str:
        return f"{kind}:{self.mark}-{name}"

    def send(self, *postings: dict[str, Any]) -> None:
        for each in postings:
            self.producer.produce(POSTINGS, self.codec.encode(POSTINGS, each), each["document"])
            self.producer.poll(0)
        self.producer.flush(30)

    def read(self, topic: str) -> list[dict[str, Any]]:
        """Records of a topic written since the site began, in each partition's order."""
        client = self._client(f"{self.app}-reader")
        ends = self._ends(topic)
        starts = self._since.get(topic, {})
        left = {p: end for p, end in ends.items() if end > starts.get(p, 0)}
        client.assign([TopicPartition(topic, p, starts.get(p, 0)) for p in left])
        found: list[dict[str, Any]] = []
        finish = time.monotonic() + WAIT_S
        while left:
            for message in client.consume(1_000, 0.2):
                if message.error() is not None:
                    continue
                found.append({**self.codec.decode(topic, message.value()), "_key": (message.key() or b"").decode()})
            for place in client.position([TopicPartition(topic, p) for p in left]):
                if place.offset >= left[place.partition]:
                    del left[place.partition]
            if time.monotonic() > finish:
                raise TimeoutError(f"{topic} was not read to its end within {WAIT_S:.0f} s")
        client.close()
        return found

    def results(self) -> list[dict[str, Any]]:
        """The audit trail of this site's documents."""
        return [record for record in self.read(RESULTS) if self.mark in record["document"]]

    def exceptions(self) -> list[dict[str, Any]]:
        return [record for record in self.read(EXCEPTIONS) if self.mark in record["subject"]["id"]]

    def final(self) -> dict[str, str]:
        """The last word on each posting, by idempotency key; shadow systems aside."""
        return {r["idempotency_key"]: r["outcome"] for r in self.results() if r["outcome"] in FINAL and not r["shadow"]}

    def settle(self, keys: Iterable[str], within_s: float = WAIT_S) -> None:
        """Wait until each of these postings has its last word."""
        wanted = set(keys)

        def done() -> bool:
            for process in self.processes:
                process.look_after()
            return wanted <= self.final().keys()

        try:
            wait(done, "", within_s, 0.5)
        except TimeoutError:
            missing = sorted(wanted - self.final().keys())
            raise TimeoutError(
                f"{len(missing)} of {len(wanted)} postings not settled within {within_s:.0f} s, such as {missing[:3]}"
            ) from None

    def committed(self, group: str = "") -> dict[int, int]:
        client = self._client(group or f"{self.app}-erp")
        places = client.committed([TopicPartition(POSTINGS, p) for p in range(PARTITIONS)], timeout=10)
        client.close()
        return {place.partition: place.offset for place in places}

    def _client(self, group: str) -> Consumer:
        return Consumer(
            {
                "bootstrap.servers": self.stack.bootstrap,
                "group.id": group,
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
            }
        )

    def _ends(self, topic: str) -> dict[int, int]:
        client = self._client(f"{self.app}-reader")
        found: dict[int, int] = {}

        def asked() -> bool:
            try:
                for p in client.list_topics(topic, timeout=10).topics[topic].partitions:
                    found[p] = client.get_watermark_offsets(TopicPartition(topic, p), timeout=10, cached=False)[1]
            except KafkaException:  # a topic just created has no leader yet
                return False
            return bool(found)

        wait(asked, f"the ends of {topic}")
        client.close()
        return found


def by_document(keys: Iterable[str]) -> dict[str, list[str]]:
    """Keys by document, in their order."""
    found: dict[str, list[str]] = defaultdict(list)
    for key in keys:
        found[key.split("/")[0]].append(key)
    return dict(found)

"""The processes of compose.yaml, started as it commands them, with its variables and files, on local parts.

No engine runs here: host names become local addresses, mounts become files, and everything else is the file's own.
"""

import json
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from composed import DOCUMENT, OURS, ROOT, mounts
from confluent_kafka import Producer

from local.processes import pick_port
from local.stack import LocalStack
from local.supervised import Supervised, await_all
from schemas.registry import connected_codec
from tests.pipeline.site_under_test import item, location, scan, wait_for

pytestmark = pytest.mark.stack
HEALTH = re.compile(r"STOCKSTREAM_(\w+_)?(HTTP|HEALTH)_PORT")


class Machine:
    """One machine with all of compose.yaml but what others make."""

    def __init__(self, stack: LocalStack, directory: Path) -> None:
        self.stack, self.directory = stack, directory
        self.api = pick_port(set())
        self.stand_ins = {name: pick_port({self.api}) for name in ("erp", "shop")}
        self.processes: list[Supervised] = []
        self.elsewhere: dict[str, str] = {}
        """Variables whose value is another on this machine."""

    def translated(self, value: str, service: str) -> str:
        """What the containers' network and file system make of a text, on this machine."""
        for inside, outside in mounts(OURS[service]).items():
            here = ROOT / outside if outside.startswith("./") else self.directory / outside
            here.mkdir(exist_ok=True) if not outside.startswith("./") else None
            value = value.replace(inside, str(here))
        for name, port in self.stand_ins.items():
            value = value.replace(f"//{name}:8080", f"//127.0.0.1:{port}")
        value = value.replace("http://redpanda:8081", self.stack.registry_url)
        value = value.replace("redis://redis:6379/0", self.stack.redis_url)
        return value.replace("redpanda:9092", self.stack.bootstrap).replace("0.0.0.0", "127.0.0.1")

    def process(self, service: str, number: int = 1) -> Supervised:
        given = OURS[service]
        module = given.get("entrypoint", ["python", "-m", "cli.main"])[1:]
        command = [self.translated(part, service) for part in [*module, *given["command"]]]
        environment = {k: self.translated(v, service) for k, v in given.get("environment", {}).items()}
        environment |= {name: value for name, value in self.elsewhere.items() if name in environment}
        port = next((name for name in environment if HEALTH.fullmatch(name)), None)
        if service == "api":
            environment["STOCKSTREAM_API_PORT"] = str(self.api)
        if service in self.stand_ins:
            command = [part.replace("8080", str(self.stand_ins[service])) for part in command]
        started = Supervised(f"{service}-{number}", command, environment, self.directory, port_variable=port)
        started.start()
        self.processes.append(started)
        return started

    def once(self, service: str) -> None:
        process = self.process(service)
        wait_for(lambda: process.ended() is not None, 60, f"the end of {service}")
        assert process.ended() == 0, process.log.read_text()

    def secret(self, name: str) -> str:
        return (self.directory / "secrets" / name).read_text()


def get(url: str, key: str = "") -> Any:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"} if key else {})
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.load(answer)


def answers(url: str) -> bool:
    try:
        return bool(get(url)) or True
    except OSError:
        return False


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A broker of its own: the site has the usual application id."""
    directory = tmp_path_factory.mktemp("machine")
    with LocalStack(directory / "stack") as stack:
        running = Machine(stack, directory)
        try:
            for service in ("secrets", "schemas", "topics"):
                running.once(service)
            for service, path in (("erp", "count"), ("shop", "state")):
                running.process(service)
                url = f"http://127.0.0.1:{running.stand_ins[service]}/{path}"
                wait_for(lambda url=url: answers(url), 30, url)
            subscribe_here(running)
            lasting = ["worker", "worker", "redis-view", "api", "connect-erp", "connect-shop", "connect-webhooks"]
            await_all([running.process(service, number) for number, service in enumerate(lasting, 1)], within_s=90)
            yield running
        finally:
            for process in running.processes:
                process.stop()


def subscribe_here(machine: Machine) -> None:
    """The declaration with the addresses of this machine, for whoever mounts it."""
    text = machine.translated((ROOT / "compose/subscriptions.yaml").read_text(), "connect-webhooks")
    declared = machine.directory / "subscriptions.yaml"
    declared.write_text(text)
    machine.elsewhere = {
        "STOCKSTREAM_COMMERCE_SUBSCRIPTIONS": str(declared),
        "STOCKSTREAM_COMMERCE_ALLOW": "127.0.0.1",
    }


def test_a_scan_goes_the_whole_way(machine: Machine) -> None:
    """Scanned, it is in the API's answer, in the shop by set and by webhook, and in the ERP."""
    codec = connected_codec(machine.stack.registry_url, ["webshop", "marketplace"])
    producer = Producer({"bootstrap.servers": machine.stack.bootstrap, "partitioner": "murmur2_random"})
    records = [("erp.items", "BOLT-1", item("BOLT-1")), ("warehouse.scans", "BOLT-1", scan("BOLT-1", "DC01", 12, 1))]
    for place in ("DC01", "DC02", "DC03", "DC04"):
        records.insert(0, ("erp.locations", place, location(place)))
    for topic, key, record in records:
        producer.produce(topic, codec.encode(topic, record), key)
        producer.flush(10)
    shop, erp = (f"http://127.0.0.1:{machine.stand_ins[name]}" for name in ("shop", "erp"))
    key = machine.secret("api-key")

    def on_hand() -> Any:
        try:
            return get(f"http://127.0.0.1:{machine.api}/v1/availability/BOLT-1", key)
        except OSError:
            return None

    wait_for(on_hand, 60, "the API to know the SKU")
    wait_for(lambda: get(f"{shop}/state")["inventory"].get("BOLT-1"), 60, "the shop's quantity")
    wait_for(lambda: "BOLT-1" in get(f"{shop}/state")["heard"].get("webshop", {}), 60, "the webhook")
    wait_for(lambda: "BOLT-1" in json.dumps(get(f"{erp}/state")), 60, "the posting")
    assert '"on_hand":12' in json.dumps(on_hand(), separators=(",", ":"))
    assert get(f"{shop}/state")["inventory"]["BOLT-1"] == get(f"{shop}/state")["heard"]["webshop"]["BOLT-1"]["quantity"]


def test_the_api_lets_nobody_in_without_the_key(machine: Machine) -> None:
    with pytest.raises(OSError, match="401"):
        get(f"http://127.0.0.1:{machine.api}/v1/availability/BOLT-1", "sk_000000000000_nobody")


def test_secrets_are_made_once(machine: Machine) -> None:
    """A second start keeps them."""
    before = {path.name: path.read_text() for path in (machine.directory / "secrets").iterdir()}

    machine.once("secrets")

    assert before == {path.name: path.read_text() for path in (machine.directory / "secrets").iterdir()}
    assert set(before) == {"api-key", "api-keys.yaml", "webhook-secret", "shop-token", "grafana-password"}


def test_every_volume_is_somebodys() -> None:
    """And no one's is forgotten."""
    used = {source for service in DOCUMENT["services"].values() for source in mounts(service).values()}

    assert {name for name in used if not name.startswith("./")} == set(DOCUMENT["volumes"])

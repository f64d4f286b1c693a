"""The chart's pods, run: command, arguments, variables and files as rendered, on a broker with TLS, SCRAM and ACLs.

Workers are scaled 1 → 3 → 2 under load, every position stays exact, and every metric that alerts and dashboards read is
there to be scraped.
"""

import json
import re
import secrets
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import pytest
from chart_pods import Cluster, json_of
from rendered_chart import needs_helm

from local.processes import pick_port
from local.stack import LocalStack
from local.supervised import Supervised, await_all
from tests.monitoring.elsewhere import ELSEWHERE
from tests.pipeline.site_under_test import item, location, scan
from tests.security.between import asking_for_a_password, speaking_tls
from tests.security.redis_tls import redis_with_a_password
from tests.security.secured_site import APP, CHANNELS, PARTITIONS, REGISTRY_USER, SecuredSite, until

pytestmark = [needs_helm, pytest.mark.stack]
COMPONENTS = {"worker": "worker", "api": "api", "redisView": "redis-view", "erp": "erp-connector", "webhooks": "webhooks",
              "shop": "shop", "setup": "setup", "operations": "operations"}  # fmt: skip
"""Values' names of components, and their users as `stockstream topics acls` has them."""
SKUS = [f"PART-{number:02d}" for number in range(12)]
PLACES = ("DC01", "DC02")
NOT_HERE = {
    *("stockstream_api_reservation_answers_total", "stockstream_reservation_decisions_total"),
    *("stockstream_api_streams", "stockstream_api_streams_ended_total"),
    *("stockstream_exceptions_raised_total", "stockstream_exceptions_open", "stockstream_exceptions_oldest_seconds"),
    *("stockstream_webhook_deliveries_total", "stockstream_webhook_latency_seconds_bucket"),
    *("stockstream_webhook_enabled", "stockstream_webhook_pending"),
}
"""Nobody reserves or listens, no exception is raised, no webhook is subscribed; monitoring/test_site_metrics.py has them."""


class Released:
    """A release of the chart on a secured site."""

    def __init__(self, site: SecuredSite, erp: str, shop: str) -> None:
        self.site = site
        keys, self.key = site.api_key("availability:read")
        self.api_port = pick_port(set())
        passwords = {f"kafka-{user}": {"password": site.secrets[f"{APP}-{user}"]} for user in COMPONENTS.values()}
        ca = {"ca.crt": site.authority.ca.read_text()}
        held = {
            **passwords,
            "kafka-ca": ca,
            "redis-ca": ca,
            "stockstream-registry": {"password": site.secrets["registry"]},
            "stockstream-redis": {"password": site.secrets["redis"]},
            "stockstream-api-keys": {"keys.yaml": keys.read_text()},
            "stockstream-erp": {"token": "not asked for"},
        }
        (site.directory / "pods").mkdir()
        values = site.directory / "values.yaml"
        values.write_text(json.dumps(self._values(erp, shop)))
        self.cluster = Cluster(site.directory / "pods", held, "production", str(values))
        self.elsewhere = {"STOCKSTREAM_API_PORT": str(self.api_port)}

    def _values(self, erp: str, shop: str) -> dict[str, Any]:
        """Of ci/production-values.yaml what is another here: addresses, sizes, whose secrets."""
        site = self.site
        own = {
            name: {"kafka": {"username": f"{APP}-{user}", "existingSecret": f"kafka-{user}"}}
            for name, user in COMPONENTS.items()
        }
        own["erp"] |= {"url": f"{erp}/odata"}
        own["webhooks"] |= {"enabled": True}
        own["operations"] |= {"enabled": True}
        own["shop"] |= {"enabled": True, "url": shop, "channel": CHANNELS[0]}
        kafka = {"bootstrapServers": site.stack.secured_bootstrap, "partitions": PARTITIONS, "replication": 1}
        return {
            "app": APP,
            "listenAddress": "127.0.0.1",
            "kafka": kafka,
            "registry": {"url": site.registry, "username": REGISTRY_USER, "ca": {"existingSecret": ""}},
            "redis": {"url": site.redis},
            "channels": {"document": {"channels": {name: {"sourcing": list(PLACES)} for name in CHANNELS}}},
            "settings": {"STOCKSTREAM_SESSION_TIMEOUT_MS": 6000},
            **own,
        }

    def start(self, component: str, number: int = 0) -> Supervised:
        return self.cluster.start(self.cluster.component(component), number, **self.elsewhere)

    def position(self, sku: str) -> dict[str, int]:
        """On hand by location, as the API has it."""
        import httpx2  # noqa: PLC0415

        answer = httpx2.get(
            f"http://127.0.0.1:{self.api_port}/v1/availability/{sku}",
            headers={"Authorization": f"Bearer {self.key}"},
            timeout=20,
        )
        found = answer.json().get("positions", []) if answer.status_code == 200 else []
        return {each["location"]: each["on_hand"] for each in found}


class Load:
    """Scans without end, and the account of them; at another thread's pace."""

    def __init__(self, site: SecuredSite) -> None:
        self._site, self._stop = site, threading.Event()
        self.account: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        self.sent, self.failed = 0, list[BaseException]()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)
        assert not self.failed, self.failed

    def more(self, count: int) -> None:
        """Wait until so many more scans are in."""
        goal = self.sent + count
        until(f"{count} more scans", lambda: self.failed or self.sent >= goal, 120)

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                records = []
                for number in range(self.sent, self.sent + 50):
                    sku, place, quantity = SKUS[number % len(SKUS)], PLACES[number // len(SKUS) % 2], number % 7 + 1
                    records.append(("warehouse.scans", sku, scan(sku, place, quantity, number)))
                    self.account[sku][place] += quantity
                self._site.send("wms", *records)
                self.sent += len(records)
                time.sleep(0.05)
        except BaseException as error:  # noqa: BLE001 - told to the test
            self.failed.append(error)


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Released]:
    """A site with users and ACLs, the setup job done by its own principal, nothing else running."""
    directory = tmp_path_factory.mktemp("released")
    words = {name: f"{name}-{secrets.token_urlsafe(15)}" for name in ("registry", "redis")}
    with ExitStack() as running:
        stack = running.enter_context(LocalStack(directory / "stack", need_redis=False, secured=True))
        assert stack.authority is not None
        behind = stack.registry_url.removesuffix("/apis/ccompat/v7")
        asking = running.enter_context(asking_for_a_password(behind, REGISTRY_USER, words["registry"]))
        redis = running.enter_context(redis_with_a_password(directory, words["redis"]))
        tls = running.enter_context(speaking_tls(redis, stack.authority))
        site = SecuredSite(stack, directory, f"{asking.url}/apis/ccompat/v7", f"rediss://127.0.0.1:{tls}/0", words)
        running.callback(site.close)
        site.prepare()
        erp = site.stand_in("erp-server", "local.erp_server", "--port", "{port}", "--state", f"{directory}/erp.sqlite",
                            health="/faults")  # fmt: skip
        shop = site.stand_in("shop-server", "local.shop_server", "--port", "{port}", "--state", f"{directory}/shop.sqlite",
                             health="/state")  # fmt: skip
        await_all([erp, shop], 30)
        release = Released(site, erp.url, shop.url)
        running.callback(release.cluster.close)
        yield release


def test_the_setup_job_does_its_work_as_its_own_principal(released: Released) -> None:
    """Both of its containers end well; a second time too, since nothing that exists is changed."""
    for each in [*released.cluster.setup(), *released.cluster.setup()]:
        process = released.cluster.start(each)
        until(f"the end of {each.command}", lambda process=process: process.ended() is not None, 60)

        assert process.ended() == 0, process.log.read_text()


def test_a_release_scales_under_load_and_stays_exact(released: Released) -> None:
    """Pods start as commanded and become ready; 1 → 3 → 2 workers while scans pour in; every position is right."""
    site = released.site
    known = [("erp.locations", place, location(place)) for place in PLACES]
    site.send("erp", *known, *(("erp.items", sku, item(sku)) for sku in SKUS))
    workers = [released.start("worker")]
    others = {name: released.start(name) for name in ("redis-view", "api", "erp", "webhooks", "shop")}
    await_all([*workers, *others.values()], 120)

    with Load(site) as load:
        load.more(500)
        workers += [released.start("worker", 1), released.start("worker", 2)]
        await_all(workers, 120)
        load.more(1_000)
        workers.pop(0).stop(grace_s=60)
        load.more(500)
        await_all(workers, 120)

    account = {sku: dict(places) for sku, places in load.account.items()}
    until("every position", lambda: {sku: released.position(sku) for sku in SKUS} == account, 120)
    assert {sku: released.position(sku) for sku in SKUS} == account
    assert sum(len(json_of(worker, "/readyz")["partitions"]) for worker in workers) == PARTITIONS
    assert all(worker.restarts == 0 for worker in workers)


def test_every_metric_that_alerts_and_dashboards_read_is_scraped(released: Released) -> None:
    """With a sample, from the pods' own /metrics; what Prometheus, Kubernetes or recording rules bring is not asked of them."""
    from monitoring.promql import read  # noqa: PLC0415
    from monitoring.written import expressions  # noqa: PLC0415

    wanted = {name for _, text in expressions() for name, _ in read(text).selectors if name.startswith("stockstream_")}
    alive = [process for process in released.cluster.running if process.ended() is None and process.answer()[0]]
    pages = "\n".join(str(json_of(process, "/metrics")) for process in alive)
    offered = {re.split(r"[{ ]", line)[0] for line in pages.splitlines() if not line.startswith("#")}

    assert wanted
    assert sorted(wanted - offered - ELSEWHERE.keys() - NOT_HERE) == []


def test_people_look_into_it_from_the_pod_that_is_there_for_them(released: Released) -> None:
    """As the principal of operations: an event's way through all topics, and what a SKU has."""
    sent = scan(SKUS[0], PLACES[0], 1, 1_000_000)
    released.site.send("wms", ("warehouse.scans", SKUS[0], sent))
    pod = released.cluster.component("operations")

    def way() -> str:
        done = released.cluster.execute(pod, "trace", str(sent["correlation_id"]), "--json")
        assert done.returncode in (0, 1), done.stderr  # 1: not there yet
        return done.stdout

    until("the scan's way to the ledger", lambda: "inventory.ledger" in way(), 60)
    has = released.cluster.execute(pod, "availability", SKUS[0], "--location", PLACES[0])
    assert (has.returncode, has.stderr) == (0, ""), has.stderr
    assert SKUS[0] in has.stdout


def test_no_secret_is_said_by_any_pod(released: Released) -> None:
    """Neither in logs nor on health pages; ids of events are no secrets."""
    logs = b"\n".join(path.read_bytes() for path in (released.site.directory / "pods").glob("*.log"))

    assert [whose for whose, word in released.site.secrets.items() if word.encode() in logs] == []


def test_pods_write_only_where_they_may(released: Released) -> None:
    """Nothing appears under a pod's folder but what was mounted; data goes to the data directory."""
    for root in (path for path in (released.site.directory / "pods").iterdir() if path.is_dir()):
        written = [path for path in root.rglob("*") if path.is_file() and "etc/stockstream" not in str(path)]

        assert all(Path(path).suffix == ".url" for path in written), written

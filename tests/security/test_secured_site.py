"""The whole site on a broker with TLS, SCRAM and ACLs: every process with its own user and no more than its ACLs."""

import time
import uuid
from typing import Any

import httpx2
import pytest
import yaml
from secured_site import APP, CHANNELS, SecuredSite, until

from local.processes import pick_port
from local.supervised import Supervised, await_all
from tests.reference_records import item, location

pytestmark = pytest.mark.stack
SIGNING = "whsec_" + "c2VjcmV0LW9mLXRoZS1zdWJzY3JpcHRpb24h"


def test_a_scan_goes_all_the_way_with_every_process_behind_its_own_user(site: SecuredSite):
    """In at the broker or the API, out on the view, the stream, in the shop, by webhook and in the ERP; a hold is taken.

    Logs are at their most talkative; no secret stands in them.
    """
    erp = site.stand_in(
        "erp-server", "local.erp_server", "--port", "{port}", "--state", state(site, "erp"), health="/faults"
    )
    shop = site.stand_in(
        "shop-server", "local.shop_server", "--port", "{port}", "--state", state(site, "shop"), "--secret", SIGNING,
        health="/state",
    )  # fmt: skip
    await_all([erp, shop], 30)
    subscribe(site, f"{shop.url}/webhooks")
    keys, key = site.api_key("availability:read", "reservations:write", "ingest:write", "feeds:read")
    port = pick_port(set())
    loud = {"log_level": "debug"}
    commerce = {"commerce_shop_url": shop.url, "commerce_allow_http": "true", "commerce_allow": "127.0.0.1", **loud}
    worker = site.process("worker", "worker", port="STOCKSTREAM_HTTP_PORT", **loud)
    processes = [
        worker,
        site.process("redis-view", "connect", "redis", port="STOCKSTREAM_VIEW_HTTP_PORT", **loud),
        site.process("api", "api", port="STOCKSTREAM_API_HEALTH_PORT", api_port=port, api_keys_file=keys, **loud),
        site.process(
            "erp-connector", "connect", "erp", port="STOCKSTREAM_ERP_HTTP_PORT", erp_url=f"{erp.url}/odata", **loud
        ),
        site.process("shop", "connect", "shop", port="STOCKSTREAM_COMMERCE_HTTP_PORT", **commerce),
        site.process("webhooks", "connect", "webhooks", port="STOCKSTREAM_COMMERCE_HTTP_PORT", **commerce),
    ]
    site.send("erp", ("erp.locations", "DC01", location("DC01")), ("erp.items", "SKU-1", item("SKU-1")))
    await_all(processes, 90)
    api = httpx2.Client(base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {key}"}, timeout=20)
    site.send("wms", ("warehouse.scans", "SKU-1", scan("SKU-1", 12)))

    until("the API to show 12 units", lambda: shown(api, "SKU-1") == 12)
    until("the shop to have 12 units", lambda: books(shop)["inventory"].get("SKU-1") == 12)
    until("the ERP to have the adjustment", lambda: "STOCK:SKU-1|DC01" in httpx2.get(f"{erp.url}/state").text)
    until("the webhook to be delivered", lambda: "SKU-1" in books(shop)["heard"].get(CHANNELS[1], {}))

    with api.stream("GET", "/v1/channels/webshop/stream") as stream:
        lines = stream.iter_lines()
        next(lines)
        taken = api.post("/v1/scans", json=ingest("SKU-1", 3), headers={"Idempotency-Key": str(uuid.uuid4())})

        assert taken.status_code in (200, 202), taken.text
        assert any('"sku":"SKU-1"' in line for line in lines)
    until("the API to show 15 units", lambda: shown(api, "SKU-1") == 15)
    held = api.post(
        "/v1/reservations",
        json={"channel": "webshop", "sku": "SKU-1", "quantity": 2, "ttl_seconds": 600},
        headers={"Idempotency-Key": str(uuid.uuid4())},
    )

    assert (held.status_code, held.json().get("state")) == (201, "HELD"), held.text
    assert "SKU-1" in site.ran("availability", "SKU-1").decode()
    assert "POSTED" in site.ran("erp", "results", "STOCK:SKU-1|DC01").decode()
    assert "SERVED" in site.ran("webhooks", "list", **commerce).decode()
    assert "live" in site.ran("view", "status").decode()

    worker.stop()
    certified = site.process(
        "worker", "worker", port="STOCKSTREAM_HTTP_PORT", name="by-certificate", **by_certificate(site)
    )
    await_all([certified], 90)
    site.send("wms", ("warehouse.scans", "SKU-1", scan("SKU-1", 5)))

    until("the API to show the scan of the worker with a certificate", lambda: shown(api, "SKU-1") == 20)
    assert [] == site.secrets_said()


def state(site: SecuredSite, name: str) -> str:
    return str(site.directory / f"{name}.sqlite")


def subscribe(site: SecuredSite, url: str) -> None:
    """Declare a webhook subscription to the other channel."""
    secret = site.directory / "signing.secret"
    secret.write_text(SIGNING)
    site.secrets["signing"] = SIGNING
    declared = {"channel": CHANNELS[1], "url": url, "secrets": [{"file": str(secret)}]}
    site.subscriptions.write_text(yaml.safe_dump({"subscriptions": {"market": declared}}))


def by_certificate(site: SecuredSite) -> dict[str, Any]:
    """The broker knows the worker by its certificate's common name."""
    files = site.authority.issue(f"{APP}-worker")
    return {
        "bootstrap": site.stack.mutual_bootstrap,
        "security_protocol": "SSL",
        "ssl_certificate_file": files.certificate,
        "ssl_key_file": files.key,
    }


def shown(api: httpx2.Client, sku: str) -> int | None:
    """What the API says there is of a SKU."""
    answer = api.get(f"/v1/availability/{sku}")
    return answer.json()["network"]["on_hand"] if answer.status_code == 200 else None


def books(shop: Supervised) -> dict[str, Any]:
    """All that the stand-in shop knows."""
    return httpx2.get(f"{shop.url}/state", timeout=10).json()


def ingest(sku: str, quantity: int) -> dict[str, Any]:
    """A scan as the API takes it."""
    record = scan(sku, quantity)
    return {
        name: record[name]
        for name in ("event_id", "scan_type", "item", "location", "quantity", "uom", "occurred_at", "source")
    }


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def scan(sku: str, quantity: int) -> dict[str, Any]:
    return {
        "event_id": str(uuid.uuid4()),
        "scan_type": "ADJUST",
        "item": {"scheme": "SKU", "code": sku},
        "location": "DC01",
        "quantity": quantity,
        "uom": "EA",
        "disposition": None,
        "to_disposition": None,
        "to_location": None,
        "lot": None,
        "device_id": "RF-1",
        "operator": None,
        "reference": {"kind": "NONE", "number": "", "line": None},
        "corrects": None,
        "occurred_at": now_ms(),
        "sent_at": now_ms(),
        "source": "WMS-DC01",
        "correlation_id": f"test-{uuid.uuid4()}",
    }

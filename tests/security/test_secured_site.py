"""The whole site on a broker with TLS, SCRAM and ACLs: every process with its own user and no more than its ACLs."""

import time
import uuid
from typing import Any

import httpx2
import pytest
from secured_site import SecuredSite, until

from local.processes import pick_port
from local.supervised import await_all

pytestmark = pytest.mark.stack


def test_a_scan_goes_all_the_way_with_every_process_behind_its_own_user(site: SecuredSite):
    """Scan in, promise out: on the view, at the API, in the shop, in the ERP; a reservation is held; no secret is said."""
    erp = site.stand_in(
        "erp-server",
        "local.erp_server",
        "--port",
        "{port}",
        "--state",
        str(site.directory / "erp.sqlite"),
        health="/faults",
    )
    shop = site.stand_in(
        "shop-server",
        "local.shop_server",
        "--port",
        "{port}",
        "--state",
        str(site.directory / "shop.sqlite"),
        health="/state",
    )
    await_all([erp, shop], 30)
    keys, key = site.api_key("availability:read", "reservations:write", "ingest:write")
    port = pick_port(set())
    processes = [
        site.process("worker", "worker", port="STOCKSTREAM_HTTP_PORT"),
        site.process("redis-view", "connect", "redis", port="STOCKSTREAM_VIEW_HTTP_PORT"),
        site.process("api", "api", port="STOCKSTREAM_API_HEALTH_PORT", api_port=port, api_keys_file=keys),
        site.process("erp-connector", "connect", "erp", port="STOCKSTREAM_ERP_HTTP_PORT", erp_url=f"{erp.url}/odata"),
        site.process("shop", "connect", "shop", port="STOCKSTREAM_COMMERCE_HTTP_PORT", commerce_shop_url=shop.url),
        site.process(
            "webhooks",
            "connect",
            "webhooks",
            port="STOCKSTREAM_COMMERCE_HTTP_PORT",
        ),
    ]
    site.send("erp", ("erp.locations", "DC01", location("DC01")), ("erp.items", "SKU-1", item("SKU-1")))
    await_all(processes, 90)
    site.send("wms", ("warehouse.scans", "SKU-1", scan("SKU-1", 12)))

    api = httpx2.Client(base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {key}"}, timeout=20)
    until("the API to show 12 units", lambda: "12" in api.get("/v1/availability/SKU-1").text)
    until("the shop to have 12 units", lambda: "12" in httpx2.get(f"{shop.url}/state").text)
    until("the ERP to have the adjustment", lambda: "STOCK:SKU-1|DC01" in httpx2.get(f"{erp.url}/state").text)
    held = api.post(
        "/v1/reservations",
        json={"channel": "webshop", "sku": "SKU-1", "quantity": 2, "ttl_seconds": 600},
        headers={"Idempotency-Key": str(uuid.uuid4())},
    )

    assert (held.status_code, held.json().get("state")) == (201, "HELD"), held.text
    assert [] == site.secrets_said()


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def item(sku: str) -> dict[str, Any]:
    return {
        "sku": sku,
        "description": sku,
        "base_uom": "EA",
        "packs": [],
        "identifiers": [],
        "segment": "A",
        "safety_stock": [],
        "shelf_life_days": None,
        "active": True,
    }


def location(name: str) -> dict[str, Any]:
    return {
        "location": name,
        "kind": "WAREHOUSE",
        "time_zone": "UTC",
        "calendar": "",
        "priority": 1,
        "codes": [],
        "active": True,
    }


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

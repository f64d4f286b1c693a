"""What the demo puts around the workers: Redis view, API, connectors, and the stand-in ERP and shop they talk to.

The ERP misbehaves on purpose, and its connector is killed half-way.
"""

import secrets
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2
import yaml

from connectors.api import api_keys
from local.processes import pick_port
from local.supervised import Supervised, await_all
from local.up import Site

SHOP_CHANNEL, WEBHOOK_CHANNEL, SUBSCRIPTION = "webshop", "marketplace", "demo-shop"
FAULTS: Final[dict[str, Any]] = {
    "latency_ms": 4,
    "error_rate": 0.004,
    "error_after_rate": 0.002,
    "timeout_after_rate": 0.0005,
    "timeout_before_rate": 0.0005,
    "invoice_needs_delivery": True,
}
"""Of the stand-in ERP: shares of requests that fail, before and after it has posted."""
READY_WITHIN_S = 60.0


@dataclass(slots=True)
class Edges:
    """The processes, and how to ask the stand-ins what they hold."""

    erp: Supervised
    shop: Supervised
    api: Supervised
    erp_connector: Supervised
    others: list[Supervised]
    api_url: str
    shop_key: str
    """An API key that may reserve for the shop's channel."""

    @property
    def all(self) -> list[Supervised]:
        return [self.erp, self.shop, self.api, self.erp_connector, *self.others]

    def in_erp(self) -> dict[str, Any]:
        """All the stand-in ERP holds."""
        return _state(self.erp)

    def in_shop(self) -> dict[str, Any]:
        """All the stand-in shop holds."""
        return _state(self.shop)


def groups(app: str) -> dict[str, tuple[str, ...]]:
    """Consumer groups of the connectors and what they read, for whoever waits until all of it is dealt with."""
    return {
        f"{app}-erp": ("erp.postings",),
        f"{app}.shop.{SHOP_CHANNEL}": (f"channel.{SHOP_CHANNEL}.availability",),
        f"{app}.webhooks.{SUBSCRIPTION}": (f"channel.{WEBHOOK_CHANNEL}.availability",),
    }


@contextmanager
def edges(site: Site, directory: Path, channels: Path, **settings: object) -> Iterator[Edges]:
    """Start all of them; they end with the block."""
    secret = "whsec_" + b64encode(secrets.token_bytes(24)).decode()
    secret_file = directory / "webhook.secret"
    secret_file.touch(mode=0o600)
    secret_file.write_text(secret)
    state = {name: str(directory / f"{name}.sqlite") for name in ("erp", "shop")}
    erp_command = ("-m", "local.erp_server", "--port", "{port}", "--state", state["erp"])
    shop_command = ("-m", "local.shop_server", "--port", "{port}", "--state", state["shop"], "--secret", secret)
    erp = Supervised("erp", erp_command, {}, directory, health="/faults")
    shop = Supervised("shop", shop_command, {}, directory, health="/state")
    for stand_in in (erp, shop):
        stand_in.start()
    subscriptions = directory / "subscriptions.yaml"
    receiver = {
        "channel": WEBHOOK_CHANNEL, "url": f"{shop.url}/webhooks", "secrets": [{"file": str(secret_file)}]
    }  # fmt: skip
    subscriptions.write_text(yaml.safe_dump({"subscriptions": {SUBSCRIPTION: receiver}}))
    commerce = {
        "commerce_shop_url": shop.url,
        "commerce_shop_channel": SHOP_CHANNEL,
        "commerce_shop_rate": 200,
        "commerce_subscriptions": subscriptions,
        "commerce_allow": "127.0.0.1",
        "commerce_allow_http": "true",
        "commerce_retry_first_ms": 500,
        "commerce_shop_verify_ms": 5_000,
    }

    def edge(name: str, command: tuple[str, ...], port_variable: str, **more: object) -> Supervised:
        return site.edge(name, command, directory, channels, port_variable=port_variable, **settings, **more)

    api_port, key_file = pick_port(set()), directory / "api-keys.json"
    scopes = ("availability:read", "reservations:write")
    shop_key, _ = api_keys.create(key_file, "shoppers", scopes, channel=SHOP_CHANNEL, rate=100_000)
    running = Edges(
        erp,
        shop,
        edge(
            "api",
            ("api",),
            "STOCKSTREAM_API_HEALTH_PORT",
            api_port=api_port,
            api_keys_file=key_file,
        ),
        edge(
            "erp-connector",
            ("connect", "erp"),
            "STOCKSTREAM_ERP_HTTP_PORT",
            erp_url=f"{erp.url}/odata",
            erp_rate=5_000,
            erp_concurrency=32,
            erp_total_timeout_ms=2_000,
            erp_session_timeout_ms=6_000,
        ),
        [
            edge("redis-view", ("connect", "redis"), "STOCKSTREAM_VIEW_HTTP_PORT"),
            edge("shop-connector", ("connect", "shop"), "STOCKSTREAM_COMMERCE_HTTP_PORT", **commerce),
            edge("webhooks", ("connect", "webhooks"), "STOCKSTREAM_COMMERCE_HTTP_PORT", **commerce),
        ],
        f"http://127.0.0.1:{api_port}",
        shop_key,
    )
    try:
        await_all([erp, shop], READY_WITHIN_S)
        httpx2.post(f"{erp.url}/faults", json=FAULTS, timeout=10).raise_for_status()
        for process in running.all[2:]:
            process.start()
        await_all(running.all, READY_WITHIN_S)
        yield running
    finally:
        stopping = [threading.Thread(target=process.stop) for process in running.all]
        for thread in stopping:
            thread.start()
        for thread in stopping:
            thread.join()


def _state(of: Supervised) -> dict[str, Any]:
    state: dict[str, Any] = httpx2.get(f"{of.url}/state", timeout=60).raise_for_status().json()
    return state

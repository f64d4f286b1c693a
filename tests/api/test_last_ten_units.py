"""Two hundred HTTP clients for the last ten units: worker, Redis view and two API processes, all of them real."""

import asyncio
import os
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from connectors.api import api_keys
from tests.api.api_site import until
from tests.pipeline.site_under_test import ROOT, Site, item

pytestmark = pytest.mark.stack
STOCK = {"DC01": 6, "DC02": 4}
CLIENTS = 200
START = (
    "import sys; from schemas.environment import read; from connectors.{module}.main import run; "
    "from connectors.{module}.settings import {settings} as S; sys.exit(run(read(S)))"
)
API = START.format(module="api", settings="ApiSettings")
VIEW = START.format(module="outbound.redis_view", settings="Settings")


class Shopfront:
    """A site with a worker, the Redis view and API processes; each process of its own."""

    def __init__(self, stack: Any, directory: Path) -> None:
        self.directory = directory
        self.site = Site(stack, directory, app=f"rush-{uuid.uuid4().hex[:8]}")
        self.keys_file = directory / "keys.json"
        self.key, _ = api_keys.create(
            self.keys_file, "shop", ["reservations:write", "availability:read"], channel="webshop"
        )
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, name: str, code: str, **own: Any) -> Path:
        """Start a process; return its directory, where it leaves its addresses."""
        home = self.directory / name
        home.mkdir()
        stack = self.site.stack
        environment = {
            "STOCKSTREAM_BOOTSTRAP": stack.bootstrap,
            "STOCKSTREAM_REGISTRY": stack.registry_url,
            "STOCKSTREAM_REDIS": stack.redis_url,
            "STOCKSTREAM_APP": self.site.app,
            "STOCKSTREAM_CHANNELS": str(ROOT / "channels.yaml"),
            "STOCKSTREAM_DATA_DIR": str(home),
            **{name: str(value) for name, value in own.items()},
        }
        kept = {name: value for name, value in os.environ.items() if not name.startswith("STOCKSTREAM_")}
        with (home / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", code],
                env={**kept, "PYTHONPATH": str(ROOT), **environment},
                stdout=log,
                stderr=log,
                cwd=home,
            )
        self.processes.append(process)
        return home

    def api(self, name: str) -> str:
        """The address of a new API process, once it serves a live view."""
        own = {
            "STOCKSTREAM_API_PORT": 0,
            "STOCKSTREAM_API_KEYS_FILE": self.keys_file,
            "STOCKSTREAM_API_CLIENT_RATE": 100_000,
        }
        home = self.start(name, API, **own)
        url = until(lambda: _text(home / "api-http.url"), bool, within_s=60)
        until(lambda: self._availability(url), lambda status: status == 200, within_s=60)
        return url

    def _availability(self, url: str) -> int:
        with httpx2.Client(headers=self.headers) as client:
            return client.get(f"{url}/v1/channels/webshop/availability").status_code

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    def stop(self) -> None:
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            process.wait(30)
        self.site.close()


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


@pytest.fixture
def shopfront(stack: Any, tmp_path: Path) -> Iterator[Shopfront]:
    front = Shopfront(stack, tmp_path)
    yield front
    front.stop()


async def ask(urls: list[str], headers: dict[str, str], sku: str, run: str) -> list[httpx2.Response]:
    """Everybody asks at once, one unit each, half of them each process."""
    limits = httpx2.Limits(max_connections=CLIENTS)
    async with httpx2.AsyncClient(headers=headers, timeout=60, limits=limits) as client:

        async def one(number: int) -> httpx2.Response:
            return await client.post(
                f"{urls[number % len(urls)]}/v1/reservations",
                json={"sku": sku, "quantity": 1, "ttl_seconds": 3_600},
                headers={"Idempotency-Key": f"{run}-{number}"},
            )

        return await asyncio.gather(*(one(number) for number in range(CLIENTS)))


async def read(url: str, headers: dict[str, str], places: list[str]) -> list[httpx2.Response]:
    async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=60) as client:
        return [await client.get(place) for place in places]


def test_two_hundred_clients_get_the_last_ten_units_once(shopfront: Shopfront):
    """Exactly ten units are held, everybody is answered, and everybody who asks again gets the same answer.

    The repeat goes to the other process, so the answers do not hang on one process's memory.
    """
    site, sku = shopfront.site, f"RUSH-{uuid.uuid4().hex[:8]}"
    site.start("worker")
    shopfront.start("view", VIEW)
    site.send("erp.items", sku, {**item(sku), "segment": "C"})  # the webshop keeps nothing back of these
    site.producer.flush(30)
    for place, quantity in STOCK.items():
        site.scan(sku, place, quantity)
    site.producer.flush(30)
    site.settle()
    urls = [shopfront.api("api-1"), shopfront.api("api-2")]
    run = uuid.uuid4().hex

    began = time.monotonic()
    first = asyncio.run(ask(urls, shopfront.headers, sku, run))
    took = time.monotonic() - began
    pending = [answer for answer in first if answer.status_code == 202]
    places = [answer.headers["location"] for answer in pending]
    until(
        lambda: [one.json()["state"] for one in asyncio.run(read(urls[0], shopfront.headers, places))],
        lambda states: "PENDING" not in states,
        within_s=60,
    )
    second = asyncio.run(ask(urls[::-1], shopfront.headers, sku, run))
    third = asyncio.run(ask(urls, shopfront.headers, sku, run))
    print(f"{CLIENTS} answers in {took:.2f} s: {Counter(answer.status_code for answer in first)}")

    assert {answer.status_code for answer in first} <= {201, 202, 409}
    held = [answer for answer in second if answer.status_code == 201]
    refused = [answer for answer in second if answer.status_code == 409]
    assert (len(held), len(refused)) == (10, CLIENTS - 10)
    taken = Counter[str]()
    for answer in held:
        for part in answer.json()["parts"]:
            taken[part["location"]] += part["quantity"]
    assert taken == STOCK
    assert {answer.json()["reason"] for answer in refused} == {"INSUFFICIENT"}
    for before, after, again in zip(first, second, third, strict=True):
        assert before.status_code == 202 or before.content == after.content
        assert (again.status_code, again.content) == (after.status_code, after.content)
    assert len({answer.json()["reservation_id"] for answer in held}) == 10

    site.settle()
    snapshots = {a["location"]: a for a in site.read("availability.snapshots") if a["sku"] == sku}
    assert {place: snapshot["atp"] for place, snapshot in snapshots.items()} == dict.fromkeys(STOCK, 0)
    assert {place: snapshot["on_hand"] for place, snapshot in snapshots.items()} == STOCK
    assert {place: snapshot["allocated"] for place, snapshot in snapshots.items()} == STOCK

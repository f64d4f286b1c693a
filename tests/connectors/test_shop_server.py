"""The stand-in shop keeps its word through restarts: quantities, answered keys, what it heard."""

from typing import Any

import httpx2
import pytest

from local.shop_books import Books
from local.shop_faults import Faults
from local.shop_server import ShopServer
from tests.connectors.commerce_site import offer


def asked(key: str, quantity: int, compare: int) -> dict[str, object]:
    items = [{"sku": "A", "quantity": quantity, "compare_quantity": compare}]
    return {"idempotency_key": key, "items": items}


async def test_a_repeated_key_has_the_same_answer_after_a_restart(tmp_path):
    """Compare-and-set once; the same key again changes nothing, for another request it is refused."""
    async with ShopServer(tmp_path / "shop").serving() as url, httpx2.AsyncClient(base_url=url) as client:
        first = await client.post("/inventory:set", json=asked("k1", 5, 0))
        differs = await client.post("/inventory:set", json=asked("k2", 9, 4))
    async with ShopServer(tmp_path / "shop").serving() as url, httpx2.AsyncClient(base_url=url) as client:
        again = await client.post("/inventory:set", json=asked("k1", 5, 0))
        other = await client.post("/inventory:set", json=asked("k1", 6, 5))
        has = await client.get("/inventory/A")

    assert {"items": [{"sku": "A", "outcome": "OK", "quantity": 5}]} == first.json() == again.json()
    assert {"items": [{"sku": "A", "outcome": "MISMATCH", "quantity": 5}]} == differs.json()
    assert 409 == other.status_code
    assert {"sku": "A", "quantity": 5} == has.json()


async def test_nonsense_strangers_and_unsigned_messages_are_refused(tmp_path):
    """Each with its status; none is a fault of the server's."""
    server = ShopServer(tmp_path / "shop", token="right")
    async with server.serving() as url, httpx2.AsyncClient(base_url=url) as client:
        stranger = await client.post("/inventory:set", json=asked("k1", 5, 0))
        client.headers["authorization"] = "Bearer right"
        nonsense = [await client.post("/inventory:set", content=body) for body in (b"{", b"{}", b"[]")]
        twice = await client.post("/inventory:set", json={"idempotency_key": "k", "items": [{"sku": "A"}] * 2})
        unsigned = await client.post("/webhooks", json={})
        fault = await client.post("/faults", json={"laziness": 1})

    assert 401 == stranger.status_code
    assert [400, 400, 400, 400] == [*(each.status_code for each in nonsense), twice.status_code]
    assert 401 == unsigned.status_code
    assert "no such fault: laziness" in fault.text


def told(revision: int, quantity: int, previous: tuple[int, int] = (0, 0), **by: int) -> dict[str, Any]:
    """A change; `by`: what to go by, and since when that is so."""
    record = offer("webshop", "A", revision, quantity, previous)
    effective = {"quantity": by.get("effective", quantity)}
    return {**record, "effective": effective, "effective_at": by.get("at", record["computed_at"])}


def test_changes_are_applied_by_revision_and_gaps_are_asked_for(tmp_path):
    """Repeats do nothing, a gap is not applied until it comes from nothing."""
    books = Books(tmp_path / "shop")

    assert [] == books.hear("m1", [told(1, 5)])
    assert ["A"] == books.hear("m2", [told(4, 8, (3, 7))])
    assert ["A"] == books.hear("m2", [told(4, 8, (3, 7))])
    assert [] == books.hear("m3", [told(4, 8)])
    assert [] == books.hear("m1", [told(1, 5)])
    heard = books.state()["heard"]["webshop"]["A"]
    assert {"revision": 4, "quantity": 8, "status": "IN_STOCK"}.items() <= heard.items()
    books.close()


def test_of_one_revision_the_newest_judgement_is_gone_by(tmp_path):
    """Not what comes late; and a newer revision brings its own."""
    books = Books(tmp_path / "shop")
    found = []
    for change in (
        told(1, 5, at=10),
        told(1, 5, effective=0, at=20),
        told(1, 5, effective=4, at=15),
        told(2, 9, (1, 5), at=18),
        told(1, 5, effective=0, at=30),
    ):
        assert [] == books.hear("m", [change])
        found.append(books.state()["heard"]["webshop"]["A"]["effective"])
    books.close()

    assert [5, 0, 0, 9, 9] == found


def test_an_unknown_fault_is_named():
    """A misspelt switch never passes for a shop that behaves."""
    with pytest.raises(ValueError, match="no such fault: latency; there are seed"):
        Faults.of({"latency": 5})

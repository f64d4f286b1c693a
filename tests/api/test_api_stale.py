"""What is shown while the view cannot be: nothing, or the last known where the channel's rule allows, and said so."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from connectors import view_keys as keys
from local.processes import pick_port
from schemas.clock import wall_ms
from tests.api.api_site import Api, Site, until
from tests.api.own_redis import OwnRedis

pytestmark = pytest.mark.stack


@pytest.fixture
def alone(stack: Any, tmp_path: Path) -> Iterator[tuple[Site, OwnRedis]]:
    own = OwnRedis(tmp_path, pick_port(set()))
    site = Site(stack, tmp_path, own.url)
    site.live()
    site.feed("DC01", "FRESH")
    site.offer(site.shop, "S-1", {"DC01": 11, "DC02": 11})
    site.offer(site.market, "S-1", {"DC01": 11})
    site.position("S-1", "DC01", 11)
    yield site, own
    own.stop()


@contextmanager
def clients(site: Site, **changes: Any) -> Iterator[tuple[Any, Any, Any]]:
    with Api(site.settings(redis_timeout_ms=300, **changes)) as api:
        yield api.client(site.shop_key), api.client(site.market_key), api.client(site.reader)


def test_without_redis_the_last_known_is_shown_where_the_rule_allows(alone: tuple[Site, OwnRedis]) -> None:
    """The shop's rule for stale is a haircut: half of what was known, marked stale with its age. The market withholds,
    and positions have no rule: 503 with Retry-After. What nobody asked before is 503 as well."""
    site, own = alone
    path, other = f"/v1/channels/{site.shop}/availability/S-1", f"/v1/channels/{site.market}/availability/S-1"
    with clients(site) as (shop, market, reader):
        fresh = shop.get(path).raise_for_status()
        market.get(other).raise_for_status()
        reader.get("/v1/availability/S-1").raise_for_status()
        own.stop()
        stale = until(lambda: shop.get(path), lambda got: got.json()["stale"])
        by_sku = shop.get("/v1/availability/S-1")
        withheld, positions, unknown = market.get(other), reader.get("/v1/availability/S-1"), shop.get(f"{path}9")
        pages = [shop.get(f"/v1/channels/{site.shop}/{what}") for what in ("availability", "snapshot")]
        feeds = reader.get("/v1/feeds")
        own.start()
        again = until(lambda: shop.get(path), lambda got: got.status_code == 200 and not got.json()["stale"])

    assert 20 == fresh.json()["quantity"]
    answer = stale.json()
    assert (200, 5 + 5 - 2, True) == (stale.status_code, answer["quantity"], answer["stale"])
    assert "HAIRCUT 50% DC01 STALE; HAIRCUT 50% DC02 STALE" == answer["fallback"]
    assert answer["last_known_at"] <= wall_ms()
    assert answer["last_known_age_ms"] >= 0
    assert "Redis" in answer["stale_because"]
    assert ("no-store", '110 - "Response is Stale"') == (stale.headers["cache-control"], stale.headers["warning"])
    assert "etag" not in stale.headers
    assert (8, True) == (by_sku.json()["channels"][0]["quantity"], by_sku.json()["stale"])
    for refused in (withheld, positions, unknown, *pages, feeds):
        assert (503, True) == (refused.status_code, "retry-after" in refused.headers)
        assert "/docs/problems#availability-unknown" == refused.json()["type"]
    assert 20 == again.json()["quantity"]


def test_a_last_known_answer_gets_too_old_to_be_shown(alone: tuple[Site, OwnRedis]) -> None:
    """After the time the setting gives it."""
    site, own = alone
    path = f"/v1/channels/{site.shop}/availability/S-1"
    with clients(site, last_known_ms=400) as (shop, _, _):
        shop.get(path).raise_for_status()
        own.stop()
        time.sleep(0.5)

        assert 503 == until(lambda: shop.get(path), lambda got: got.status_code != 200).status_code


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({"state": "rebuilding", "percent": 40}, "rebuilt: 40 %"),
        ({"at": 1}, "nobody has kept the view"),
        ({"lag": None}, "nobody has kept the view"),
        ({"state": "waiting"}, "nobody has kept the view"),
    ],
)
def test_a_view_that_is_being_rebuilt_or_that_nobody_keeps_is_not_shown(
    alone: tuple[Site, OwnRedis], state: dict[str, Any], reason: str
) -> None:
    """Redis answers, but nobody vouches for what it says: at once, or for longer than a takeover may take."""
    site, _ = alone
    with clients(site, view_stale_ms=500) as (shop, _, reader):
        shop.get(f"/v1/channels/{site.shop}/availability/S-1").raise_for_status()
        site.live(**state)
        refused = until(lambda: reader.get("/v1/availability/S-1"), lambda got: got.status_code == 503)
        stale = shop.get(f"/v1/channels/{site.shop}/availability/S-1")

    assert reason in refused.json()["detail"]
    assert (200, True) == (stale.status_code, stale.json()["stale"])


def test_an_instance_that_takes_over_from_another_is_waited_for(alone: tuple[Site, OwnRedis]) -> None:
    """While it catches up what stands there is shown: it is no older than if the other had just gone silent."""
    site, _ = alone
    with clients(site, view_stale_ms=60_000) as (_, _, reader):
        reader.get("/v1/availability/S-1").raise_for_status()
        site.live(state="catching up", lag=None)
        codes = set()
        for _ in range(10):
            time.sleep(0.03)
            codes.add(reader.get("/v1/availability/S-1").status_code)

        assert {200} == codes


def test_one_instance_that_keeps_the_view_is_enough(alone: tuple[Site, OwnRedis]) -> None:
    """One that died is not waited for."""
    site, _ = alone
    site.redis.hset(keys.view(site.app), keys.instance_field("dead"), b'{"state":"rebuilding","at":5,"lag":null}')
    with clients(site) as (_, _, reader):
        assert 200 == reader.get("/v1/availability/S-1").status_code


def test_limits_hold_while_redis_is_away(alone: tuple[Site, OwnRedis]) -> None:
    """Counted in the process then, so an outage is no open door."""
    site, own = alone
    key = site.key("slow", rate=3)
    with Api(site.settings(redis_timeout_ms=300)) as api, api.client(key) as client:
        until(lambda: client.get("/v1/feeds"), lambda got: got.status_code == 200)
        own.stop()
        answers = {client.get("/v1/feeds").status_code for _ in range(15)}

    assert answers <= {200, 429, 503}
    assert 429 in answers

"""Availability over HTTP: what the view holds, with age, sources, feeds and fallback, and nothing that is not so."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors import view_keys as keys
from tests.api.api_site import Api, Site, until

pytestmark = pytest.mark.stack


def test_a_sku_is_told_by_location_by_channel_and_in_total(api: Api, site: Site) -> None:
    """An unbound caller sees every position whole, their sum, and each channel's offer."""
    with api.client(site.reader) as client:
        answer = client.get("/v1/availability/S-1").raise_for_status().json()

    assert ["DC01", "DC02", "DC03"] == [one["location"] for one in answer["positions"]]
    assert {"on_hand": 42, "atp": 33} == answer["network"]
    assert [site.shop] == [one["channel"] for one in answer["channels"]]
    assert ["FRESH", "STALE", "LATE"] == [one["feed"] for one in answer["positions"]]
    assert answer["age_ms"] >= 5_000
    assert not answer["stale"]


def test_an_offer_names_the_fallback_applied_and_why(api: Api, site: Site) -> None:
    """DC02 is stale: half of it is shown, and the answer says so, with every source's stamp."""
    with api.client(site.shop_key) as client:
        answer = client.get(f"/v1/channels/{site.shop}/availability/S-0").raise_for_status().json()

    assert 10 + 5 - 2 == answer["quantity"]
    assert "HAIRCUT 50% DC02 STALE" == answer["fallback"]
    assert [{"location": "DC02", "feed": "STALE", "rule": "HAIRCUT 50%"}] == answer["fallback_because"]
    assert {"WMS-DC01", "WMS-DC02"} == {stamp["source"] for stamp in answer["stamps"]}
    assert {"coordinate"}.isdisjoint(answer["stamps"][0])
    assert ["DC01", "DC02"] == [feed["location"] for feed in answer["feeds"]]


def test_the_promise_at_a_date_is_told(api: Api, site: Site) -> None:
    """2027-07-10 is day 21009: the bucket of day 21000 holds; a channel gets its locations' sum less its buffer."""
    with api.client(site.reader) as client:
        answer = client.get("/v1/availability/S-0?date=2027-07-10").raise_for_status().json()

    assert {"date": 21_009, "quantity": 20} == answer["positions"][0]["promise"]
    assert {"date": 21_009, "quantity": 60} == answer["network"]["promise"]
    offered = {one["channel"]: one["promise"] for one in answer["channels"]}
    assert {"date": 21_009, "quantity": 20 + 10 - 2} == offered[site.shop]


def test_one_location_can_be_asked_for(api: Api, site: Site) -> None:
    """Only its position is shown; one that holds nothing of the SKU is not found."""
    with api.client(site.reader) as client:
        answer = client.get("/v1/availability/S-0?location=DC02").raise_for_status().json()
        missing = client.get("/v1/availability/S-0?location=DC99")

    assert ["DC02"] == [one["location"] for one in answer["positions"]]
    assert 404 == missing.status_code
    assert "DC99" in missing.json()["detail"]


def test_a_query_answers_what_is_known_and_lists_what_is_not(api: Api, site: Site) -> None:
    """A partial answer is no error, and a SKU asked for twice is answered once."""
    with api.client(site.reader) as client:
        answer = client.post("/v1/availability:query", json={"skus": ["S-1", "nope", "S-0", "S-1"]})

    assert ["S-1", "S-0"] == [one["sku"] for one in answer.raise_for_status().json()["answers"]]
    assert ["nope"] == answer.json()["unknown"]


def test_a_query_of_more_skus_than_allowed_says_how_many(api: Api, site: Site) -> None:
    """1,001 are refused, naming the field and what it takes; 1,000 are answered."""
    with api.client(site.reader) as client:
        refused = client.post("/v1/availability:query", json={"skus": [f"X-{n}" for n in range(1001)]})
        taken = client.post("/v1/availability:query", json={"skus": [f"X-{n}" for n in range(1000)]})

    assert 422 == refused.status_code
    assert [{"field": "body.skus", "wrong": "1001 are too many", "takes": "1 to 1000"}] == refused.json()["errors"]
    assert 1000 == len(taken.raise_for_status().json()["unknown"])


def test_pages_of_a_channel_follow_each_other_without_gap_or_repeat(api: Api, site: Site) -> None:
    """Two a page, in the order of SKUs, until the cursor is null."""
    seen, cursor = [], None
    with api.client(site.shop_key) as client:
        while True:
            query = {"limit": 2, **({"cursor": cursor} if cursor else {})}
            page = client.get(f"/v1/channels/{site.shop}/availability", params=query).raise_for_status().json()
            seen += [one["sku"] for one in page["offers"]]
            if (cursor := page["next_cursor"]) is None:
                break

    assert [f"S-{number}" for number in range(5)] == seen


def test_a_channels_page_can_be_narrowed_by_sku_and_status(api: Api, site: Site) -> None:
    """SKUs by name with the unknown ones listed; a status is the one shown, after the fallback."""
    path = f"/v1/channels/{site.shop}/availability"
    with api.client(site.shop_key) as client:
        named = client.get(path, params={"sku": ["S-3", "nope"]}).raise_for_status().json()
        none = client.get(path, params={"status": "OUT"}).raise_for_status().json()

    assert (["S-3"], ["nope"]) == ([one["sku"] for one in named["offers"]], named["unknown"])
    assert ([], None) == (none["offers"], none["next_cursor"])


def test_a_caller_with_the_newest_answer_gets_304_until_something_changes(api: Api, site: Site) -> None:
    """A new revision changes the ETag, and so does a feed's status, since it changes what is shown."""
    site.offer(site.shop, "E-1", {"DC01": 5})
    path = f"/v1/channels/{site.shop}/availability/E-1"
    with api.client(site.shop_key) as client:
        first = client.get(path).raise_for_status()
        same = client.get(path, headers={"If-None-Match": first.headers["etag"]})
        site.offer(site.shop, "E-1", {"DC01": 6}, revision=5)
        changed = client.get(path, headers={"If-None-Match": first.headers["etag"]})
        site.feed("DC01", "LATE")
        other = until(lambda: client.get(path), lambda got: got.headers["etag"] != changed.headers["etag"])
        site.feed("DC01", "FRESH")

    assert (304, b"") == (same.status_code, same.content)
    assert "private, max-age=1" == first.headers["cache-control"]
    assert (200, 4) == (changed.status_code, changed.json()["quantity"])
    assert "LATE" == other.json()["fallback_because"][0]["feed"]


def test_a_channel_s_other_rule_makes_another_etag(api: Api, site: Site, tmp_path: Path) -> None:
    """What a shop has kept is not confirmed to it once the channel's rule says something else."""
    declared = yaml.safe_load(site.channels_file.read_text())
    declared["channels"][site.shop]["fallback"]["stale"] = "withhold"
    declared["channels"][site.shop]["low_at"] = 100
    (tmp_path / "channels.yaml").write_text(yaml.safe_dump(declared))
    paths = [f"/v1/channels/{site.shop}/availability/S-2", "/v1/availability/S-2"]
    with api.client(site.shop_key) as client:
        before = [client.get(path).raise_for_status() for path in paths]
    with Api(site.settings(channels=str(tmp_path / "channels.yaml"))) as other, other.client(site.shop_key) as client:
        after = [
            client.get(path, headers={"If-None-Match": old.headers["etag"]})
            for path, old in zip(paths, before, strict=True)
        ]

    assert [200, 200] == [answer.status_code for answer in after]
    assert (12 + 6 - 2, 12 - 2) == (before[0].json()["quantity"], after[0].json()["quantity"])


def test_feeds_are_listed_and_a_bound_caller_sees_those_of_its_locations(api: Api, site: Site) -> None:
    """The market sells from DC01 only."""
    with api.client(site.reader) as client:
        everything = client.get("/v1/feeds").raise_for_status().json()["feeds"]
        stale = client.get("/v1/feeds?status=STALE").raise_for_status().json()["feeds"]
    with api.client(site.market_key) as client:
        own = client.get("/v1/feeds").raise_for_status().json()["feeds"]

    assert ["DC01", "DC02", "DC03"] == [feed["location"] for feed in everything]
    assert ["DC02"] == [feed["location"] for feed in stale]
    assert ["DC01"] == [feed["location"] for feed in own]


def test_an_emptied_redis_is_no_empty_shop(stack: Any, tmp_path: Path) -> None:
    """Where the view's epoch has gone with its data, the answer is 503, not 404."""
    empty = Site(stack, tmp_path)
    empty.live()
    empty.offer(empty.shop, "S-1", {"DC01": 5})
    with Api(empty.settings(view_refresh_ms=60_000)) as other, other.client(empty.reader) as client:
        before = client.get(f"/v1/channels/{empty.shop}/availability/S-1")
        empty.redis.delete(keys.view(empty.app), keys.offer(empty.app, empty.shop, "S-1"))
        after = client.get(f"/v1/channels/{empty.shop}/availability/nope")

    assert (200, 503) == (before.status_code, after.status_code)
    assert "/docs/problems#availability-unknown" == after.json()["type"]
    assert after.headers["retry-after"]


def test_the_short_way_and_the_routes_answer_alike(api: Api, site: Site) -> None:
    """A query that nobody asks for makes the routes answer: same status, headers and body but for the age."""
    paths = [
        f"/v1/channels/{site.shop}/availability/S-1",
        f"/v1/channels/{site.shop}/availability/nope",
        f"/v1/channels/{site.market}/availability/S-0",
        "/v1/channels/none/availability/S-1",
        "/v1/availability/S-1",
        "/v1/availability/nope",
        "/v1/availability/a%0A",
        f"/v1/availability/{'x' * 201}",
        f"/v1/channels/{'x' * 65}/availability/S-1",
        "/v1/availability/",
    ]
    asked = [(path, key) for path in paths for key in (site.reader, site.shop_key, site.key("other", ["feeds:read"]))]
    for path, key in asked:
        with api.client(key) as client:
            short, long = client.get(path), client.get(f"{path}?nothing=1")
            again = client.get(path, headers={"If-None-Match": long.headers.get("etag", "-")})

        assert _but_age(long) == _but_age(short), path
        assert (304 if short.status_code == 200 else short.status_code) == again.status_code, path


def _but_age(answer: Any) -> tuple[int, str, dict[str, str]]:
    changing = ("date", "ratelimit", "content-length", "location", "x-request-id")
    headers = {name: value for name, value in answer.headers.items() if name not in changing}
    return answer.status_code, re.sub(r'"age_ms":\d+', "", answer.text), headers

"""Exceptions over HTTP: filters, pages, what became of each, and whose they are."""

from pathlib import Path
from typing import Any

import pytest

from tests.api.api_site import NOW, Api, Site, until

pytestmark = pytest.mark.stack


@pytest.fixture
def served(stack: Any, tmp_path: Path) -> Any:
    site = Site(stack, tmp_path)
    site.live()
    with Api(site.settings()) as api:
        yield site, api


def test_open_exceptions_come_newest_first_page_by_page(served: Any) -> None:
    """Though many were raised in the same millisecond, none is left out or told twice."""
    site, api = served
    made = {site.exception(number, raised_at=NOW - number // 450) for number in range(900)}
    seen, cursor = [], None
    with api.client(site.reader) as client:
        while True:
            query = {"limit": 70, **({"cursor": cursor} if cursor else {})}
            page = client.get("/v1/exceptions", params=query).raise_for_status().json()
            seen += page["exceptions"]
            if (cursor := page["next_cursor"]) is None:
                break

    assert (900, made) == (len(seen), {one["exception_id"] for one in seen})
    assert [one["raised_at"] for one in seen] == sorted((one["raised_at"] for one in seen), reverse=True)
    assert "original" not in seen[0]


def test_filters_narrow_and_states_are_told_apart(served: Any) -> None:
    """By owner, category, severity and state; what settled one stands beside it."""
    site, api = served
    ids = [
        site.exception(1, owner="buyer"),
        site.exception(2, owner="transport", severity="HIGH"),
        site.exception(3, category="OVER_RECEIPT"),
        site.exception(4, "RESOLVED"),
        site.exception(5, "DISMISSED"),
    ]
    wanted = {
        "owner=transport": [ids[1]],
        "severity=HIGH": [ids[1]],
        "category=OVER_RECEIPT": [ids[2]],
        "owner=buyer&category=SHORT_RECEIPT": [ids[0]],
        "state=RESOLVED": [ids[3]],
        "state=DISMISSED": [ids[4]],
        "state=REPLAYED": [],
        "owner=nobody": [],
    }
    with api.client(site.reader) as client:
        found = {
            query: [one["exception_id"] for one in client.get(f"/v1/exceptions?{query}").json()["exceptions"]]
            for query in wanted
        }
        one = client.get(f"/v1/exceptions/{ids[3]}").raise_for_status().json()

    assert wanted == found
    assert ("RESOLVED", "done", "AAEC") == (one["state"], one["resolved"]["note"], one["original"])


def test_a_partner_sees_its_own_and_a_channel_its_own(served: Any) -> None:
    """Another's is not found, not even by its id."""
    site, api = served
    mine, others = site.exception(1, partner="acme"), site.exception(2, partner="rival")
    channels = site.exception(3, partner=site.shop)
    acme = site.key("acme", partner="acme")
    with api.client(acme) as client:
        answer = until(lambda: client.get("/v1/exceptions"), lambda got: got.status_code == 200)
        listed = answer.json()["exceptions"]
        codes = [client.get(f"/v1/exceptions/{one}").status_code for one in (mine, others, "nothing")]
    with api.client(site.shop_key) as client:
        shops = client.get("/v1/exceptions").raise_for_status().json()["exceptions"]

    assert [mine] == [one["exception_id"] for one in listed]
    assert [200, 404, 404] == codes
    assert [channels] == [one["exception_id"] for one in shops]


def test_a_cursor_that_is_not_ours_is_refused(served: Any) -> None:
    """With what it should be."""
    site, api = served
    with api.client(site.reader) as client:
        for cursor in ("x", "W10", "WyJhIiwiYiJd", "bnVsbA"):
            refused = client.get("/v1/exceptions", params={"cursor": cursor})
            assert (422, "query.cursor") == (refused.status_code, refused.json()["errors"][0]["field"])

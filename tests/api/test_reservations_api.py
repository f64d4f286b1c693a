"""Reservations over HTTP: what is asked, what is answered, and that it is the same however often it is asked."""

import uuid
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from connectors import view_keys as keys
from connectors.api.reservation_view import Withheld, allowed
from tables.channels import parse
from tests.api.api_site import CHANNELS, Api, Site, offer, until
from tests.api.deciding import Decider, not_that, refused, silent

WITHHOLDING = parse(
    {
        "channels": {
            "shop": {"sourcing": ["DC01", "DC02", "DC03"], "fallback": {"late": {"haircut": 50}, "stale": "withhold"}}
        }
    }
).channels[0]


# ---- what the channel's rule keeps back -------------------------------------------------------------------------


def place(statuses: dict[str, str], location: str | None, quantity: int) -> str | None:
    offered: Any = offer("shop", "S", {"DC01": 10, "DC02": 6, "DC03": 8}, buffer=0, quantity=24)
    fresh: Any = statuses
    return allowed(offered, WITHHOLDING, fresh, location, quantity)


def test_with_fresh_feeds_the_single_writer_chooses():
    """Nothing is kept back, so nothing is prescribed, even beyond what was offered last."""
    assert place({"DC01": "FRESH"}, None, 24) is None
    assert place({}, None, 1_000) is None
    assert place({}, "DC02", 7) == "DC02"


def test_stock_of_a_withheld_location_is_never_chosen():
    """The first other location that has the whole quantity is named; the sum of several is not enough."""
    assert place({"DC01": "STALE"}, None, 5) == "DC02"
    assert place({"DC01": "STALE"}, None, 8) == "DC03"
    with pytest.raises(Withheld) as kept:
        place({"DC01": "STALE"}, None, 9)
    assert kept.value.available == 8


def test_a_location_named_gives_what_its_rule_leaves():
    """Half of a late one, nothing of a stale one, all of a fresh one."""
    assert place({"DC01": "LATE"}, "DC01", 5) == "DC01"
    for statuses, quantity, available in (({"DC01": "LATE"}, 6, 5), ({"DC01": "STALE"}, 1, 0)):
        with pytest.raises(Withheld) as kept:
            place(statuses, "DC01", quantity)
        assert kept.value.available == available
    assert place({"DC01": "STALE"}, "DC02", 6) == "DC02"


def test_a_haircut_leaves_the_choice_up_to_what_is_left():
    """19 of 24 while the first location's ten count half."""
    assert place({"DC01": "LATE"}, None, 19) is None
    with pytest.raises(Withheld) as kept:
        place({"DC01": "LATE"}, None, 20)
    assert kept.value.available == 19


on_stack = pytest.mark.stack


# ---- over HTTP --------------------------------------------------------------------------------------------------


@pytest.fixture
def sku() -> str:
    return f"R-{uuid.uuid4().hex[:10]}"


@pytest.fixture
def decider(site: Site, sku: str) -> Iterator[Decider]:
    with Decider(site.stack.bootstrap, site.codec, sku) as running:
        yield running


@pytest.fixture
def shop(site: Site, api: Api) -> Iterator[Any]:
    with api.client(site.shop_key) as client:
        yield client


@pytest.fixture
def market(site: Site, api: Api) -> Iterator[Any]:
    with api.client(site.market_key) as client:
        yield client


def reserve(client: Any, number: str, key: str | None = None, **changes: Any) -> Any:
    body = {"sku": number, "quantity": 3, "ttl_seconds": 900, **changes}
    return client.post("/v1/reservations", json=body, headers={"Idempotency-Key": key or uuid.uuid4().hex})


@on_stack
def test_stock_that_is_held_is_answered_with_where_and_until_when(shop, decider, sku):
    """201 with the decision, Location of the reservation, and the same read from there."""
    answer = reserve(shop, sku)
    found = answer.json()

    assert answer.status_code == 201, answer.text
    assert (found["state"], found["parts"]) == ("HELD", [{"location": "DC01", "quantity": 3}])
    assert found["expires_at"] > found["decided_at"]
    assert found["available"] == 7
    assert found["reservation_id"].startswith(f"{sku}.")
    assert shop.get(answer.headers["location"]).json() == found


@on_stack
@pytest.mark.parametrize("reason", ["INSUFFICIENT", "NOT_SOLD", "LOCATION_NOT_SOURCED"])
def test_a_refusal_says_why_and_what_could_be_had(shop, decider, sku, reason):
    """409 with reason and available; asking again gives the same without asking the writer."""
    decider.decide = refused(reason, available=2)
    first = reserve(shop, sku, key="k-" + sku)
    decider.decide = silent
    second = reserve(shop, sku, key="k-" + sku)

    assert first.status_code == 409
    assert (first.json()["reason"], first.json()["available"]) == (reason, 2)
    assert (second.status_code, second.json()) == (409, first.json())
    assert len(decider.seen) == 1


@on_stack
def test_an_item_nobody_knows_is_refused_as_invalid(shop, decider, sku):
    """422: asking again cannot help."""
    decider.decide = refused("INVALID", available=0)

    assert reserve(shop, sku).status_code == 422


@on_stack
def test_without_a_decision_in_time_it_is_pending_and_then_decided(site, decider, sku):
    """202 with Location; there it is PENDING, and once decided both there and under the same key the decision."""
    decider.decide = silent
    with Api(site.settings(reply_wait_ms=200)) as api, api.client(site.shop_key) as client:
        first = reserve(client, sku, key="k-" + sku)
        waiting = client.get(first.headers["location"])
        decider.tell(decider.seen[0], {"state": "HELD", "parts": [{"location": "DC01", "quantity": 3}]})
        decided = until(lambda: client.get(first.headers["location"]).json(), lambda found: found["state"] != "PENDING")
        second = reserve(client, sku, key="k-" + sku)

    assert first.status_code == 202
    assert (waiting.status_code, waiting.json()["state"]) == (200, "PENDING")
    assert decided["state"] == "HELD"
    assert (second.status_code, second.json()) == (201, decided)


@on_stack
def test_the_same_key_and_body_get_the_same_answer(shop, decider, sku):
    """However often, and the request is written once."""
    answers = [reserve(shop, sku, key="k-" + sku) for _ in range(3)]

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert len(decider.seen) == 1


@on_stack
def test_another_process_gives_the_same_answer(site, shop, decider, sku):
    """From Redis, or, where Redis forgot it, from what it heard itself and from the view."""
    first = reserve(shop, sku, key="k-" + sku)
    with Api(site.settings()) as other, other.client(site.shop_key) as client:
        second = reserve(client, sku, key="k-" + sku)
        for key in site.redis.scan_iter(f"{site.app}:idempotency:*"):
            site.redis.delete(key)
        reply = {**first.json(), "request_id": "", "action": "RESERVE", "accepted": True, "correlation_id": ""}
        site.redis.hset(
            keys.reservation(site.app, reply["reservation_id"]), mapping={keys.VALUE: orjson.dumps(reply), "r": 1}
        )
        third = reserve(client, sku, key="k-" + sku)

    assert second.content == first.content
    assert third.content == first.content
    assert len(decider.seen) == 1


@on_stack
def test_the_same_key_with_another_body_is_refused(shop, decider, sku):
    """A key names one request."""
    reserve(shop, sku, key="k-" + sku)
    answer = reserve(shop, sku, key="k-" + sku, quantity=4)

    assert (answer.status_code, answer.json()["title"]) == (422, "Idempotency key reused")
    assert len(decider.seen) == 1


@on_stack
def test_a_hold_becomes_an_orders_once(shop, decider, sku):
    """200 CONFIRMED, the same again; another order cannot have it, and it cannot be cancelled any more."""
    place = reserve(shop, sku).headers["location"]
    answers = [shop.post(f"{place}:confirm", json={"order_number": "S1", "line": "10"}) for _ in range(2)]
    other = shop.post(f"{place}:confirm", json={"order_number": "S2"})
    cancelled = shop.delete(place)

    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].content == answers[1].content
    assert (answers[0].json()["state"], answers[0].json()["order_number"]) == ("CONFIRMED", "S1")
    assert [(answer.status_code, answer.json()["reason"]) for answer in (other, cancelled)] == [(409, "NOT_OPEN")] * 2
    assert [request["action"] for request in decider.seen] == ["RESERVE", "CONFIRM"]
    assert (decider.seen[1]["order_number"], decider.seen[1]["line"]) == ("S1", "10")


@on_stack
@pytest.mark.parametrize("way", ["cancel", "delete"])
def test_a_hold_is_let_go(shop, decider, sku, way):
    """By POST or DELETE, as often as one likes; then nothing can be confirmed."""
    place = reserve(shop, sku).headers["location"]
    answers = [shop.delete(place) if way == "delete" else shop.post(f"{place}:cancel") for _ in range(2)]
    late = shop.post(f"{place}:confirm", json={"order_number": "S1"})

    assert [(answer.status_code, answer.json()["state"]) for answer in answers] == [(200, "CANCELLED")] * 2
    assert (late.status_code, late.json()["reason"]) == (409, "NOT_OPEN")


@on_stack
def test_a_confirmation_that_comes_too_late_is_refused(shop, decider, sku):
    """The single writer's word; the hold is then gone."""
    decider.decide = not_that(refused("EXPIRED", "EXPIRED"), "CONFIRM")
    place = reserve(shop, sku).headers["location"]
    answer = shop.post(f"{place}:confirm", json={"order_number": "S1"})

    assert (answer.status_code, answer.json()["reason"]) == (409, "EXPIRED")


@on_stack
def test_a_channel_reserves_and_sees_only_its_own(site, api, shop, market, decider, sku):
    """Another's reservation is not found, by whatever it is asked for; whoever is bound to none names one."""
    place = reserve(shop, sku).headers["location"]

    assert reserve(shop, sku, channel=site.market).status_code == 403
    assert market.get(place).status_code == 404
    assert market.delete(place).status_code == 404
    assert market.post(f"{place}:confirm", json={"order_number": "S1"}).status_code == 404
    with api.client(site.reader) as anyone:
        assert anyone.get(place).json()["state"] == "HELD"
        assert reserve(anyone, sku).json()["errors"][0]["field"] == "body.channel"
        assert reserve(anyone, sku, channel="nobody").json()["errors"][0]["field"] == "body.channel"
        assert reserve(anyone, sku, channel=site.shop).status_code == 201
        assert anyone.delete(place).json()["state"] == "CANCELLED"
    assert {request["channel"] for request in decider.seen} == {site.shop}


@on_stack
@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"quantity": 0}, "body.quantity"),
        ({"quantity": 1.5}, "body.quantity"),
        ({"quantity": "3"}, "body.quantity"),
        ({"ttl_seconds": 0}, "body.ttl_seconds"),
        ({"ttl_seconds": 30 * 86_400 + 1}, "body.ttl_seconds"),
        ({"sku": ""}, "body.sku"),
        ({"sku": "a|b"}, "body.sku"),
        ({"location": "*"}, "body.location"),
        ({"quantityy": 3}, "body.quantityy"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_field(shop, sku, changes, field):
    """422, and nothing is written."""
    answer = reserve(shop, sku, **changes)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field


@on_stack
@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": ""}, {"Idempotency-Key": "k" * 201}])
def test_a_reservation_needs_a_key_of_its_own(shop, sku, headers):
    """Without it a repeat could not be told from a second wish."""
    body = {"sku": sku, "quantity": 1, "ttl_seconds": 60}

    assert shop.post("/v1/reservations", json=body, headers=headers).status_code == 422


@on_stack
@pytest.mark.parametrize("name", ["nothing", "S.", ".x", f"S-0.{'0' * 32}", "S-0.a%2Fb"])
def test_a_reservation_nobody_knows_is_not_found(api, site, name):
    """404 for reading; for changing too, where not even the channel is known."""
    with api.client(site.reader) as client:
        assert client.get(f"/v1/reservations/{name}").status_code == 404
        assert client.delete(f"/v1/reservations/{name}").status_code == 404


@on_stack
def test_what_the_rule_withholds_is_not_even_asked_for(site, tmp_path, sku, stack):
    """409 with what is left; the same key gets the same answer, a smaller wish goes through."""
    own = Site(stack, tmp_path, site.redis_url)
    own.live()
    own.feed("DC01", "STALE")
    for channel in (own.shop, own.market):
        own.offer(channel, sku, {"DC01": 12}, quantity=10)
    with Decider(stack.bootstrap, own.codec, sku) as decider, Api(own.settings()) as api:
        with api.client(own.market_key) as market, api.client(own.shop_key) as shop:
            withheld = [reserve(market, sku, key="m", quantity=1) for _ in range(2)]
            half = [reserve(shop, sku, quantity=quantity) for quantity in (5, 4)]
        asked = [request["quantity"] for request in decider.seen]

    assert CHANNELS["market"]["fallback"]["stale"] == "withhold"
    assert [(one.status_code, one.json()["reason"], one.json()["available"]) for one in withheld] == [
        (409, "FEED_NOT_FRESH", 0)
    ] * 2
    assert (half[0].status_code, half[0].json()["available"]) == (409, 4)
    assert half[1].status_code == 201
    assert asked == [4]


@on_stack
def test_without_the_view_nothing_is_promised_that_a_rule_might_withhold(site, sku):
    """503 with Retry-After, for asking and for reading: not knowing is not a no."""
    settings = site.settings(redis="redis://127.0.0.1:1/0", redis_timeout_ms=100)
    with Api(settings) as api, api.client(site.shop_key) as client:
        answers = [reserve(client, sku), client.get(f"/v1/reservations/{sku}.{'0' * 32}")]

    assert [answer.status_code for answer in answers] == [503, 503]
    assert all(answer.headers["retry-after"] for answer in answers)


@on_stack
def test_without_the_broker_nothing_is_said_to_be_asked(site, sku):
    """503, and the key may be used again."""
    with Api(site.settings(bootstrap="127.0.0.1:1", acknowledge_ms=1_000)) as api, api.client(site.shop_key) as client:
        answers = [reserve(client, sku, key="k-" + sku) for _ in range(2)]

    assert [(answer.status_code, answer.json()["title"]) for answer in answers] == [(503, "Not acknowledged")] * 2

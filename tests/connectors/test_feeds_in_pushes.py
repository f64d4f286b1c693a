"""Late and stale feeds in what is pushed, on a real broker: the shop and receivers go by the channel's rule, always."""

import random
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.connectors.commerce_site import CommerceSite, Shop, until

pytestmark = pytest.mark.stack
STALE = {"late": {"haircut": 20}, "stale": "withhold"}


@pytest.fixture
def site(stack, tmp_path) -> Iterator[CommerceSite]:
    """A channel of two locations that nobody else's feeds meet."""
    name = random.Random().randbytes(4).hex()
    places = [f"L{name}-1", f"L{name}-2"]
    running = CommerceSite(stack, tmp_path, sourcing=places, fallback=STALE, low_at=3)
    yield running
    running.close()


@pytest.fixture
def shop(tmp_path) -> Iterator[Shop]:
    running = Shop(tmp_path)
    yield running
    running.process.stop()


def effective(site: CommerceSite, statuses: Mapping[str, str]) -> dict[str, int]:
    """What must be gone by, worked out by hand."""
    by = {"FRESH": lambda n: n, "LATE": lambda n: n * 80 // 100, "STALE": lambda _: 0}
    return {sku: by[statuses.get(site.at[sku], "FRESH")](count) for sku, count in site.quantities().items()}


def fill(site: CommerceSite, count: int = 40, seed: int = 1) -> None:
    chance = random.Random(seed)
    for number in range(count):
        site.tell(f"SKU-{number:03d}", 10 + chance.randrange(90), location=site.places[number % 2])
    site.flush()


def in_shop(site: CommerceSite, shop: Shop, **statuses: str) -> bool:
    return shop.state()["inventory"] == effective(site, named(site, statuses))


def named(site: CommerceSite, statuses: Mapping[str, str]) -> dict[str, str]:
    return {site.places[int(name[1:]) - 1]: status for name, status in statuses.items()}


def heard(site: CommerceSite, shop: Shop, **statuses: str) -> bool:
    """Whether the receiver has the channel's own figures and goes by the effective ones."""
    found: dict[str, Any] = shop.state()["heard"].get(site.name, {})
    own = {sku: (each["revision"], each["quantity"]) for sku, each in found.items()}
    by = {sku: each["effective"] for sku, each in found.items()}
    return own == site.has and by == effective(site, named(site, statuses))


def test_the_shop_goes_by_the_rule_while_a_feed_is_stale_through_kills(site, shop):
    """STALE: nothing of that location and everything of the other; killed amid that; FRESH: all of it again."""
    one = site.places[0]
    process = site.start("shop", shop_url=shop.url, shop_batch=3, shop_verify_ms=1_000)
    fill(site)
    until("the channel's quantities", lambda: in_shop(site, shop))
    before = shop.count("set")
    site.feed(one, "STALE")
    until("some of it", lambda: shop.count("set") > before)
    process.kill()
    process.start()
    until("nothing of the stale location", lambda: in_shop(site, shop, p1="STALE"))
    site.tell("SKU-000", 55, location=one)
    site.tell("SKU-001", 56, location=site.places[1])
    site.flush()
    until("changes meanwhile by the rule as well", lambda: in_shop(site, shop, p1="STALE"))
    site.feed(one, "LATE")
    until("four fifths of the late location", lambda: in_shop(site, shop, p1="LATE"))
    process.kill()
    site.feed(one, "FRESH")
    process.start()
    until("everything", lambda: in_shop(site, shop))

    assert [] == site.exceptions("SHOP_DIVERGENCE")


def test_only_the_skus_of_a_stale_location_are_set_anew(site, shop):
    """The others cost the shop nothing, and a status by which the rule gives the same costs nothing at all."""
    site.start("shop", shop_url=shop.url, shop_verify_ms=200)
    fill(site)
    until("the channel's quantities, verified", lambda: in_shop(site, shop) and shop.count("set") >= 80)
    before = shop.count("set")
    site.feed(site.places[0], "FRESH")
    site.feed(site.places[0], "STALE")
    until("nothing of the stale location", lambda: in_shop(site, shop, p1="STALE"))
    time.sleep(0.5)

    assert 20 == shop.count("set") - before


def test_whenever_it_is_killed_the_shop_ends_with_the_effective_quantities(site, shop):
    """Feeds flap, offers change, the shop misbehaves, the process is killed at random; the end is by the last word."""
    chance = random.Random(8)
    statuses = ("FRESH", "LATE", "STALE")
    process = site.start("shop", shop_url=shop.url, shop_batch=4, shop_verify_ms=500)
    last = {}
    for round_ in range(6):
        shop.faults(seed=round_, latency_ms=20, error_rate=0.1, error_after_rate=0.1, throttle_rate=0.05)
        fill(site, seed=round_)
        for number, place in enumerate(site.places, 1):
            last[f"p{number}"] = chance.choice(statuses)
            site.feed(place, last[f"p{number}"])
        time.sleep(chance.uniform(0.0, 1.0))
        process.kill()
        process.start()
    shop.faults()

    until(f"quantities by {last}", lambda: in_shop(site, shop, **last), 90)


def test_a_receiver_is_told_what_to_go_by_through_kills(site, shop):
    """Deliveries of type availability.effective for that location's SKUs only; own figures and revisions stay."""
    one = site.places[0]
    site.subscribe({"shop": {"url": f"{shop.url}/webhooks", "batch_size": 5}})
    process = site.start("webhooks")
    fill(site)
    until("the channel's figures", lambda: heard(site, shop))
    process.kill()
    site.feed(one, "STALE")
    process.start()
    until("nothing of the stale location", lambda: heard(site, shop, p1="STALE"))
    again = {sku for sku, each in shop.state()["heard"][site.name].items() if each["effective_at"] >= site.judged}
    site.tell("SKU-000", 77, location=one)
    site.flush()
    until("a change meanwhile, by the rule", lambda: heard(site, shop, p1="STALE"))
    site.feed(one, "LATE")
    process.kill()
    process.start()
    until("four fifths of the late location", lambda: heard(site, shop, p1="LATE"))
    site.feed(one, "FRESH")
    until("everything", lambda: heard(site, shop))

    assert again == {sku for sku, place in site.at.items() if place == one}
    assert shop.count("availability.effective")


def test_whenever_webhooks_are_killed_a_receiver_goes_by_the_last_word(site, shop):
    """Feeds flap, offers change, the receiver misbehaves, the process is killed at random."""
    chance = random.Random(9)
    site.subscribe({"shop": {"url": f"{shop.url}/webhooks", "batch_size": 4}})
    process = site.start("webhooks")
    last = {}
    for round_ in range(6):
        shop.faults(seed=round_, latency_ms=20, error_rate=0.1, error_after_rate=0.1)
        fill(site, seed=round_)
        for number, place in enumerate(site.places, 1):
            last[f"p{number}"] = chance.choice(("FRESH", "LATE", "STALE"))
            site.feed(place, last[f"p{number}"])
        time.sleep(chance.uniform(0.0, 1.0))
        process.kill()
        process.start()
    shop.faults()

    until(f"figures by {last}", lambda: heard(site, shop, **last), 90)

"""The shop adapter on a real broker and real HTTP: after any fault and kill the shop has the channel's quantities."""

import random
import time
from collections.abc import Iterator

import httpx2
import pytest

from tests.connectors.commerce_site import CommerceSite, Shop, until

pytestmark = pytest.mark.stack
ALL_FAULTS = {
    "latency_ms": 60,
    "error_rate": 0.1,
    "error_after_rate": 0.1,
    "lost_answer_rate": 0.05,
    "lost_answer_ms": 1600,
    "throttle_rate": 0.05,
    "retry_after_s": 1,
    "sale_rate": 0.2,
}


@pytest.fixture
def site(stack, tmp_path) -> Iterator[CommerceSite]:
    running = CommerceSite(stack, tmp_path)
    yield running
    running.close()


@pytest.fixture
def shop(tmp_path) -> Iterator[Shop]:
    running = Shop(tmp_path)
    yield running
    running.process.stop()


def equal(site: CommerceSite, shop: Shop) -> bool:
    return shop.state()["inventory"] == site.quantities()


def tell_many(site: CommerceSite, count: int, seed: int, skus: int = 60) -> None:
    chance = random.Random(seed)
    for _ in range(count):
        site.tell(f"SKU-{chance.randrange(skus):03d}", chance.randrange(8))
    site.flush()


def test_the_shop_has_what_the_channel_offers(site, shop):
    """A first state and the changes after it; no divergence where nobody else changes anything."""
    tell_many(site, 200, seed=1)
    site.start("shop", shop_url=shop.url)
    until("the first state", lambda: equal(site, shop))
    tell_many(site, 200, seed=2)

    until("the changes after it", lambda: equal(site, shop))
    assert [] == site.exceptions("SHOP_DIVERGENCE")


def test_with_all_faults_and_kills_the_shop_ends_with_the_channel_s_quantities(site, shop):
    """Latency, errors before and after the commit, lost answers, throttling, own sales, an outage, random SIGKILLs."""
    shop.faults(seed=5, **ALL_FAULTS)
    chance = random.Random(5)
    process = site.start("shop", shop_url=shop.url, shop_batch=5, shop_verify_ms=1_500)
    for round_ in range(6):
        before = shop.count("set")
        shop.faults(seed=round_, **ALL_FAULTS)
        tell_many(site, 150, seed=20 + round_)
        until("some work", lambda before=before: shop.count("set") > before)
        time.sleep(chance.uniform(0.0, 1.5))
        shop.faults(seed=round_, **ALL_FAULTS, outage=round_ == 3)
        process.kill()
        process.start()
    until("every fault", lambda: tell_many(site, 5, seed=30) or has_seen(shop, "own sales", "answered again"))
    shop.faults()

    until("the channel's quantities in the shop", lambda: equal(site, shop), 90)
    until("and still so once all has been set again", lambda: equal(site, shop) and committed(process), 60)


def has_seen(shop: Shop, *names: str) -> bool:
    return all(shop.count(name) for name in names)


def committed(process) -> bool:
    """Whether nothing is pending or held any more, by its own metrics."""
    try:
        lines = httpx2.get(f"{process.url}/metrics", timeout=10).text.splitlines()
    except httpx2.HTTPError:  # it is starting
        return False
    values = {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}
    return values["stockstream_shop_pending"] == 0 and values["stockstream_shop_unverified"] == 0


def test_two_instances_share_the_shop_and_one_takes_over_from_the_other(site, shop):
    """Each sets its own partitions; when one is killed the other does its work too, and nothing goes back."""
    first = site.start("shop", shop_url=shop.url, shop_verify_ms=1_000)
    site.start("shop", shop_url=shop.url, shop_verify_ms=1_000)
    tell_many(site, 200, seed=40)
    until("all set by both", lambda: equal(site, shop))
    tell_many(site, 200, seed=41)
    first.kill()
    tell_many(site, 200, seed=42)

    until("all set by the one left", lambda: equal(site, shop), 90)


def test_a_shop_s_own_sale_is_told_and_overruled(site, shop):
    """ours_wins: what else changed the shop is an exception, set again, and resolved by that."""
    site.tell("SKU-A", 10)
    site.flush()
    site.start("shop", shop_url=shop.url)
    until("the first quantity", lambda: equal(site, shop))
    shop.faults(seed=1, sale_rate=1.0)
    site.tell("SKU-A", 20)
    site.flush()
    until("the sale", lambda: shop.count("own sales"))
    shop.faults()
    until("our quantity", lambda: equal(site, shop))

    found = site.exceptions("SHOP_DIVERGENCE")
    assert "SKU-A: the shop has 9, it was given 10; it is set again" == found[0]["message"]
    assert 1 == len({each["exception_id"] for each in found})
    until("its resolution", lambda: found[0]["exception_id"] in resolved(site))


def resolved(site: CommerceSite) -> set[str]:
    return {each["exception_id"] for each in site.records("exceptions.resolutions")}


def test_by_the_rule_report_a_sale_in_flight_stays_until_the_next_change(site, shop):
    """report: the shop's own value stands and somebody hears of it; the channel's next change is set on top of it."""
    site.tell("SKU-A", 10)
    site.flush()
    site.start("shop", shop_url=shop.url, shop_rule="report")
    until("the first quantity", lambda: equal(site, shop))
    shop.faults(seed=1, sale_rate=1.0)
    site.tell("SKU-A", 20)
    site.flush()
    until("the exception", lambda: site.exceptions("SHOP_DIVERGENCE"))
    shop.faults()

    assert {"SKU-A": 9} == shop.state()["inventory"]
    site.tell("SKU-A", 19)
    site.flush()
    until("the next change", lambda: equal(site, shop))


def test_all_that_was_open_about_an_item_is_resolved_once_both_agree(site, shop):
    """A divergence left by the rule, then a refusal: neither stays open for ever."""
    site.tell("SKU-A", 10)
    site.flush()
    site.start("shop", shop_url=shop.url, shop_rule="report")
    until("the first quantity", lambda: equal(site, shop))
    shop.faults(seed=1, sale_rate=1.0)
    site.tell("SKU-A", 20)
    site.flush()
    until("the divergence", lambda: site.exceptions("SHOP_DIVERGENCE"))
    shop.faults(unlisted="SKU-A")
    site.tell("SKU-A", 21)
    site.flush()
    until("the refusal", lambda: site.exceptions("SHOP_REFUSED"))
    shop.faults()
    site.tell("SKU-A", 22)
    site.flush()
    until("the next change", lambda: equal(site, shop))

    raised = site.exceptions("SHOP_DIVERGENCE") + site.exceptions("SHOP_REFUSED")
    until("both resolutions", lambda: {each["exception_id"] for each in raised} <= resolved(site))


def test_an_item_the_shop_does_not_list_is_somebody_s_to_mend_and_holds_up_nobody(site, shop):
    """The whole request is refused for its sake: the others are set, the one has an exception, resolved when it works."""
    shop.faults(unlisted="SKU-B")
    for sku in ("SKU-A", "SKU-B", "SKU-C"):
        site.tell(sku, 5)
    site.flush()
    site.start("shop", shop_url=shop.url)
    until("the others", lambda: shop.state()["inventory"] == {"SKU-A": 5, "SKU-C": 5})
    until("the exception", lambda: site.exceptions("SHOP_REFUSED"))

    [raised] = site.exceptions("SHOP_REFUSED")
    assert "SKU-B is not listed here" in raised["message"]
    shop.faults()
    site.tell("SKU-B", 6)
    site.flush()
    until("all of them", lambda: equal(site, shop))
    until("its resolution", lambda: raised["exception_id"] in resolved(site))

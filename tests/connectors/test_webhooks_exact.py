"""Webhooks on a real broker and real HTTP: nothing lost, in order, one subscriber never held up by another."""

import random
import time
from collections.abc import Iterator

import orjson
import pytest

from tests.connectors.commerce_site import CommerceSite, Shop, until

pytestmark = pytest.mark.stack


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


def has_all(site: CommerceSite, shop: Shop) -> bool:
    """Whether the receiver's state is the channel's, revision and quantity of every SKU."""
    heard = shop.state()["heard"].get(site.name, {})
    return {sku: (each["revision"], each["quantity"]) for sku, each in heard.items()} == site.has


def tell_many(site: CommerceSite, count: int, seed: int, skus: int = 40) -> None:
    chance = random.Random(seed)
    for _ in range(count):
        site.tell(f"SKU-{chance.randrange(skus):03d}", chance.randrange(100))
    site.flush()


def test_every_change_of_the_channel_reaches_the_receiver(site, shop):
    """Snapshot and changes: the receiver ends with each SKU's newest revision and quantity, without a gap."""
    tell_many(site, 300, seed=1)
    site.subscribe({"shop": {"url": f"{shop.url}/webhooks"}})
    site.start("webhooks")
    until("the first state", lambda: has_all(site, shop))
    tell_many(site, 300, seed=2)

    until("the changes after it", lambda: has_all(site, shop))
    assert 0 == shop.count("gaps")
    assert 0 == shop.count("bad signatures")


def test_a_killed_process_loses_nothing(site, shop):
    """SIGKILL again and again in the middle of deliveries that fail, are slow or lose their answer."""
    shop.faults(seed=3, latency_ms=50, error_rate=0.2, error_after_rate=0.2, lost_answer_rate=0.05, lost_answer_ms=1600)
    site.subscribe({"shop": {"url": f"{shop.url}/webhooks", "batch_size": 5, "batch_ms": 10}})
    process = site.start("webhooks")
    for round_ in range(5):
        tell_many(site, 200, seed=10 + round_)
        time.sleep(random.Random(round_).uniform(0.2, 1.0))
        process.kill()
        process.start()

    shop.faults()
    until("the channel's state at the receiver", lambda: has_all(site, shop), 90)
    assert 0 == shop.count("gaps")


def test_two_instances_share_a_subscription_and_one_takes_over_from_the_other(site, shop):
    """Partitions are shared; after one instance is killed the other delivers the rest."""
    site.subscribe({"shop": {"url": f"{shop.url}/webhooks"}})
    first = site.start("webhooks")
    site.start("webhooks")
    tell_many(site, 200, seed=30)
    until("all delivered by both", lambda: has_all(site, shop))
    tell_many(site, 200, seed=31)
    first.kill()
    tell_many(site, 200, seed=32)

    until("all delivered by the one left", lambda: has_all(site, shop), 90)


def test_a_dead_subscriber_does_not_hold_up_another(site, shop, tmp_path):
    """One receiver is away: the other hears at once; when the first is back it has everything too."""
    away = Shop(tmp_path, "away")
    away.faults(outage=True)
    site.subscribe({"here": {"url": f"{shop.url}/webhooks"}, "away": {"url": f"{away.url}/webhooks"}})
    site.start("webhooks")
    for seed in range(50, 53):
        tell_many(site, 100, seed=seed)
        until("the receiver that is there", lambda: has_all(site, shop))
    until("a failed attempt on the other", lambda: (site.standing("away") or {}).get("attempts", 0) > 1)

    assert {} == away.state()["heard"]
    away.faults()
    until("the receiver that was away", lambda: has_all(site, away))
    until("its standing", lambda: site.standing("away")["attempts"] == 0)
    away.process.stop()


def test_changes_of_a_sku_coalesce_while_a_receiver_is_away(site, shop):
    """A thousand changes of three SKUs wait as one each: the newest state, continuing where the receiver was."""
    site.subscribe({"shop": {"url": f"{shop.url}/webhooks", "batch_ms": 1}})
    site.start("webhooks")
    for sku in ("A", "B", "C"):
        site.tell(sku, 1)
    site.flush()
    until("the first state", lambda: has_all(site, shop))
    shop.faults(outage=True)
    for number in range(1_000):
        site.tell("ABC"[number % 3], number)
    site.flush()
    until("a failed attempt", lambda: (site.standing("shop") or {}).get("attempts", 0) > 1)
    before = shop.count("applied")
    shop.faults()

    until("the newest state", lambda: has_all(site, shop))
    assert shop.count("applied") - before <= 3 * 3  # what was under way, and what waited
    assert 0 == shop.count("gaps")


def test_a_gap_is_told_again_from_nothing(site, shop):
    """A receiver that misses revisions (compacted away) asks for the SKU and gets its whole state."""
    site.subscribe({"shop": {"url": f"{shop.url}/webhooks"}})
    site.start("webhooks")
    site.tell("SKU-A", 5)
    site.flush()
    until("the first state", lambda: has_all(site, shop))
    site.tell("SKU-A", 7, skip=3)
    site.flush()

    until("the state after the gap", lambda: has_all(site, shop))
    assert 1 == shop.count("gaps")


def test_410_disables_until_somebody_enables_it(site, shop):
    """The receiver wants no more: nothing is sent, the owner hears; a changed declaration brings all it missed."""
    site.subscribe({"shop": {"url": f"{shop.url}/webhooks"}})
    process = site.start("webhooks")
    tell_many(site, 20, seed=60)
    until("the first state", lambda: has_all(site, shop))
    shop.faults(gone=True)
    tell_many(site, 20, seed=61)
    until("it is disabled", lambda: (site.standing("shop") or {}).get("state") == "DISABLED")
    shop.faults()
    process.kill()
    process.start()
    tell_many(site, 20, seed=62)
    time.sleep(1)

    assert not has_all(site, shop)
    assert "410" in site.standing("shop")["reason"]
    [raised] = site.exceptions("WEBHOOK_UNDELIVERABLE")
    assert "channels" == raised["owner"]
    site.subscribe({"shop": {"url": f"{shop.url}/webhooks", "batch_size": 7}})
    until("all it missed", lambda: has_all(site, shop))
    until("its exception resolved", lambda: raised["exception_id"] in resolved(site))
    assert 0 == shop.count("gaps")


def test_a_receiver_failing_for_too_long_is_disabled_and_resumes_without_loss(site, shop):
    """Dead after the set time: exception, disabled with the reason; `enable` sends what changed since."""
    site.subscribe({"shop": {"url": f"{shop.url}/webhooks"}})
    site.start("webhooks", give_up_ms=1_500)
    shop.faults(error_rate=1.0)
    tell_many(site, 20, seed=70)
    until("it is disabled", lambda: (site.standing("shop") or {}).get("state") == "DISABLED")
    tell_many(site, 20, seed=71)
    shop.faults()

    assert "500 Internal Server Error" in site.standing("shop")["reason"]
    [raised] = site.exceptions("WEBHOOK_UNDELIVERABLE")
    site.command("enable", site.id("shop"))
    until("all it missed", lambda: has_all(site, shop))
    until("its exception resolved", lambda: raised["exception_id"] in resolved(site))


def test_a_connector_that_was_stopped_does_not_give_up_for_it(site, shop):
    """Longer than the limit between two attempts, none of it spent trying: it goes on trying, and delivers."""
    shop.faults(error_rate=1.0)
    site.subscribe({"shop": {"url": f"{shop.url}/webhooks"}})
    process = site.start("webhooks", give_up_ms=5_000)
    tell_many(site, 5, seed=73)
    before = until("a failed attempt", lambda: (s := site.standing("shop")) and s["attempts"] and s)
    process.kill()
    time.sleep(6)
    process.start()
    after = until("another one", lambda: (s := site.standing("shop")) and s["attempts"] > before["attempts"] + 1 and s)
    shop.faults()

    assert "ENABLED" == after["state"]
    until("the receiver", lambda: has_all(site, shop))


def test_a_receiver_s_retry_after_is_honoured(site, shop):
    """Asked to wait, it is not tried again before."""
    shop.faults(seed=1, throttle_rate=1.0, retry_after_s=3)
    site.subscribe({"shop": {"url": f"{shop.url}/webhooks"}})
    site.start("webhooks")
    tell_many(site, 5, seed=75)
    standing = until("a failed attempt", lambda: (s := site.standing("shop")) and s["attempts"] and s)
    shop.faults()

    assert "429 Too Many Requests" == standing["reason"]
    assert standing["next_attempt_at"] - standing["changed_at"] >= 2_900
    until("the receiver after the wait", lambda: has_all(site, shop))


def test_the_owner_sees_how_subscriptions_stand_and_can_test_them(site, shop):
    """`webhooks list` and `webhooks test`, for people and machines."""
    shop.faults(error_rate=1.0)
    site.subscribe({"shop": {"url": f"{shop.url}/webhooks"}, "off": {"url": f"{shop.url}/webhooks", "enabled": False}})
    site.start("webhooks")
    tell_many(site, 5, seed=76)
    until("a failed attempt", lambda: (site.standing("shop") or {}).get("attempts", 0) > 0)
    rows = {row["subscription"]: row for row in orjson.loads(site.command("list", "--json").stdout)}

    assert ("RETRYING", 5) == (rows[site.id("shop")]["state"], rows[site.id("shop")]["records_before_it"])
    assert "500 Internal Server Error" == rows[site.id("shop")]["reason"]
    assert "NOT ENABLED" == rows[site.id("off")]["state"]
    failed = site.command("test", site.id("shop"))
    assert (1, True) == (failed.returncode, failed.stdout.startswith("500 Internal Server Error"))
    shop.faults()
    assert 0 == site.command("test", site.id("shop")).returncode
    unknown = site.command("enable", "nobody")
    assert (2, True) == (unknown.returncode, "nobody: no such subscription" in unknown.stderr)


def test_a_redirect_is_a_failure_in_words(site, shop):
    """The receiver's redirect is not followed; the standing says where it pointed."""
    shop.faults(redirect="http://169.254.169.254/latest")
    site.subscribe({"shop": {"url": f"{shop.url}/webhooks"}})
    site.start("webhooks")
    tell_many(site, 5, seed=80)
    until("a failed attempt", lambda: (site.standing("shop") or {}).get("attempts", 0) > 0)

    assert "a redirect to http://169.254.169.254/latest is not followed" in site.standing("shop")["reason"]
    shop.faults()
    until("the receiver without it", lambda: has_all(site, shop))


def test_a_private_receiver_is_refused_unless_it_is_allowed(site, shop):
    """Loopback is refused by default: nothing arrives, and the standing names the setting."""
    site.subscribe({"shop": {"url": f"{shop.url}/webhooks"}})
    site.start("webhooks", allow="10.0.0.0/8")
    tell_many(site, 5, seed=90)
    until("a failed attempt", lambda: (site.standing("shop") or {}).get("attempts", 0) > 0)

    assert "a loopback address; STOCKSTREAM_COMMERCE_ALLOW" in site.standing("shop")["reason"]
    assert {} == shop.state()["messages"]


def test_either_of_two_secrets_verifies(site, shop):
    """While secrets change both sign: a receiver that knows only one of them takes the delivery."""
    site.subscribe({"shop": {"url": f"{shop.url}/webhooks", "secrets": [{"env": "SECRET_TWO"}, {"env": "SECRET_ONE"}]}})
    site.start("webhooks")
    tell_many(site, 5, seed=95)

    until("all delivered", lambda: has_all(site, shop))
    assert 0 == shop.count("bad signatures")


def test_filters_let_through_what_a_subscription_wants(site, shop):
    """SKU patterns and the segments of the items."""
    for sku, segment in (("BOLT-1", "A"), ("BOLT-2", "B"), ("NUT-1", "A")):
        site.item(f"{site.name}-{sku}", segment)
    site.subscribe({"shop": {"url": f"{shop.url}/webhooks", "skus": [f"{site.name}-BOLT-*"], "segments": ["A"]}})
    site.start("webhooks")
    for sku in ("BOLT-2", "NUT-1", "BOLT-1"):
        site.tell(f"{site.name}-{sku}", 4)
    site.flush()

    until("what it wants", lambda: shop.state()["heard"])
    time.sleep(0.5)
    assert {f"{site.name}-BOLT-1"} == set(shop.state()["heard"][site.name])


def resolved(site: CommerceSite) -> set[str]:
    return {each["exception_id"] for each in site.records("exceptions.resolutions")}

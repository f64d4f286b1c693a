"""A connector that stands still says so at /livez and leaves; one that waits for what is away does neither."""

import asyncio
import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis_under_test import RedisUnderTest
from view_under_test import ViewUnderTest, wait_for

from connectors import heartbeat
from local.supervised import Supervised, await_all
from schemas.exit_codes import STUCK

HUNG = str(Path(__file__).with_name("hung_connector.py"))
LIMIT_MS = 3_000
ANSWERS = 10.0
EDGES = {
    "erp": ("STOCKSTREAM_ERP_HTTP_PORT", "reading for {app}-erp"),
    "redis": ("STOCKSTREAM_VIEW_HTTP_PORT", "the view"),
    "webhooks": ("STOCKSTREAM_COMMERCE_HTTP_PORT", "the look at subscriptions"),
    "shop": ("STOCKSTREAM_COMMERCE_HTTP_PORT", "reading for {app}.shop.{app}"),
}
"""Of each connector the variable of its port, and the loop that is to be found."""


def test_a_wait_for_what_is_away_beats_for_as_long_as_it_may_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond that it counts as a standstill; a loop that has ended is not missed."""
    monkeypatch.setattr(heartbeat, "BEAT_S", 0.01)

    async def wait(within_s: float) -> str | None:
        with heartbeat.going_round("a loop"):
            waiting = asyncio.ensure_future(heartbeat.through(asyncio.Event().wait(), within_s))
            await asyncio.sleep(0.5)
            waiting.cancel()
            return heartbeat.stuck(0.3)

    assert asyncio.run(wait(60)) is None
    assert str(asyncio.run(wait(0.0))).startswith("a loop has not gone round for")
    assert heartbeat.stuck(0.0) is None


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisUnderTest]:
    server = RedisUnderTest(tmp_path)
    server.start()
    wait_for(server.server.ready, 20, "Redis")
    yield server
    server.stop(kill=True)


@pytest.fixture
def site(stack, tmp_path: Path, own_redis: RedisUnderTest) -> Iterator[ViewUnderTest]:
    site = ViewUnderTest(stack, tmp_path, own_redis.url)
    yield site
    site.close()


@pytest.mark.stack
@pytest.mark.long
@pytest.mark.parametrize("edge", EDGES)
def test_a_connector_whose_loop_stands_still_says_so_and_leaves(site: ViewUnderTest, edge: str) -> None:
    """/livez answers 503 and names the loop; where nobody starts the process again for that, it leaves with 74."""
    process = started(site, edge, "endless")
    assert livez(process) == (200, "alive\n")
    os.kill(process.pid, signal.SIGRTMIN)
    loop = EDGES[edge][1].format(app=site.app)
    wait_for(lambda: livez(process)[0] == 503, LIMIT_MS / 1000 + ANSWERS, "/livez to tell")
    status, said = livez(process)
    wait_for(lambda: process.ended() is not None, 60, f"the process to leave; see {process.log}")

    assert status == 503
    assert f"{loop} has not gone round for" in said
    assert process.ended() == STUCK
    assert loop in process.log.read_text().splitlines()[-1]


@pytest.mark.stack
@pytest.mark.long
def test_a_connector_whose_event_loop_is_blocked_leaves(site: ViewUnderTest) -> None:
    """Nothing answers then; a thread sees it."""
    process = started(site, "redis", "blocked")
    os.kill(process.pid, signal.SIGRTMIN)
    wait_for(lambda: process.ended() is not None, 60, f"the process to leave; see {process.log}")

    assert process.ended() == STUCK
    assert "the event loop has not gone round" in process.log.read_text()


@pytest.mark.stack
@pytest.mark.long
def test_a_view_whose_redis_is_away_is_alive(site: ViewUnderTest, own_redis: RedisUnderTest) -> None:
    """For longer than a process may stand still before it leaves."""
    site.start("one", stuck_after_ms=LIMIT_MS)
    own_redis.stop(kill=True)
    wait_for(lambda: "redis is away" in site.state("one"), 30, "the outage to be told")
    end = time.monotonic() + LIMIT_MS / 1000 * (heartbeat.PATIENCE + 2)
    while time.monotonic() < end:
        assert livez(site.instances["one"]) == (200, "alive\n")
        time.sleep(0.2)
    own_redis.start()
    wait_for(lambda: site.state("one") == "ready", 30, "the view to be ready again")


def started(site: ViewUnderTest, edge: str, fault: str) -> Supervised:
    """A connector that can be made to hang, ready."""
    port, _ = EDGES[edge]
    subscriptions = site.directory / "subscriptions.yaml"
    subscriptions.write_text("subscriptions: {}\n")
    given = {
        "bootstrap": site.stack.bootstrap,
        "registry": site.stack.registry_url,
        "redis": site.redis_url,
        "app": site.app,
        "channels": site.channels,
        "stuck_after_ms": LIMIT_MS,
        "erp_url": "http://127.0.0.1:1/erp",
        "commerce_subscriptions": subscriptions,
        "commerce_shop_url": "http://127.0.0.1:1",
        "commerce_shop_channel": site.channel,
    }
    environment = {f"STOCKSTREAM_{key.upper()}": str(value) for key, value in given.items()}
    process = Supervised(edge, (HUNG, fault, "connect", edge), environment, site.directory, port_variable=port)
    site.instances[edge] = process
    process.start()
    await_all([process], 60)
    return process


def livez(process: Supervised) -> tuple[int, str]:
    """Status and words of /livez; status 0 where nothing answers."""
    try:
        with urllib.request.urlopen(f"{process.url}/livez", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)

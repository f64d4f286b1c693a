"""View and API in a Redis that lets each do what docs/redis-view.md says it needs, and nothing else."""

import re
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from redis_under_test import RedisUnderTest
from typer.testing import CliRunner
from view_under_test import ViewUnderTest, example, wait_for

from cli.redis_view import view_app
from connectors import view_keys as keys
from connectors.api import api_keys
from connectors.api.ingest_description import EXAMPLES
from connectors.api.settings import ApiSettings
from connectors.outbound.redis_view import store
from connectors.outbound.redis_view.settings import Settings
from schemas.clock import wall_ms
from tests.api.api_site import ALL, Api

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "redis-view.md").read_text()
RULES = dict(re.findall(r"^ACL SETUSER stockstream-(\w+) (.*)$", PAGE, re.MULTILINE))
PASSWORDS = {"view": "VIEW-PASSWORD", "api": "API-PASSWORD"}


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisUnderTest]:
    server = RedisUnderTest(tmp_path)
    server.start()
    wait_for(server.server.ready, 20, "Redis")
    yield server
    server.stop(kill=True)


@pytest.fixture
def view(stack, tmp_path: Path, own_redis: RedisUnderTest) -> Iterator[ViewUnderTest]:
    """A view whose test looks at Redis as the administrator."""
    view = ViewUnderTest(stack, tmp_path, own_redis.url)
    yield view
    view.close()


def user(view: ViewUnderTest, name: str, *more: str) -> str:
    """Make a user as the page says, for this application; its URL."""
    rules = RULES[name].replace("stockstream:", f"{view.app}:").split()
    view.redis.execute_command("ACL SETUSER", f"{view.app}-{name}", *rules, *more)
    return view.redis_url.replace("redis://", f"redis://{view.app}-{name}@")


def file(view: ViewUnderTest, name: str) -> Path:
    """The password's file."""
    path = view.directory / f"{name}-password"
    path.write_text(PASSWORDS[name])
    return path


def refused(view: ViewUnderTest) -> list[tuple[str, str]]:
    """Whom Redis has refused what; CLIENT SETINFO aside, which the library asks for and goes on without."""
    found = [(entry["username"], entry["object"].partition("|")[0]) for entry in view.redis.acl_log()]
    return [(name, command) for name, command in found if command != "client"]


@pytest.mark.stack
def test_view_and_api_do_with_the_rights_the_page_names(view: ViewUnderTest):
    """Records of every kind in, deleted, a rebuild with its sweep; every kind of request. Redis refuses nothing."""
    address, password = user(view, "view"), file(view, "view")
    held = example("ReservationReply", "held") | {"reservation_id": f"{view.app}.1"}
    raised = example("ExceptionRaised", "unknown-item") | {"exception_id": uuid.uuid4().hex, "original": b"1"}
    settled = example("ExceptionResolved", "replayed") | {"exception_id": raised["exception_id"]}
    view.start("one", redis=address, redis_password_file=password)
    view.snapshot(sku := f"USER-{view.app}", "DC01", 3)
    view.offer(sku, 3)
    view.offer("GONE", 1)
    view.flush()
    view.send(view.offers, "GONE", None)
    view.send("feeds.status", f"{view.app}|DC01", example("FeedStatus", "late"))
    view.send("reservations.replies", held["reservation_id"], held)
    view.send("exceptions", raised["exception_id"], raised)
    view.send("exceptions.resolutions", settled["exception_id"], settled, timestamp=wall_ms() + 1_000)
    view.await_all()
    command = {
        "STOCKSTREAM_REDIS": address,
        "STOCKSTREAM_REDIS_PASSWORD_FILE": str(password),
        "STOCKSTREAM_APP": view.app,
    }
    epoch = view.redis.hget(keys.view(view.app), keys.EPOCH)
    again = CliRunner().invoke(view_app, ["rebuild"], env=command)
    wait_for(lambda: view.redis.hget(keys.view(view.app), keys.EPOCH) not in (None, epoch), 30, "a new view")
    view.await_all()
    wait_for(
        lambda: CliRunner().invoke(view_app, ["status"], env=command).exit_code == 0,
        30,
        "`view status` to say it is whole",
    )
    codes = requests(view, sku, raised["exception_id"])

    assert again.exit_code == 0, again.output
    assert {name for name, code in codes.items() if code not in (200, 202)} == {"no exception"}, codes
    assert refused(view) == []


def requests(view: ViewUnderTest, sku: str, exception_id: str) -> dict[str, int]:
    """Status codes of what an API answers that has the rights the page names."""
    keys_file = view.directory / "keys.json"
    channels_key, _ = api_keys.create(keys_file, "shop", ALL, channel=view.channel)
    desks_key, _ = api_keys.create(keys_file, "desk", ALL)
    settings = ApiSettings(
        bootstrap=view.stack.bootstrap,
        registry=view.stack.registry_url,
        redis=user(view, "api"),
        redis_password_file=str(file(view, "api")),
        app=view.app,
        channels=str(view.channels),
        data_dir=str(view.directory),
        keys_file=str(keys_file),
        port=0,
        reply_wait_ms=200,
    )
    channel = f"/v1/channels/{view.channel}"
    reads = {
        "position": f"/v1/availability/{sku}",
        "offer": f"{channel}/availability/{sku}",
        "page": f"{channel}/availability",
        "snapshot": f"{channel}/snapshot",
        "feeds": "/v1/feeds",
        "exceptions": "/v1/exceptions?status=RESOLVED",
        "exception": f"/v1/exceptions/{exception_id}",
        "no exception": f"/v1/exceptions/{uuid.uuid4().hex}",
    }
    with Api(settings) as api, api.client(channels_key) as client, api.client(desks_key) as desk:
        wait_for(lambda: client.get(reads["feeds"]).status_code == 200, 30, "the API to know the view")
        codes = {name: desk.get(path).status_code for name, path in reads.items()}
        codes["query"] = client.post("/v1/availability:query", json={"skus": [sku]}).status_code
        body, name = {"sku": sku, "quantity": 1, "ttl_seconds": 60}, {"Idempotency-Key": uuid.uuid4().hex}
        asked = [client.post("/v1/reservations", json=body, headers=name) for _ in range(2)]
        codes |= {f"reservation {number}": answer.status_code for number, answer in enumerate(asked)}
        codes["pending"] = client.get(asked[0].headers["location"]).status_code
        scan = {**EXAMPLES["scans"], "event_id": str(uuid.uuid4())}
        for number in range(2):
            answer = client.post("/v1/scans", json=scan, headers={"Idempotency-Key": name["Idempotency-Key"] + "s"})
            codes[f"scan {number}"] = answer.status_code
    assert list(view.redis.scan_iter(f"{view.app}:limit:*")), "no rate was counted in Redis"
    assert list(view.redis.scan_iter(f"{view.app}:idempotency:*")), "no answer was kept in Redis"
    return codes


@pytest.mark.stack
async def test_a_redis_that_does_not_tell_its_settings_is_no_hindrance(view: ViewUnderTest):
    """Without CONFIG the view does not know the eviction policy, and goes on."""
    address = user(view, "view", "-config")
    settings = Settings(redis=address, redis_password_file=str(file(view, "view")), app=view.app)
    it = store.Store(store.connect(settings), view.app)

    assert await it.evicts() == ""
    assert await it.open()
    assert refused(view) == [(f"{view.app}-view", "config")]
    await it.close()


@pytest.mark.stack
def test_a_view_without_the_rights_it_needs_ends_and_says_what(view: ViewUnderTest):
    """Nothing that waiting mends: exit code 75, and Redis's own words in the log."""
    view.start("one", wait=False, redis=user(view, "view", "-hsetnx"), redis_password_file=file(view, "view"))
    wait_for(lambda: view.instances["one"].ended() is not None, 60, "the view to end")

    assert view.instances["one"].ended() == 75
    assert "'hsetnx'" in view.instances["one"].log.read_text()


@pytest.mark.stack
@pytest.mark.parametrize("name", RULES)
def test_a_user_can_do_nothing_beyond(view: ViewUnderTest, name: str):
    """Neither keys of another application nor what empties, reads or stops the whole server."""
    client = redis.Redis.from_url(user(view, name), password=PASSWORDS[name], decode_responses=True)
    commands = (["HGETALL", "other:view"], ["FLUSHALL"], ["KEYS", "*"], ["CONFIG", "SET", "maxmemory", "1"],
                ["ACL", "LIST"], ["EVAL", "return 1", "0"], ["SHUTDOWN"])  # fmt: skip

    for command in commands:
        with pytest.raises(redis.exceptions.NoPermissionError):
            client.execute_command(*command)
    client.close()


def test_every_command_of_the_views_scripts_is_among_its_rights():
    """Also those that only come up after thousands of exceptions, or in a sweep."""
    scripts = [store.APPLY, store.SIGN_OF_LIFE, store.BUILT, store.CLEAR, store.FORGET]
    called = {name.lower() for script in scripts for name in re.findall(r"call\('(\w+)'", script)}

    assert called
    assert called <= set(re.findall(r"\+(\w+)", RULES["view"]))

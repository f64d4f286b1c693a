"""Each rule of the API's security, by what happens to those who break it."""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from connectors.api import api_keys
from connectors.api.settings import ApiSettings, checked
from schemas.environment import SettingError
from tests.api.api_site import Api, Site, until

pytestmark = pytest.mark.stack
PATH = "/v1/feeds"


def status(api: Api, key: str | None, path: str = PATH, **more: Any) -> int:
    with api.client(key) as client:
        return client.get(path, **more).status_code


def connected(api: Api) -> socket.socket:
    """A bare connection, for what no client library would send."""
    return socket.create_connection(("127.0.0.1", api.server.port), 10)


# ---- who calls ----------------------------------------------------------------------------------------------------


def test_without_credentials_nothing_below_v1_answers(api: Api) -> None:
    """Not even whether a route exists; the challenge says what to send."""
    with api.client() as client:
        answers = [client.get(path) for path in (PATH, "/v1/nothing", "/v1/availability/S-1")]
        posted = client.post("/v1/availability:query", content=b"{not json")

    assert [401] * 4 == [answer.status_code for answer in (*answers, posted)]
    assert "Bearer" == answers[0].headers["www-authenticate"]
    assert "application/problem+json" == answers[0].headers["content-type"]


def test_a_wrong_secret_an_unknown_id_and_nonsense_get_the_same_answer(api: Api, site: Site) -> None:
    """Nobody learns which ids exist."""
    _, identifier, _ = site.reader.split("_", 2)
    wrong = [f"sk_{identifier}_wrong", "sk_000000000000_wrong", "sk_", "sk_ü_ß", "nonsense", "a.b.c"]
    with api.client() as client:
        answers = [client.get(PATH, headers={"Authorization": b"Bearer " + key.encode()}) for key in wrong]

    assert {401} == {answer.status_code for answer in answers}
    assert 1 == len({answer.content for answer in answers})


def test_a_key_is_taken_in_either_header_but_not_in_both(api: Api, site: Site) -> None:
    """Two credentials would leave open who calls."""
    both = {"X-API-Key": site.reader, "Authorization": f"Bearer {site.reader}"}
    with api.client() as client:
        assert 200 == client.get(PATH, headers={"X-API-Key": site.reader}).status_code
        assert 400 == client.get(PATH, headers=both).status_code
        assert 401 == client.get(PATH, headers={"Authorization": f"Basic {site.reader}"}).status_code


def test_a_key_counts_only_within_its_time(api: Api, site: Site) -> None:
    """Not before, not after."""
    now = datetime.now(UTC)
    early = site.key("early", not_before=(now + timedelta(hours=1)).isoformat())
    late = site.key("late", expires=(now - timedelta(seconds=1)).isoformat())
    good = site.key("good", not_before=(now - timedelta(hours=1)).isoformat(), expires=(now + timedelta(1)).isoformat())

    until(lambda: status(api, good), lambda got: got == 200)
    assert (401, 401) == (status(api, early), status(api, late))


def test_a_revoked_key_is_refused_without_a_restart(api: Api, site: Site) -> None:
    """The file is read again when it changes."""
    key = site.key("short-lived")
    until(lambda: status(api, key), lambda got: got == 200)
    api_keys.revoke(site.keys_file, key.split("_")[1])

    until(lambda: status(api, key), lambda got: got == 401)


def test_a_broken_keys_file_keeps_the_last_good_keys(api: Api, site: Site) -> None:
    """A slip of the pen locks nobody out, and lets nobody in; /readyz says so for as long as it lasts."""
    edge = api.app.state.edge
    good = site.keys_file.read_bytes()
    site.keys_file.write_text("keys: [{id: everyone}]")
    time.sleep(api_keys.LOOK_S + 0.2)
    try:
        assert (200, 401) == (status(api, site.reader), status(api, "sk_everyone_"))
        assert "keys[0]" in edge.details()["api_keys"]
    finally:
        site.keys_file.write_bytes(good)
    until(edge.details, lambda told: told == {})


def test_changing_the_keys_leaves_the_file_to_whom_it_belongs(tmp_path: Path) -> None:
    """Whoever runs the command, mode and owner stay: the API goes on reading it, and hears of what is revoked."""
    path, link = tmp_path / "keys.json", tmp_path / "link.json"
    _, key = api_keys.create(path, "one", ["feeds:read"])
    path.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(path, 12_345, 54_321)
    link.symlink_to(path)
    before = path.stat()
    api_keys.create(path, "two", ["feeds:read"])
    api_keys.revoke(link, key.id)
    after = path.stat()

    assert (before.st_mode, before.st_uid, before.st_gid) == (after.st_mode, after.st_uid, after.st_gid)
    assert api_keys.load(path)[0].revoked


@contextmanager
def unreadable(path: Path) -> Iterator[None]:
    """Nobody but root reads the file meanwhile, and this process is somebody else."""
    path.chmod(0)
    own = os.geteuid()
    os.seteuid(own or 65_534)
    try:
        yield
    finally:
        os.seteuid(own)
        path.chmod(0o600)


def test_a_keys_file_that_can_be_read_again_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given back by chmod alone, nothing else about it changed: what was revoked meanwhile is refused from then on."""
    monkeypatch.setattr(api_keys, "LOOK_S", 0.0)
    with TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        path = Path(directory) / "keys.json"
        text, key = api_keys.create(path, "one", ["feeds:read"])
        keys = api_keys.KeyFile(str(path))
        api_keys.revoke(path, key.id)
        with unreadable(path):
            meanwhile, fault = keys.principal(text), keys.fault()
        afterwards = keys.principal(text), keys.fault()

    assert meanwhile is not None
    assert "Permission denied" in (fault or "")
    assert (None, None) == afterwards


def test_the_file_holds_no_secret_and_is_its_owners_alone(site: Site) -> None:
    """Only SHA-256 of 256 random bits."""
    text = site.keys_file.read_text()

    assert site.reader.split("_", 2)[2] not in text
    assert 0o600 == site.keys_file.stat().st_mode & 0o777


# ---- what they may ------------------------------------------------------------------------------------------------


def test_every_route_asks_for_its_scope(api: Api, site: Site) -> None:
    """A key with one scope gets 403 for the others, naming the scope that is missing."""
    routes = {
        "availability:read": f"/v1/channels/{site.shop}/availability",
        "feeds:read": "/v1/feeds",
        "exceptions:read": "/v1/exceptions",
    }
    for scope, own in routes.items():
        key = site.key(f"only {scope}", [scope])
        until(lambda key=key, own=own: status(api, key, own), lambda got: got == 200)
        for other, path in routes.items():
            if other != scope:
                with api.client(key) as client:
                    refused = client.get(path)
                assert (403, True) == (refused.status_code, other in refused.json()["detail"])


def test_a_channels_caller_sees_its_own_channel_only(api: Api, site: Site) -> None:
    """Another channel is as if it were not there: offer, page, query, stream, snapshot."""
    other = f"/v1/channels/{site.shop}"
    with api.client(site.market_key) as client:
        refused = [
            client.get(f"{other}/availability/S-0"),
            client.get(f"{other}/availability"),
            client.get(f"{other}/stream"),
            client.get(f"{other}/snapshot"),
            client.get("/v1/channels/none/availability"),
            client.post("/v1/availability:query", json={"skus": ["S-0"], "channel": site.shop}),
        ]

    assert {404} == {answer.status_code for answer in refused}


def test_a_channels_caller_sees_no_positions(api: Api, site: Site) -> None:
    """By SKU it gets its own offer; stock by location, on hand and other channels are not its business."""
    with api.client(site.market_key) as client:
        answer = client.get("/v1/availability/S-0").raise_for_status().json()
        queried = client.post("/v1/availability:query", json={"skus": ["S-0", "S-1"]}).raise_for_status().json()
        foreign = client.get("/v1/availability/S-1")

    assert ([], None, [site.market]) == (
        answer["positions"], answer["network"], [one["channel"] for one in answer["channels"]]
    )  # fmt: skip
    assert "on_hand" not in str(answer)
    assert (["S-1"], []) == (queried["unknown"], queried["answers"][0]["positions"])
    assert 404 == foreign.status_code


# ---- how much -----------------------------------------------------------------------------------------------------


def test_a_client_beyond_its_rate_is_told_when_to_come_back(api: Api, site: Site) -> None:
    """429 with Retry-After and the RateLimit fields; others are not held up."""
    key = site.key("slow", rate=3)
    until(lambda: status(api, key), lambda got: got == 200)
    with api.client(key) as client:
        answers = [client.get(PATH) for _ in range(12)]
    refused = next(answer for answer in answers if answer.status_code == 429)

    assert "/docs/problems#too-many-requests" == refused.json()["type"]
    assert int(refused.headers["retry-after"]) >= 1
    assert '"client";q=3;w=1' == refused.headers["ratelimit-policy"]
    assert '"client";r=0;' in refused.headers["ratelimit"]
    assert 200 == status(api, site.reader)


def test_all_clients_of_a_partner_share_one_rate(stack: Any, tmp_path: Path) -> None:
    """Two keys of one partner, each far below its own rate, exhaust the partner's together, on two processes."""
    site = Site(stack, tmp_path)
    site.live()
    keys = [site.key(f"p{n}", partner="acme") for n in range(2)]
    settings = site.settings(partner_rate=4)
    with Api(settings) as one, Api(settings) as two, one.client(keys[0]) as a, two.client(keys[1]) as b:
        answers = [client.get(PATH).status_code for _ in range(10) for client in (a, b)]
        alone = status(one, site.reader)

    assert 429 in answers
    assert 200 == alone


def test_a_body_too_large_is_refused_announced_or_not(api: Api, site: Site) -> None:
    """By its Content-Length before it is read, and by its bytes when it comes in chunks."""
    big = b"[" + b" " * 1_100_000
    with api.client(site.reader) as client:
        announced = client.post("/v1/availability:query", content=big)
        chunked = client.post(
            "/v1/availability:query", content=(big[n : n + 65_536] for n in range(0, len(big), 65_536))
        )

    assert [413, 413] == [announced.status_code, chunked.status_code]


def test_headers_too_large_are_refused(api: Api, site: Site) -> None:
    """Whether they come at once or never end."""
    with api.client(site.reader) as client:
        at_once = client.get(PATH, headers={"X-Much": "x" * 20_000})
    with connected(api) as line:
        line.sendall(b"GET /v1/feeds HTTP/1.1\r\nHost: x\r\n")
        try:
            for _ in range(100):
                line.sendall(b"X-More: " + b"x" * 1_000 + b"\r\n")
                time.sleep(0.005)
        except OSError:
            pass
        try:
            answer = line.recv(4_096)
        except ConnectionResetError:  # closed with our bytes unread: refused as well
            answer = b"HTTP/1.1 431"

    assert 431 == at_once.status_code
    assert answer.startswith(b"HTTP/1.1 431")


def test_a_page_larger_than_allowed_says_what_is(api: Api, site: Site) -> None:
    """The field, what is wrong, what it takes."""
    with api.client(site.reader) as client:
        refused = client.get("/v1/exceptions?limit=501")

    assert 422 == refused.status_code
    assert [{"field": "query.limit", "wrong": "501 is too many", "takes": "1 to 500"}] == refused.json()["errors"]


def test_a_request_that_takes_too_long_is_ended(stack: Any, tmp_path: Path) -> None:
    """A body that never comes costs a second, not a worker."""
    site = Site(stack, tmp_path)
    site.live()
    head = (
        f"POST /v1/availability:query HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {site.reader}\r\n"
        "Content-Type: application/json\r\nContent-Length: 50\r\n\r\n"
    )
    with Api(site.settings(request_timeout_ms=500)) as api, connected(api) as line:
        line.sendall(head.encode() + b'{"skus"')
        answer = b""
        while b"Took too long" not in answer and (more := line.recv(4_096)):
            answer += more

    assert answer.startswith(b"HTTP/1.1 503")
    assert b"Took too long" in answer


def test_connections_are_bounded(stack: Any, tmp_path: Path) -> None:
    """One more than allowed is told to come back."""
    site = Site(stack, tmp_path)
    with Api(site.settings(connections=2)) as api, connected(api), connected(api), connected(api) as third:
        answer = third.recv(4_096)

    assert answer.startswith(b"HTTP/1.1 503")
    assert b"retry-after: 1" in answer.lower()


# ---- what every answer carries --------------------------------------------------------------------------------------


def test_every_answer_carries_the_security_headers_and_names_no_server(api: Api, site: Site) -> None:
    """Answers, refusals and faults alike; and no origin is allowed to read them from a browser."""
    with api.client(site.reader) as client:
        answers = [client.get(PATH), client.get("/v1/nothing"), client.post(PATH), client.get("/docs")]
        asked = client.get(PATH, headers={"Origin": "https://elsewhere.example"})

    for answer in answers:
        assert ("nosniff", "DENY") == (answer.headers["x-content-type-options"], answer.headers["x-frame-options"])
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "server" not in answer.headers
    assert [200, 404, 405, 200] == [answer.status_code for answer in answers]
    assert "access-control-allow-origin" not in asked.headers


def test_origins_are_allowed_only_when_named(stack: Any, tmp_path: Path) -> None:
    """By setting, and then those only."""
    site = Site(stack, tmp_path)
    site.live()
    with Api(site.settings(cors_origins="https://shop.example")) as api, api.client(site.reader) as client:
        ours = client.get(PATH, headers={"Origin": "https://shop.example"})
        theirs = client.get(PATH, headers={"Origin": "https://elsewhere.example"})

    assert "https://shop.example" == ours.headers["access-control-allow-origin"]
    assert "access-control-allow-origin" not in theirs.headers


# ---- starting -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({}, "STOCKSTREAM_API_KEYS_FILE"),
        ({"development": True, "host": "0.0.0.0"}, "loopback"),
        ({"keys_file": "k", "jwt_issuer": "https://issuer"}, "all three"),
        ({"keys_file": "k", "jwt_algorithms": "HS256"}, "JWT_ALGORITHMS"),
        ({"keys_file": "k", "jwt_algorithms": "RS256,none"}, "JWT_ALGORITHMS"),
        ({"keys_file": "k", "redis": ""}, "STOCKSTREAM_REDIS"),
    ],
)
def test_it_refuses_to_start_on_settings_that_would_leave_it_open(changes: dict[str, Any], named: str) -> None:
    """And names the setting to change."""
    with pytest.raises(SettingError, match=named):
        checked(ApiSettings(**{"redis": "redis://127.0.0.1:1/0", **changes}))


def test_development_without_keys_answers_everyone_on_this_machine(stack: Any, tmp_path: Path) -> None:
    """Only when told so, and only on loopback."""
    site = Site(stack, tmp_path)
    site.live()
    with Api(site.settings(development=True, keys_file="")) as api:
        assert 200 == status(api, None)
        assert 401 == status(api, "sk_000000000000_x")


def test_development_with_keys_still_asks_for_them(stack: Any, tmp_path: Path) -> None:
    """Where authentication is configured it is enforced."""
    site = Site(stack, tmp_path)
    site.live()
    with Api(site.settings(development=True)) as api:
        assert (401, 200) == (status(api, None), status(api, site.reader))

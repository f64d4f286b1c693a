"""One delivery against a real HTTP server: signature, redirects, limits, time-outs, certificates by name."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from aiohttp import web
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from connectors.outbound.commerce.addresses import Addresses
from connectors.outbound.commerce.book import well
from connectors.outbound.commerce.delivery import Answer, Parcel, Post
from connectors.outbound.commerce.outbox import Change
from connectors.outbound.commerce.settings import Commerce
from connectors.outbound.commerce.signing import SecretError, SecretPlace, signed, signer
from connectors.outbound.commerce.subscriber import failing_since, pause_ms
from connectors.outbound.commerce.subscriptions import Subscription
from tests.connectors.commerce_site import FIRST, NOW, SECOND, offer

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def receiver(handler: Handler) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def answer_of(handler: Handler, **settings: Any) -> Answer:
    post = Post(Commerce(**settings), Addresses("127.0.0.0/8", allow_http=True))
    async with receiver(handler) as url:
        answer = await post(f"{url}/hook", {}, b"{}")
    await post.close()
    return answer


def change(sku: str, revision: int = 1, quantity: int = 1) -> Change:
    return Change(sku, 0, revision, f"t[0]@{revision}", offer("webshop", sku, revision, quantity), 0.0)


@pytest.mark.parametrize("known", [FIRST, SECOND])
def test_either_active_secret_verifies(monkeypatch, known):
    """While secrets change, a receiver may know the old or the new one; the public library verifies both."""
    monkeypatch.setenv("SECRET_ONE", FIRST)
    monkeypatch.setenv("SECRET_TWO", SECOND)
    signers = [signer(SecretPlace(env="SECRET_ONE")), signer(SecretPlace(env="SECRET_TWO"))]
    body = orjson.dumps({"type": "availability.changed"})
    headers = signed(signers, "msg_1", datetime.now(UTC), body)

    assert {"type": "availability.changed"} == Webhook(known).verify(body, headers)


def test_a_stranger_s_secret_a_changed_body_or_an_old_time_does_not_verify(monkeypatch):
    """Signature covers id, time and body."""
    monkeypatch.setenv("SECRET_ONE", FIRST)
    signers = [signer(SecretPlace(env="SECRET_ONE"))]
    now = datetime.now(UTC)
    stranger = "whsec_" + base64.b64encode(b"x" * 24).decode()
    for secret, at, body in ((stranger, now, b"{}"), (FIRST, now, b"[]"), (FIRST, now - timedelta(hours=1), b"{}")):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(body, signed(signers, "msg_1", at, b"{}"))


def test_a_bad_secret_is_named_by_its_place_and_never_shown(tmp_path):
    """The error leads to the variable or file, not to the secret."""
    (tmp_path / "secret").write_text("whsec_öööö-not-base64")
    with pytest.raises(SecretError) as error:
        signer(SecretPlace(file=str(tmp_path / "secret")))

    assert str(tmp_path / "secret") in str(error.value)
    assert "not-base64" not in str(error.value)


def test_a_parcel_has_the_same_id_and_body_each_time_it_is_packed():
    """Also after a crash: id and body follow from subscription and changes."""
    first = Parcel.of("shop", "webshop", [change("A"), change("B")], 10_000)
    again = Parcel.of("shop", "webshop", [change("A"), change("B")], 10_000)
    other = Parcel.of("shop", "webshop", [change("A"), change("B", 2)], 10_000)
    message = orjson.loads(first.body)

    assert first == again
    assert first.id != other.id
    assert {"type", "timestamp", "data"} == set(message)
    assert ["A", "B"] == [each["sku"] for each in message["data"]["changes"]]
    assert "webshop" == message["data"]["channel"]


def test_a_parcel_is_no_larger_than_the_limit_unless_one_change_is():
    """What does not fit goes with the next one."""
    changes = [change(f"SKU-{number}") for number in range(50)]
    parcel = Parcel.of("shop", "webshop", changes, 4_000)

    assert 1 < len(parcel.changes) < 50
    assert len(parcel.body) <= 4_000
    assert 1 == len(Parcel.of("shop", "webshop", changes, 10).changes)


async def test_a_redirect_is_not_followed():
    """Neither to another host nor to the same: it is a failure that says where it pointed."""
    seen: list[str] = []

    async def redirect(request: web.Request) -> web.Response:
        seen.append(request.path)
        return web.Response(status=302, headers={"Location": "/elsewhere"})

    answer = await answer_of(redirect)

    assert not answer.ok
    assert "a redirect to /elsewhere is not followed" in answer.text
    assert ["/hook"] == seen


async def test_no_more_of_an_answer_is_read_than_the_limit():
    """A receiver that talks for ever does not fill our memory."""

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(1_000):
            await response.write(b"x" * 10_000)
        return response

    answer = await answer_of(endless, answer_bytes=20_000)

    assert answer.ok
    assert 20_000 == len(answer.body)


async def test_a_receiver_that_says_nothing_or_drips_is_given_up_on():
    """Read time-out for silence, total time-out for one byte at a time."""

    async def silent(_: web.Request) -> web.Response:
        await asyncio.sleep(5)
        return web.Response()

    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(100):
            await response.write(b"x")
            await asyncio.sleep(0.05)
        return response

    assert "ReadTimeout" in (await answer_of(silent, read_ms=100)).text
    assert "no answer within 300 ms" == (await answer_of(drip, total_ms=300)).text


async def test_nobody_there_is_a_failure_in_words():
    """A closed port, as any other fault, is an answer and no exception."""
    post = Post(Commerce(), Addresses("127.0.0.0/8", allow_http=True))
    answer = await post("http://127.0.0.1:9/", {}, b"{}")
    await post.close()

    assert 0 == answer.status
    assert "ConnectError" in answer.text


@pytest.mark.parametrize("path", ["", "x" * 70_000], ids=["a name that cannot be asked for", "a URL without end"])
async def test_a_url_that_no_client_can_use_is_a_failure_in_words(path):
    """Whatever the resolver or the HTTP client makes of it: one receiver's mistake stops no other's webhooks."""

    async def resolve(host: str, _port: int) -> list[str]:
        if not path:
            raise UnicodeError("label empty or too long")
        return ["127.0.0.1"]

    post = Post(Commerce(), Addresses("127.0.0.0/8", allow_http=True, resolve=resolve))
    answer = await post(f"http://hub.example:9/{path}", {}, b"{}")
    await post.close()

    assert 0 == answer.status
    assert answer.text.startswith(("UnicodeError: label", "InvalidURL: URL too long"))


def test_only_time_in_which_it_was_tried_counts_towards_giving_up():
    """A stopped connector finds a receiver failing for as long as when it was stopped."""
    hour, first = 3_600_000, well(Subscription("hub", "webshop", "https://hub.example/", ()))
    assert NOW == failing_since(first, NOW)
    state = {**first, "attempts": 3, "first_failed_at": NOW, "next_attempt_at": NOW + hour}

    assert NOW == failing_since(state, NOW + hour)
    assert NOW + 24 * hour == failing_since(state, NOW + 25 * hour)
    assert NOW == failing_since(state, NOW + hour // 2)  # another instance's attempt, under way when this was noted


def test_waits_double_from_half_a_minute_and_are_spread():
    """30 s, 1 min, 2 min … up to the most, each a fifth more or less."""
    settings = Commerce()
    for attempts, seconds in ((1, 30), (2, 60), (3, 120), (9, 7_680), (12, 14_400), (500, 14_400)):
        waits = [pause_ms(attempts, settings) / 1000 for _ in range(50)]

        assert min(waits) >= seconds * 0.8
        assert max(waits) <= seconds * 1.2
        assert len(set(waits)) > 1

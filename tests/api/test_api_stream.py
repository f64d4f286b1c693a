"""Streams over HTTP on a real broker: what a client gets across broken connections and restarts is the topic, once."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from confluent_kafka import Producer
from prometheus_client import REGISTRY

from connectors import view_keys as keys
from connectors.api import api_keys, offers
from connectors.api import cursor as cursors
from connectors.api.event_stream import EventStream
from connectors.api.fanout import Change, Subscriber
from connectors.api.security import DEVELOPER
from connectors.api.settings import ApiSettings
from tables.channels import Channel
from tests.api.api_site import Api, Site, offer, until
from tests.api.newer_writer import newer_writer

pytestmark = pytest.mark.stack
ROOT = Path(__file__).resolve().parents[2]


class Events:
    """A client's side of one stream: its events in order."""

    def __init__(self, response: httpx2.Response) -> None:
        self._lines = response.iter_lines()
        self.comments = 0
        self.last_id = ""

    def next(self) -> tuple[str, Any]:
        """The next event's name and data; the connection's read time-out bounds the wait."""
        name, data = "", ""
        for line in self._lines:
            if line.startswith(":"):
                self.comments += 1
            elif line.startswith("id: "):
                self.last_id = line[4:]
            elif line.startswith("event: "):
                name = line[7:]
            elif line.startswith("data: "):
                data = line[6:]
            elif not line and data:
                return name, json.loads(data)
        raise EOFError("the stream ended")

    def offers(self, count: int) -> list[int]:
        """The revisions of the next offers; other events are passed over."""
        found: list[int] = []
        while len(found) < count:
            name, data = self.next()
            if name == "offer":
                found.append(data["revision"])
        return found


@contextmanager
def listening(url: str, key: str, channel: str, last_id: str | None = None, **query: Any) -> Iterator[Events]:
    headers = {"Authorization": f"Bearer {key}", **({"Last-Event-ID": last_id} if last_id else {})}
    path = f"{url}/v1/channels/{channel}/stream"
    with httpx2.stream("GET", path, headers=headers, params=query, timeout=20) as response:
        if response.status_code != 200:
            response.read()
        yield Events(response.raise_for_status())


@pytest.fixture
def own(stack: Any, tmp_path: Path) -> Site:
    """A site, and so channel topics, of the test's own."""
    site = Site(stack, tmp_path)
    site.live()
    site.feed("DC01", "FRESH")
    return site


def beginning(site: Site) -> str:
    return cursors.encode(f"channel.{site.shop}.availability", {})


def test_a_change_reaches_an_open_stream(own: Site) -> None:
    """`start` with the cursor and the feeds, then each change, the fallback applied."""
    own.feed("DC01", "STALE")
    with Api(own.settings()) as api, listening(api.url, own.shop_key, own.shop) as events:
        name, start = events.next()
        own.tell(own.shop, 10)
        changed, data = events.next()

    assert ("start", own.shop, "STALE") == (name, start["channel"], start["feeds"][0]["status"])
    assert ("offer", 10, 5 - 2) == (changed, data["revision"], data["quantity"])
    assert "HAIRCUT 50% DC01 STALE" == data["fallback"]


def test_a_change_that_comes_while_the_start_is_written_is_told(own: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the cursor of `start` and the first look at what is new, nothing is skipped; and who leaves is let go."""
    write, told = EventStream._write, False

    async def slowly(stream: EventStream, pieces: list[bytes]) -> None:
        nonlocal told
        if not told:
            told, before = True, dict(stream._reader.position)
            await asyncio.to_thread(own.tell, own.shop, 7)
            await asyncio.to_thread(until, lambda: stream._reader.position, lambda now: now != before)
        await write(stream, pieces)

    monkeypatch.setattr(EventStream, "_write", slowly)
    with Api(own.settings()) as api:
        with listening(api.url, own.shop_key, own.shop) as events:
            events.next()
            own.tell(own.shop, 8)
            heard = events.offers(1)
        (reader,) = api.app.state.edge.streams._readers.values()
        until(lambda: reader.subscribers, lambda left: not left)

    assert [7] == heard


@pytest.mark.parametrize("steps", range(5))
async def test_a_client_that_leaves_as_a_change_comes_is_let_go(steps: int) -> None:
    """However many steps of the loop lie between the two: a stream that is told to end ends."""

    class Quiet(EventStream):
        async def _write(self, pieces: list[bytes]) -> None:
            """To nobody."""

        async def _look(self) -> None:
            """At nothing."""

    edge: Any = SimpleNamespace(settings=ApiSettings())
    channel = Channel("shop", ("DC01",))
    subscriber = Subscriber(10)
    work = asyncio.create_task(Quiet(edge, channel, DEVELOPER)._follow(subscriber))
    await asyncio.sleep(0.01)
    subscriber.put(Change(0, 1, b"{}"))
    for _ in range(steps):
        await asyncio.sleep(0)
    work.cancel()
    done, _ = await asyncio.wait({work}, timeout=5)
    work.cancel()

    assert {work} == done, "the stream goes on 5 s after it was told to end"


def test_a_newer_writer_s_changes_reach_open_and_resumed_streams(own: Site) -> None:
    """A schema id that came after the API started is asked for; the stream goes on, and so does one that comes back."""
    topic = f"channel.{own.shop}.availability"
    with Api(own.settings()) as api:
        with listening(api.url, own.shop_key, own.shop) as events:
            events.next()
            last = events.last_id
            own.write(
                topic, newer_writer(own.stack.registry_url, topic)(offer(own.shop, "S-1", {"DC01": 9}, revision=10))
            )
            own.tell(own.shop, 11)
            live = events.offers(2)
        with listening(api.url, own.shop_key, own.shop, last) as events:
            again = events.offers(2)

    assert [10, 11] == live
    assert [10, 11] == again


def test_what_is_no_offer_is_counted_and_passed_over(own: Site) -> None:
    """Bytes of somebody else's in the channel's topic end no stream, open or resumed."""
    topic = f"channel.{own.shop}.availability"
    with Api(own.settings()) as api:
        with listening(api.url, own.shop_key, own.shop) as events:
            events.next()
            last = events.last_id
            for value in (b"", b"{}", b"\x00\x00\x00\x00\x00junk", b"\x00\x7f\xff\xff\x00junk"):
                own.write(topic, value)
            own.tell(own.shop, 11)
            live = events.offers(1)
        with listening(api.url, own.shop_key, own.shop, last) as events:
            again = events.offers(1)

    assert [11] == live == again
    assert 8 == REGISTRY.get_sample_value("stockstream_undecodable_total", {"topic": topic})


def test_a_reader_that_ends_drops_its_streams_and_is_replaced(own: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault nobody foresaw: clients are told to come back, and then go on with the last id they have."""
    with Api(own.settings()) as api:
        with listening(api.url, own.shop_key, own.shop) as events:
            events.next()
            own.tell(own.shop, 1)
            seen = events.offers(1)
            with monkeypatch.context() as patched:
                patched.setattr(offers, "offer", lambda *_: 1 / 0)
                own.tell(own.shop, 2)
                name, data = events.next()
            last = events.last_id
        with listening(api.url, own.shop_key, own.shop, last) as events:
            own.tell(own.shop, 3)
            rest = events.offers(2)

    assert [1] == seen
    assert ("end", "fault") == (name, data["reason"])
    assert [2, 3] == rest


def test_a_broken_connection_resumes_without_gap_or_repeat(own: Site) -> None:
    """After every third event the client hangs up, and comes back with the last id it saw."""
    own.tell(own.shop, *range(1, 13), partition=0)
    own.tell(own.shop, *range(1, 13), partition=1)
    seen: list[int] = []
    with Api(own.settings()) as api:
        last = beginning(own)
        for _ in range(8):
            with listening(api.url, own.shop_key, own.shop, last) as events:
                seen += events.offers(3)
                last = events.last_id
        with listening(api.url, own.shop_key, own.shop, last) as events:
            own.tell(own.shop, 99)
            rest = events.offers(1)

    assert sorted([*range(1, 13)] * 2) == sorted(seen)
    assert [99] == rest


def test_changes_made_while_nobody_listened_come_first(own: Site) -> None:
    """What the client missed is read up from the topic; what comes while that goes on follows it."""
    with Api(own.settings()) as api:
        with listening(api.url, own.shop_key, own.shop) as events:
            events.next()
            own.tell(own.shop, 1)
            events.offers(1)
            last = events.last_id
        own.tell(own.shop, *range(2, 2_000))
        with listening(api.url, own.shop_key, own.shop, last) as events:
            first = events.offers(1_000)
            own.tell(own.shop, *range(2_000, 2_100))
            second = events.offers(1_098)

    assert [*range(2, 2_100)] == first + second


def test_aborted_transactions_are_not_told_and_markers_do_not_stop_a_resume(own: Site) -> None:
    """Only committed changes; a topic that ends in a marker is still read up to its end."""
    topic = f"channel.{own.shop}.availability"
    producer = Producer({"bootstrap.servers": own.stack.bootstrap, "transactional.id": own.app})
    producer.init_transactions(30)
    for number, commit in ((1, True), (2, False), (3, True), (4, False)):
        producer.begin_transaction()
        producer.produce(topic, own.codec.encode(topic, offer(own.shop, "S", {"DC01": 9}, revision=number)), "S")
        producer.flush(30)
        producer.commit_transaction(30) if commit else producer.abort_transaction(30)
    with Api(own.settings()) as api, listening(api.url, own.shop_key, own.shop, beginning(own)) as events:
        replayed = events.offers(2)
        own.tell(own.shop, 5)
        live = events.offers(1)

    assert ([1, 3], [5]) == (replayed, live)


def test_another_process_goes_on_where_the_first_was_killed(own: Site) -> None:
    """The cursor means the same to every replica and after every restart."""
    own.tell(own.shop, *range(1, 6))
    with process(own) as url, listening(url, own.shop_key, own.shop, beginning(own)) as events:
        first = events.offers(3)
        last = events.last_id
    with process(own) as url, listening(url, own.shop_key, own.shop, last) as events:
        second = events.offers(2)
        own.tell(own.shop, 6)
        third = events.offers(1)

    assert [1, 2, 3, 4, 5, 6] == first + second + third


@contextmanager
def process(site: Site) -> Iterator[str]:
    """`stockstream api` as a process of its own, killed at the end."""
    code = "import sys; from connectors.api.main import run; from connectors.api.settings import ApiSettings; "
    code += "from schemas.environment import read; sys.exit(run(read(ApiSettings)))"
    address = site.directory / "api-http.url"
    address.unlink(missing_ok=True)
    environment = {**os.environ, **site.environment(), "PYTHONPATH": str(ROOT)}
    running = subprocess.Popen([sys.executable, "-c", code], env=environment, cwd=ROOT)
    try:
        until(lambda: address.exists() or running.poll() is not None, bool, 40)
        yield address.read_text()
    finally:
        running.kill()
        running.wait(10)


def test_a_process_told_to_stop_ends_its_streams_with_a_word_and_exits_clean(own: Site) -> None:
    """SIGTERM: the client hears why, comes back elsewhere, and the exit code is 0."""
    with process(own) as url, listening(url, own.shop_key, own.shop) as events:
        events.next()
        child = next(pid for pid in children() if b"connectors.api.main" in pid[1])[0]
        os.kill(child, signal.SIGTERM)
        name, data = events.next()
        _, status = os.waitpid(child, 0)

    assert ("end", "closing") == (name, data["reason"])
    assert 0 == os.waitstatus_to_exitcode(status)


def children() -> list[tuple[int, bytes]]:
    """This process's children with their command lines."""
    pids = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [(int(pid), Path(f"/proc/{pid}/cmdline").read_bytes()) for pid in pids]


def test_a_snapshot_and_the_stream_from_its_cursor_miss_nothing(own: Site) -> None:
    """The cursor is what the view had applied before the state was read, not the topic's end."""
    topic = f"channel.{own.shop}.availability"
    own.tell(own.shop, *range(1, 8), partition=1)
    own.offer(own.shop, "S-1", {"DC01": 5}, revision=5)
    for number in range(250):
        own.offer(own.shop, f"T-{number:03}", {"DC01": 5})
    own.redis.hset(keys.view(own.app), keys.offset_field(topic, 1), 5)
    with Api(own.settings()) as api:
        with api.client(own.shop_key) as client:
            snapshot = client.get(f"/v1/channels/{own.shop}/snapshot").raise_for_status().json()
        with listening(api.url, own.shop_key, own.shop, cursor=snapshot["cursor"]) as events:
            followed = events.offers(2)

    assert (251, True) == (snapshot["count"], snapshot["complete"])
    assert ["S-1", "T-000", "T-001"] == [one["sku"] for one in snapshot["offers"]][:3]
    assert [6, 7] == followed


def test_a_cursor_of_another_channel_or_none_at_all_is_refused(own: Site) -> None:
    """And one beyond the topic's end asks for a snapshot."""
    topic = f"channel.{own.shop}.availability"
    path = f"/v1/channels/{own.shop}/stream"
    with Api(own.settings()) as api, api.client(own.reader) as client:
        foreign = client.get(path, headers={"Last-Event-ID": cursors.encode("channel.x.availability", {0: 1})})
        nonsense = client.get(path, params={"cursor": "ä+/?"})
        beyond = client.get(path, headers={"Last-Event-ID": cursors.encode(topic, {0: 1_000})})

    assert (422, "header.last-event-id") == (foreign.status_code, foreign.json()["errors"][0]["field"])
    assert (422, "query.cursor") == (nonsense.status_code, nonsense.json()["errors"][0]["field"])
    assert (410, "/docs/problems#cursor-expired") == (beyond.status_code, beyond.json()["type"])


def test_a_feed_that_changes_is_told_and_an_idle_stream_is_kept_open(own: Site) -> None:
    """`feeds` when a status changes, comments when nothing does."""
    with Api(own.settings(stream_heartbeat_ms=200)) as api, listening(api.url, own.shop_key, own.shop) as events:
        events.next()
        own.feed("DC02", "LATE")
        name, data = events.next()
        own.tell(own.shop, 1)
        events.offers(1)

    assert ("feeds", ["FRESH", "LATE"]) == (name, [feed["status"] for feed in data["feeds"]])
    assert events.comments


def test_a_client_that_does_not_read_is_dropped_and_others_are_not(own: Site) -> None:
    """Its backlog is bounded; what it missed it can resume."""
    settings = own.settings(stream_backlog=50, stream_write_timeout_ms=500)
    with Api(settings) as api, listening(api.url, own.shop_key, own.shop) as good:
        good.next()
        with listening(api.url, own.shop_key, own.shop, beginning(own)) as idle:
            idle.next()
            seen: list[int] = []
            while len(seen) < 40_000 and api.app.state.edge.streams.open == 2:
                start = len(seen)
                own.tell(own.shop, *range(start, start + 40), sku="S" * 4_000)
                seen += good.offers(40)
            open_now = until(lambda: api.app.state.edge.streams.open, lambda count: count == 1)

    assert 1 == open_now
    assert [*range(len(seen))] == seen


def test_a_revoked_key_ends_the_streams_it_opened(own: Site) -> None:
    """A stream outlives the check at its start, so the check is made again."""
    key = own.key("listener", ["availability:read"])
    with Api(own.settings()) as api, listening(api.url, key, own.shop) as events:
        events.next()
        api_keys.revoke(own.keys_file, key.split("_")[1])
        name, data = events.next()

    assert ("end", "expired") == (name, data["reason"])


def test_streams_are_bounded_for_one_client_and_in_all(own: Site) -> None:
    """429 for the client with too many, 503 when the process is full; a place is free again once one hangs up."""
    path = f"/v1/channels/{own.shop}/stream"
    with Api(own.settings(stream_clients=2, stream_clients_each=1)) as api:
        with listening(api.url, own.shop_key, own.shop), api.client(own.shop_key) as client:
            each = client.get(path)
            with listening(api.url, own.reader, own.shop), api.client(own.key("third")) as third:
                total = until(lambda: third.get(path), lambda got: got.status_code != 401)
        until(lambda: api.app.state.edge.streams.open, lambda count: count == 0)
        with listening(api.url, own.shop_key, own.shop) as events:
            again = events.next()[0]

    assert (429, 503, "start") == (each.status_code, total.status_code, again)

"""Who goes next, how fast, and when not at all: lanes, window, throttle and breaker."""

import asyncio
import random
from typing import Any

import pytest

from connectors.kafka import Record
from connectors.outbound.erp.adapter import Answer
from connectors.outbound.erp.breaker import Breaker, State
from connectors.outbound.erp.lanes import Entry, Lanes
from connectors.outbound.erp.throttle import Throttle
from connectors.outbound.erp.window import Track
from tests.connectors.erp_site import posting


def entry(document: str, priority: int = 70, offset: int = 0, **changes: Any) -> Entry:
    of: Any = posting(document, priority=priority, created_at=offset, **changes)
    return Entry(Record("erp.postings", 0, offset, b"", b"", 0, {}), of, "erp", document)


def taken(lanes: Lanes) -> list[tuple[str, int]]:
    """Take and settle all, in the order they come."""
    found = []
    while (one := lanes.take(lambda _: True)) is not None:
        found.append((one.document, one.record.offset))
        lanes.done(one)
    return found


# ---- lanes ----------------------------------------------------------------------------------------------------------


async def test_the_most_urgent_document_goes_first_and_age_breaks_ties():
    """Priority decides among documents, then the time a posting became due."""
    lanes = Lanes()
    for one in (entry("A", 70, 1), entry("B", 10, 3), entry("C", 10, 2)):
        lanes.add(one)

    assert [("C", 2), ("B", 3), ("A", 1)] == taken(lanes)


async def test_an_urgent_posting_lends_its_urgency_to_those_before_it_in_its_document():
    """A shipment behind a backorder of the same order pulls it forward; the order stays."""
    lanes = Lanes()
    for one in (entry("A", 30, 1), entry("B", 50, 2), entry("B", 10, 3)):
        lanes.add(one)

    assert [("B", 2), ("B", 3), ("A", 1)] == taken(lanes)


async def test_a_document_waits_for_its_posting_that_rests_and_others_do_not():
    """Backoff holds up nothing but its own document."""
    lanes = Lanes()
    for one in (entry("A", 10, 1), entry("A", 10, 2), entry("B", 70, 3)):
        lanes.add(one)
    first = lanes.take(lambda _: True)
    assert first is not None
    lanes.again(first, 0.01)

    assert [("B", 3)] == taken(lanes)
    await asyncio.sleep(0.05)
    assert [("A", 1), ("A", 2)] == taken(lanes)


async def test_an_operation_without_a_token_lets_others_pass():
    """A slow endpoint does not hold up a fast one."""
    lanes = Lanes()
    lanes.add(entry("A", 10, 1))
    lanes.add(entry("B", 70, 2, operation="credit"))
    one = lanes.take(lambda operation: operation == "credit")

    assert one is not None
    assert "B" == one.document


async def test_a_posting_asked_for_ahead_needs_the_token_of_its_operation_only():
    """Once the ERP said it does not have it, it competes with its own kind."""
    lanes = Lanes()
    asked = entry("A")
    asked.ask = True
    lanes.add(asked)
    assert lanes.take(lambda kind: kind != "inquiry") is None
    asked.ask = False
    lanes.answered(asked)

    assert lanes.take(lambda kind: kind == "goods_receipt") is asked

    asked.found = Answer("DUPLICATE", "GR-1")
    lanes.again(asked, 0)
    assert lanes.take(lambda kind: kind == "inquiry") is asked


# ---- window ---------------------------------------------------------------------------------------------------------


class Topic:
    """A partition, read by a track as the connector reads it; `lanes` holds what is admitted."""

    def __init__(self, postings: list[Entry], *, limit: int, horizon: int = 100_000) -> None:
        self.postings = {one.record.offset: one for one in postings}
        self.lanes = Lanes()
        self.end = max(self.postings) + 1
        self.track = Track(0, 0, 0, limit=limit, horizon=horizon)
        self.track.end = self.end
        self.most = 0

    def read(self) -> None:
        """Read up to the end or the horizon."""
        while self.track.position < self.end and not self.track.full:
            offset = self.track.position
            one = self.postings.get(offset)
            if one is None:  # a transaction's marker
                self.track.position = offset + 1
            elif not self.track.seen(offset) and self.track.admit(one, self.lanes.withdraw):
                self.lanes.add(one)
            self.most = max(self.most, len(self.track.held))
        self.track.paused = self.track.full

    def work(self, count: int) -> list[Entry]:
        done = []
        while len(done) < count and (one := self.lanes.take(lambda _: True)) is not None:
            self.lanes.done(one)
            self.track.finished(one)
            done.append(one)
        return done

    def drain(self, step: int) -> list[Entry]:
        """Read and work in turns until all is done; what is committed is never beyond what is not done."""
        done: list[Entry] = []
        unfinished = set(self.postings)
        idle = 0
        while unfinished:
            self.track.again_from()
            self.read()
            now = self.work(step)
            done += now
            unfinished -= {one.record.offset for one in now}
            assert self.track.committable() <= min(unfinished, default=self.end)
            idle = 0 if now else idle + 1
            assert idle < 3
        return done


async def test_a_shipment_does_not_wait_behind_a_mountain_of_adjustments():
    """Read-ahead finds it although a fiftieth of the mountain is held."""
    mountain = [entry(f"STOCK:{n}", 70, n) for n in range(5_000)]
    topic = Topic([*mountain, entry("SALES_ORDER:1", 10, 5_000)], limit=100)
    topic.read()

    assert "SALES_ORDER:1" == topic.work(1)[0].document
    assert 100 == topic.most
    assert 0 == topic.track.committable()


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_is_left_in_the_topic_each_posting_is_done_once_and_in_its_documents_order(seed):
    """Random documents, priorities, gaps and speeds: nothing lost or twice, memory bounded, order per document kept."""
    chance = random.Random(seed)
    offsets = sorted(chance.sample(range(3_000), 2_000))
    documents = chance.choice([5, 50, 1_000])
    postings = [entry(f"D{chance.randrange(documents)}", chance.choice([10, 30, 70]), o) for o in offsets]
    topic = Topic(postings, limit=chance.choice([10, 60, 400]), horizon=chance.choice([1_000, 100_000]))
    done = topic.drain(chance.choice([1, 13, 300]))

    assert sorted(offsets) == sorted(one.record.offset for one in done)
    assert topic.end == topic.track.committable()
    assert topic.most <= topic.track.limit
    by_document: dict[str, int] = {}
    for one in done:
        assert by_document.get(one.document, -1) < one.record.offset
        by_document[one.document] = one.record.offset


async def test_files_wait_for_what_is_undecided_and_for_nothing_that_another_system_keeps():
    """Held or left in the topic: what may still become the files' bounds them, until it is decided."""
    track = Track(0, 0, 0, limit=1, horizon=1_000)
    held, left, kept = (entry(f"D{n}", offset=n) for n in range(3))
    for one in (held, left):
        one.former, one.chain = ("erp",), ("erp", "files")
    kept.chain = ("erp", "files")
    for one in (held, left, kept):
        assert not track.seen(one.record.offset)
        track.admit(one, lambda _: False)
    undecided = track.clear_to("files")
    held.former = ()

    assert (0, 1) == (undecided, track.clear_to("files"))

    track.finished(held)
    left.former = ()
    assert 1 == track.again_from()
    for one in (left, kept):
        assert not track.seen(one.record.offset)
        track.admit(one, lambda _: False)

    assert 3 == track.read_to("files")
    assert 2 == track.read_to("erp")


# ---- throttle and breaker -------------------------------------------------------------------------------------------


async def test_the_throttle_counts_tokens_of_the_system_and_of_the_operation():
    """Neither bucket may be empty; a wish to be left alone empties both."""
    throttle = Throttle(10, burst=2, rates={"credit": 10})
    await throttle.spend("credit")
    await throttle.spend("goods_receipt")

    assert not throttle.allows("goods_receipt")

    other = Throttle(1_000, burst=10)
    assert other.allows("credit")
    other.hold(5)
    assert not other.allows("credit")


async def test_the_breaker_opens_probes_and_closes():
    """Faults in a row open it, one probe at a time may follow, a failed one doubles the wait, a good one closes it."""
    now, told = [0.0], list[State]()
    breaker = Breaker(failures=3, open_s=1, most_s=10, probes=1, tell=told.append, now=lambda: now[0])
    for _ in range(3):
        breaker.enter()
        breaker.failed()
    assert (State.OPEN, False) == (breaker.state, breaker.admits())

    now[0] = 1.0
    assert breaker.admits()
    breaker.enter()
    assert not breaker.admits()
    breaker.failed()
    now[0] = 2.5
    assert not breaker.admits()
    now[0] = 3.0
    assert breaker.admits()
    breaker.enter()
    breaker.succeeded()

    assert State.CLOSED is breaker.state
    assert [State.CLOSED, State.OPEN, State.HALF_OPEN, State.OPEN, State.HALF_OPEN, State.CLOSED] == told


async def test_an_answer_between_faults_keeps_the_breaker_closed():
    """Only faults in a row count: one posting the ERP cannot digest does not stop the others."""
    breaker = Breaker(failures=2, open_s=1, most_s=10, probes=1)
    for _ in range(5):
        breaker.failed()
        breaker.succeeded()

    assert State.CLOSED is breaker.state

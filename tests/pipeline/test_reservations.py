"""Two hundred ask for the last ten units, workers are killed: never one too many, each answered once, all given back."""

import os
import random
import signal
import struct
import threading
import time
import uuid

import pytest
from confluent_kafka import Producer
from site_under_test import PARTITIONS, Site, wait_for
from test_faults import DYING

from streams.topics import partition_of
from tests.reference_records import item

pytestmark = pytest.mark.stack
STOCK = {"DC01": 6, "DC02": 4}
TTL_MS = 3_600_000
CLIENTS = 200
THREADS = 5


class Rush:
    """A SKU of the test's own with its last ten units, on a business clock of the test's own, and the requests for it."""

    def __init__(self, site: Site, sku: str, seed: int) -> None:
        self.site, self.sku = site, sku
        self.now = time.time_ns() // 1_000_000
        self.clock = site.directory / f"clock-{sku}"
        self.set_clock(self.now)
        site.send("erp.items", sku, item(sku, segment="C"))  # the webshop keeps nothing back of these
        for place, quantity in STOCK.items():
            site.scan(sku, place, quantity)
        site.producer.flush(30)
        rng = random.Random(seed)
        self.requests = [self._request(n, rng) for n in range(CLIENTS)]

    def set_clock(self, at: int) -> None:
        self.clock.write_bytes(struct.pack(">q", at))

    def _request(self, number: int, rng: random.Random) -> dict:
        return {
            "event_id": str(uuid.UUID(int=rng.getrandbits(128))),
            "reservation_id": f"{self.sku}.{number:032x}",
            "action": "RESERVE",
            "channel": "webshop",
            "sku": self.sku,
            "location": rng.choice([None, None, "DC01", "DC02"]),
            "quantity": rng.choice([1, 1, 1, 2, 3]),
            "ttl_ms": TTL_MS,
            "order_number": None,
            "line": None,
            "requested_at": self.now,
            "correlation_id": f"client-{number}",
        }

    def send(self, requests: list[dict], pause: float = 0.0) -> list[threading.Thread]:
        """Every client has its say, on as many producers as there are threads."""
        threads = [threading.Thread(target=self._produce, args=(requests[n::THREADS], pause)) for n in range(THREADS)]
        for thread in threads:
            thread.start()
        return threads

    def _produce(self, requests: list[dict], pause: float) -> None:
        producer = Producer({"bootstrap.servers": self.site.stack.bootstrap, "partitioner": "murmur2_random"})
        for request in requests:
            producer.produce(
                "reservations.requests", self.site.codec.encode("reservations.requests", request), self.sku
            )
            producer.poll(0)
            time.sleep(pause)
        assert producer.flush(30) == 0

    def replies(self) -> list[dict]:
        """Committed replies about this SKU in the order they were decided."""
        mine = [reply for reply in self.site.read("reservations.replies") if reply["sku"] == self.sku]
        return sorted(mine, key=lambda reply: reply["revision"])

    def await_answers(self) -> None:
        wait_for(lambda: len(self.replies()) >= CLIENTS, 90, f"{CLIENTS} replies about {self.sku}")
        self.site.settle()

    def positions(self) -> dict[str, dict]:
        found = self.site.read("availability.snapshots")
        return {answer["location"]: answer for answer in found if answer["sku"] == self.sku}

    # ---- the judge --------------------------------------------------------------------------------------------------

    def assert_never_oversold(self) -> list[dict]:
        """Each request answered once; decided again by hand in the same order, exactly what fits was accepted."""
        replies = self.replies()
        asked = {request["event_id"]: request for request in self.requests}

        assert sorted(asked) == sorted(reply["request_id"] for reply in replies)
        left = dict(STOCK)
        for reply in replies:
            request = asked[reply["request_id"]]
            free = sum(left.values()) if request["location"] is None else left[request["location"]]
            assert reply["accepted"] is (request["quantity"] <= free), (reply, left)
            for part in reply["parts"]:
                left[part["location"]] -= part["quantity"]
            held = sum(part["quantity"] for part in reply["parts"])
            assert held == (request["quantity"] if reply["accepted"] else 0)
            assert min(left.values()) >= 0
        assert left == {"DC01": 0, "DC02": 0}
        for place, answer in self.positions().items():
            assert (answer["allocated"], answer["atp"], answer["on_hand"]) == (STOCK[place], 0, STOCK[place])
        return [reply for reply in replies if reply["accepted"]]

    def assert_given_back(self, accepted: list[dict]) -> None:
        """An hour later the holds are over, each once; the stock is free and the chain of deltas whole."""
        self.set_clock(self.now + TTL_MS)
        wait_for(lambda: len(self.replies()) >= CLIENTS + len(accepted), 60, "the holds to end")
        self.site.settle()
        ended = [reply for reply in self.replies() if reply["action"] == "EXPIRE"]

        assert sorted(r["reservation_id"] for r in accepted) == sorted(r["reservation_id"] for r in ended)
        assert len(self.replies()) == CLIENTS + len(accepted)
        assert {place: (a["allocated"], a["atp"]) for place, a in self.positions().items()} == {
            place: (0, quantity) for place, quantity in STOCK.items()
        }
        self.site.assert_exact([self.sku])
        postings = self.site.read("erp.postings", f"STOCK:{self.sku}|")
        assert {p["document"].rpartition("|")[2]: p["lines"][0]["quantity"] for p in postings} == STOCK
        assert len(postings) == len(STOCK)


def test_the_last_units_are_never_sold_twice_with_the_owner_killed(crew: Site) -> None:
    """The worker that decides on the SKU is killed while requests come in, twice; the other one, or itself, goes on."""
    rush = Rush(crew, "RUSH-KILL", 7)
    crew.start("one", "two", clock=f"file:{rush.clock}")
    crew.settle()
    mine = partition_of(rush.sku.encode(), PARTITIONS)
    for half in (rush.requests[: CLIENTS // 2], rush.requests[CLIENTS // 2 :]):
        seen = len(rush.replies())
        threads = rush.send(half, pause=0.2)
        wait_for(lambda seen=seen: len(rush.replies()) > seen, 60, "a reply")
        owner = next(worker for worker in crew.workers.values() if mine in worker.state()[2])
        owner.kill()
        owner.start()
        crew.await_ready()
        for thread in threads:
            thread.join(60)
    rush.await_answers()

    rush.assert_given_back(rush.assert_never_oversold())


def test_the_last_units_are_never_sold_twice_with_a_worker_dying_in_its_transaction(crew: Site) -> None:
    """Holds and replies sent, nothing committed: nobody has heard of them, and they are decided again, once.

    Requests take two transactions at least, in at intake and out as replies: a worker let through one dies in another.
    """
    rush = Rush(crew, "RUSH-TXN", 8)
    crew.start("first", clock=f"file:{rush.clock}")
    crew.settle()  # the stock is in before anybody asks for it
    crew.stop_workers()
    threads: list[threading.Thread] = []
    for part, transactions in enumerate((1, 0, 1)):
        os.environ["STOCKSTREAM_TEST_TRANSACTIONS"] = str(transactions)
        crew.start("dying", command=DYING, wait=False, clock=f"file:{rush.clock}")
        threads += rush.send(rush.requests[part * 50 : (part + 1) * 50], pause=0.1)
        dying = crew.workers.pop("dying")
        wait_for(lambda worker=dying: worker.ended() is not None, 60, "the worker to die in its transaction")
        assert dying.ended() == -signal.SIGKILL
    crew.start("sound", clock=f"file:{rush.clock}")
    threads += rush.send(rush.requests[150:])
    for thread in threads:
        thread.join(60)
    rush.await_answers()

    rush.assert_given_back(rush.assert_never_oversold())

"""All stages in one process: topics are lists, and which stage takes how much of which partition next is drawn by lot."""

import marshal
import random
from collections import defaultdict, deque
from functools import partial
from typing import NamedTuple

import yaml

from schemas.codec import Undecodable
from streams import feeds, inventory, orders, shipments, supply
from streams.intake import INBOUND, Chunk, Intake, IntakeRules
from streams.topics import partition_of
from tables.channels import parse
from tables.freshness import Thresholds
from tables.outcome import Entry, unpack_row
from tables.reference import Reference

PARTITIONS = 3
INTERNAL = {
    "shipments": ("shipment.events", shipments),
    "supply": ("supply.events", supply),
    "orders": ("order.events", orders),
    "inventory": ("inventory.ledger", inventory),
    "feeds": ("feed.events", feeds),
}
REFERENCE_TOPICS = ("erp.items", "erp.locations", "partners.profiles")
CHUNKS = (1, 7, 60, 400)


class Inbound(NamedTuple):
    key: bytes | None
    value: bytes
    offset: int
    timestamp: int


def place(topic: str, key: str) -> int:
    """The partition of a record: the ledger goes by SKU."""
    return partition_of((key.rpartition("|")[0] if topic == "inventory.ledger" else key).encode(), PARTITIONS)


def decode(_topic, value):
    """Stands in for Avro: what is not marshalled content here is as undecodable there."""
    try:
        content = marshal.loads(value)
    except (EOFError, ValueError, TypeError) as error:
        raise undecodable(str(error)) from None
    if not isinstance(content, dict):
        raise undecodable("not a record")
    return content


def undecodable(reason):
    return Undecodable("MALFORMED", reason)


SIGNS = {"goods_receipt": 1, "shipment_confirm": -1, "credit": 1, "inventory_adjustment": 1}


def book(erp, posting) -> None:
    """Take a posting as an ERP does: stock moves, quantities of a document add up or, where they are whole, replace."""
    document, operation = posting["document"], posting["operation"]
    erp["documents"][document].append(posting["idempotency_key"])
    for line in posting["lines"]:
        where = f"{line['sku']}|{line['location']}|{line['disposition']}"
        erp["totals"][document][f"{operation}|{line['line']}|{where}"] += line["quantity"]
        erp["stock"][where] += SIGNS.get(operation, 0) * line["quantity"]


def answer_to(posting, now: int) -> dict:
    return {
        **{name: posting[name] for name in ("document", "step", "revision", "idempotency_key", "operation")},
        "outcome": "POSTED",
        "attempt": 1,
        "erp_document": f"E-{posting['idempotency_key']}",
        "reason": None,
        "answered_at": now,
        "correlation_id": posting["correlation_id"],
        "system": "erp",
        "shadow": False,
    }


class InProcess:
    """The five keyed stages and intake; `live_through` a run, then read what was `published`."""

    def __init__(self, channels: str, seed: int) -> None:
        config = parse(yaml.safe_load(channels))
        self.rng = random.Random(seed)
        self.log = defaultdict(lambda: [[] for _ in range(PARTITIONS)])
        self.rows = {(stage, p): {} for stage in INTERNAL for p in range(PARTITIONS)}
        self.done = dict.fromkeys(self.rows, 0)
        arguments = {"inventory": {"config": config}, "feeds": {"rules": Thresholds()}}
        self.steps = {
            stage: partial(module.step, **arguments.get(stage, {})) for stage, (_, module) in INTERNAL.items()
        }
        self.reference = Reference()
        self.intakes = [Intake(self.reference, decode, IntakeRules()) for _ in range(PARTITIONS)]
        self.intake_rows = [{} for _ in range(PARTITIONS)]
        self.inbound = defaultdict(deque)  # by topic and partition: what intake has not taken
        self.answered = defaultdict(int)
        self.unread = deque()  # reference records that nobody has followed yet

    # ---- a run ------------------------------------------------------------------------------------------------------

    def live_through(self, records, end: int) -> None:
        """Let records of (business time, acknowledgement) arrive while the stages work, now and then one lagging far."""
        lagging = None
        for number, (now, record) in enumerate(records):
            value = record.value if isinstance(record.value, bytes) else marshal.dumps(record.value)
            key = None if record.key is None else record.key.encode()
            self.inbound[record.topic, record.partition].append(Inbound(key, value, record.offset, 0))
            if record.topic in REFERENCE_TOPICS:
                self.unread.append(record)
            if number % 1_000 == 0:
                lagging = self.rng.choice([*self.inbound, None])
            if self.rng.random() < 0.05:
                self.follow(now)
                for at in list(self.inbound):
                    if at != lagging and self.rng.random() < 0.7:
                        self.take_in(at, now)
                for _ in range(self.rng.randint(0, 6)):
                    self.step_once()
        while any(self.inbound.values()):
            self.take_in(self.rng.choice([at for at, left in self.inbound.items() if left]), end)
        self.follow(end)
        self.run()
        self.sweep(end)

    def follow(self, now: int) -> None:
        """Take in reference data; what waited for it enters."""
        changed = set()
        while self.unread:
            record = self.unread.popleft()
            changed |= self.reference.apply(record.topic, record.value)
        for p, intake in enumerate(self.intakes):
            waiting = intake.waiting(changed)
            if waiting:
                self.keep(p, intake.replay(self.intake_rows[p], waiting, now))

    def take_in(self, at, now: int) -> None:
        topic, p = at
        left = self.inbound[at]
        run = [left.popleft() for _ in range(min(len(left), self.rng.choice(CHUNKS)))]
        assert topic in INBOUND
        if run:
            self.keep(p, self.intakes[p].step(self.intake_rows[p], Chunk(topic, p, run), now))

    def keep(self, p: int, outcome) -> None:
        for key, row in outcome.rows.items():
            if row is None:
                self.intake_rows[p].pop(key, None)
            else:
                self.intake_rows[p][key] = row
        self.write(outcome.outputs)

    # ---- the keyed stages -------------------------------------------------------------------------------------------

    def write(self, outputs) -> None:
        for topic, key, record in outputs:
            self.log[topic][place(topic, key)].append((key, record))

    def step_once(self) -> bool:
        """Let one stage take a run of one partition; False when there is nothing left."""
        waiting = [at for at, done in self.done.items() if done < len(self.log[INTERNAL[at[0]][0]][at[1]])]
        if not waiting:
            return False
        stage, p = self.rng.choice(waiting)
        log, done = self.log[INTERNAL[stage][0]][p], self.done[stage, p]
        run = log[done : done + self.rng.choice(CHUNKS)]
        entries = [Entry(done + n, key, record) for n, (key, record) in enumerate(run)]
        outcome = self.steps[stage](self.rows[stage, p], entries)
        self.rows[stage, p].update(outcome.rows)
        self.done[stage, p] = done + len(run)
        self.write(outcome.outputs)
        return True

    def run(self) -> None:
        while self.step_once():
            pass

    def post(self, now: int) -> dict:
        """Let an ERP take every posting and answer, until nobody has more to say; return what it holds."""
        erp = {
            "documents": defaultdict(list),
            "totals": defaultdict(lambda: defaultdict(int)),
            "stock": defaultdict(int),
        }
        taken = [0] * PARTITIONS
        while any(done < len(log) for done, log in zip(taken, self.log["erp.postings"], strict=True)):
            for p, log in enumerate(self.log["erp.postings"]):
                for key, posting in log[taken[p] :]:
                    book(erp, posting)
                    at = "erp.posting-results", place("erp.posting-results", key)
                    answer = marshal.dumps(answer_to(posting, now))
                    self.answered[at] += 1
                    self.inbound[at].append(Inbound(key.encode(), answer, self.answered[at], 0))
                taken[p] = len(log)
            for at in [at for at, left in self.inbound.items() if left]:
                while self.inbound[at]:
                    self.take_in(at, now)
            self.run()
            self.sweep(now)
        return erp

    def sweep(self, now: int) -> None:
        """Sweep intake, and write a clock entry for every row that is due, until none is."""
        for _ in range(40):
            for p, intake in enumerate(self.intakes):
                self.keep(p, intake.sweep(self.intake_rows[p], now))
            due = [
                (stage, key.decode())
                for (stage, _), rows in self.rows.items()
                for key, row in rows.items()
                if 0 < unpack_row(row)[2] <= now
            ]
            self.write([INTERNAL[stage][1].clock(key, now) for stage, key in due])
            self.run()
            if not due:
                return
        raise AssertionError(f"rows still due: {due[:5]}")

    def published(self, topic: str):
        """Every record of an output topic as (key, record), by partition in order."""
        return [record for partition in self.log[topic] for record in partition]

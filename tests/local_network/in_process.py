"""All stages in one process: topics are lists, and which stage takes how much of which partition next is drawn by lot."""

import random
from collections import defaultdict
from functools import partial

import yaml

from streams import inventory, orders, shipments, supply
from streams.topics import partition_of
from tables.channels import parse
from tables.outcome import Entry, unpack_row

PARTITIONS = 3
INTERNAL = {
    "shipments": ("shipment.events", shipments),
    "supply": ("supply.events", supply),
    "orders": ("order.events", orders),
    "inventory": ("inventory.ledger", inventory),
}


def place(topic: str, key: str) -> int:
    """The partition of a record: the ledger goes by SKU."""
    return partition_of((key.rpartition("|")[0] if topic == "inventory.ledger" else key).encode(), PARTITIONS)


class InProcess:
    """`write` what intake or a stage says; `run` until every stage has folded everything."""

    def __init__(self, channels: str, seed: int) -> None:
        config = parse(yaml.safe_load(channels))
        self.rng = random.Random(seed)
        self.log = defaultdict(lambda: [[] for _ in range(PARTITIONS)])
        self.rows = {(stage, p): {} for stage in INTERNAL for p in range(PARTITIONS)}
        self.done = dict.fromkeys(self.rows, 0)
        self.steps = {
            stage: partial(module.step, config=config) if stage == "inventory" else module.step
            for stage, (_, module) in INTERNAL.items()
        }

    def write(self, outputs) -> None:
        for topic, key, record in outputs:
            self.log[topic][place(topic, key)].append((key, record))

    def waiting(self):
        return [at for at, done in self.done.items() if done < len(self.log[INTERNAL[at[0]][0]][at[1]])]

    def step_once(self) -> bool:
        """Let one stage take a run of one partition; False when there is nothing left."""
        waiting = self.waiting()
        if not waiting:
            return False
        stage, p = self.rng.choice(waiting)
        log, done = self.log[INTERNAL[stage][0]][p], self.done[stage, p]
        run = log[done : done + self.rng.choice((1, 7, 60, 400))]
        entries = [Entry(done + n, key, record) for n, (key, record) in enumerate(run)]
        outcome = self.steps[stage](self.rows[stage, p], entries)
        self.rows[stage, p].update(outcome.rows)
        self.done[stage, p] = done + len(run)
        self.write(outcome.outputs)
        return True

    def run(self) -> None:
        while self.step_once():
            pass

    def sweep(self, now: int) -> None:
        """Write a clock entry for every row that is due, until none is."""
        for _ in range(40):
            due = [
                (stage, key.decode())
                for (stage, _), rows in self.rows.items()
                for key, row in rows.items()
                if 0 < unpack_row(row)[2] <= now
            ]
            if not due:
                return
            self.write([INTERNAL[stage][1].clock(key, now) for stage, key in due])
            self.run()
        raise AssertionError(f"rows still due: {due[:5]}")

    def published(self, topic: str):
        """Every record of an output topic as (key, record), by partition in order."""
        return [record for partition in self.log[topic] for record in partition]

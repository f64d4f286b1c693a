"""The control: stock Faust under the same kill does not keep the account, with `exactly_once` neither.

It proves that such faults find what they are for, and says why the path of a record is our own here.
"""

import os
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from local.observer import Observer
from local.supervised import Supervised
from local.tended import Tended
from tests.faults.own_brokers import Brokers
from tests.pipeline.site_under_test import wait_for

pytestmark = pytest.mark.stack
STOCK = str(Path(__file__).with_name("stock_faust.py"))
EVENTS, KEYS, KILLS = 2_000, 20, 3


@pytest.mark.parametrize("guarantee", ["exactly_once", "at_least_once"])
def test_stock_faust_killed_under_load_does_not_keep_the_account(tmp_path: Path, guarantee: str) -> None:
    """kill -9 three times over 2,000 events: outputs, read committed, are not each event once."""
    brokers = Brokers(tmp_path, "", "")
    tended = Tended()
    try:
        brokers.up()
        admin = AdminClient({"bootstrap.servers": brokers.bootstrap})
        names = ("stock-events", "stock-outputs", "stock-counts-changelog")
        for made in admin.create_topics([NewTopic(name, 4, 1) for name in names]).values():
            made.result(30)
        worker = Supervised("stock", (STOCK, brokers.bootstrap, str(tmp_path), guarantee), {}, tmp_path)
        tended.keep(worker)
        told = Observer(brokers.bootstrap, "stock")

        def outputs() -> Counter[bytes]:
            return Counter(record.value for record in told.read("stock-outputs"))

        _send(brokers.bootstrap, 0, 200)
        wait_for(lambda: outputs().total(), 90, f"stock Faust to start; see {worker.log}")
        for kill in range(KILLS):
            first = 200 + kill * (EVENTS - 200) // KILLS
            _send(brokers.bootstrap, first, 200 + (kill + 1) * (EVENTS - 200) // KILLS, pause_s=0.005)
            worker_pid = worker.pid
            os.kill(worker_pid, signal.SIGKILL)
            wait_for(lambda pid=worker_pid: worker.pid != pid, 20, "the supervisor to start it again")
            threading.Event().wait(10)
        seen = Counter[bytes]()
        while (now := outputs()) != seen:  # until nothing has come for 15 s
            seen = now
            threading.Event().wait(15)
        told.close()
        expected = Counter({str(number).encode(): 1 for number in range(EVENTS)})
        lost, twice = expected - seen, seen - expected
        print(f"stock Faust, {guarantee}: {len(lost)} of {EVENTS} lost, {twice.total()} too many")

        assert seen != expected, "stock Faust kept the account: these faults prove nothing"
    finally:
        tended.close()
        brokers.close()


def _send(bootstrap: str, first: int, end: int, pause_s: float = 0.0) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 1})
    for number in range(first, end):
        producer.produce("stock-events", str(number), f"k{number % KEYS}")
        producer.poll(0)
        if pause_s:
            time.sleep(pause_s)
    assert producer.flush(30) == 0

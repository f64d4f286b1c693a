"""The judge and the product's own stages agree on a simulated run, however the stages' work interleaves."""

from itertools import count
from pathlib import Path

import pytest
import yaml
from in_process import PARTITIONS, InProcess, place

from local.journal import Acknowledged
from local.network import build_network
from local.oracle import judge
from local.proof import (
    check_bad,
    check_chain,
    check_channel,
    check_documents,
    check_erp_stock,
    check_posted,
    check_told,
    compare,
)
from local.simulator import Simulation

CHANNELS = (Path(__file__).parents[2] / "channels.yaml").read_text()
DAY = 86_400_000


def journalled(sim):
    """The run's records as a broker would acknowledge them, each with its business time of sending."""
    offsets = {}
    numbers = count()

    def acknowledge(topic, key, value):
        p = next(numbers) % PARTITIONS if key is None else place(topic, key)
        offsets[topic, p] = offsets.get((topic, p), -1) + 1
        return Acknowledged(topic, p, offsets[topic, p], key, value, 0, "", "")

    network = sim.network
    for product in sim.published:
        yield sim.start, acknowledge("erp.items", product.sku, product.item)
    for location in network.locations:
        yield sim.start, acknowledge("erp.locations", location["location"], location)
    for profile in network.profiles:
        yield sim.start, acknowledge("partners.profiles", profile["partner"], profile)
    more = sorted(_more(sim), key=lambda record: record[0])
    for sent in sim.records():
        while more and more[0][0] <= sent.at:
            at, topic, key, value = more.pop(0)
            yield at, acknowledge(topic, key, value)
        yield sent.at, acknowledge(sent.topic, sent.key, sent.value if sent.raw is None else sent.raw)
    assert not more


def _more(sim):
    """What no day of the simulation brings: damaged goods between warehouses, a count of one lot, another base unit."""
    product = next(product for product in sim.published if len(product.locations) > 1)
    origin, target = product.locations[:2]
    start = sim.start + DAY // 2

    def scan(minutes, kind, quantity, place, disposition, **fields):
        at = start + minutes * 60_000
        record = {
            "event_id": f"more-{kind}-{minutes}",
            "scan_type": kind,
            "item": {"scheme": "SKU", "code": product.sku},
            "location": place,
            "quantity": quantity,
            "uom": product.item["base_uom"],
            "disposition": disposition,
            "to_disposition": None,
            "to_location": None,
            "lot": None,
            "device_id": "RF-9",
            "operator": None,
            "reference": {"kind": "NONE", "number": "", "line": None},
            "corrects": None,
            "occurred_at": at,
            "sent_at": at,
            "source": f"WMS-{place}",
            "correlation_id": "more",
        }
        return at + 1_000, "warehouse.scans", product.sku, record | fields

    def transfer(number):
        return {"reference": {"kind": "TRANSFER", "number": number, "line": None}}

    yield scan(1, "ADJUST", 20, origin, "damaged")
    yield scan(2, "TRANSFER_OUT", 9, origin, "damaged", to_location=target, **transfer("M1"))
    yield scan(3, "TRANSFER_OUT", 4, origin, "available", to_location=target, **transfer("M1"))
    yield scan(4, "TRANSFER_IN", 3, target, "damaged", **transfer("M1"))
    yield scan(5, "TRANSFER_OUT", 2, origin, "available", to_location=target, **transfer("M2"))
    yield scan(6, "TRANSFER_OUT", 3, origin, "damaged", to_location=target, **transfer("M2"))
    yield scan(7, "TRANSFER_IN", 4, target, "damaged", **transfer("M2"))
    yield scan(8, "COUNT", 1, target, "available", lot="L1")
    other = {**product.item, "base_uom": "GRM", "segment": "other"}
    yield start + DAY // 4, "erp.items", product.sku, other


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_stages_agree_with_the_judge(seed):
    """Thousands of records, partitions lagging and stages interleaved by lot: every position, delta chain, channel
    and bad record comes out as the judge says."""
    sim = Simulation(build_network(seed, skus=60), 8_000)
    records = list(journalled(sim))
    today = sim.end // DAY
    answer = judge([record for _, record in records], today)
    stages = InProcess(CHANNELS, seed)
    stages.live_through(records, sim.end)
    erp = stages.post(sim.end)

    snapshots = dict(stages.published("availability.snapshots"))
    deltas = stages.published("availability.deltas")
    reports = [
        compare(answer, snapshots, today),
        check_chain("deltas", deltas, "atp"),
        check_told(deltas, snapshots),
        check_documents(answer, erp),
        check_erp_stock(answer, erp),
        check_posted(stages.published("erp.postings"), erp),
        check_bad(answer, *([record for _, record in stages.published(t)] for t in OUTCOMES)),
    ]
    for channel, rule in yaml.safe_load(CHANNELS)["channels"].items():
        offers = stages.published(f"channel.{channel}.availability")
        reports.append(check_chain(channel, offers, "quantity"))
        reports.append(check_channel(channel, rule, dict(offers), snapshots, answer.segment))

    assert [report for report in reports if not report.exact] == []
    assert answer.quarantined
    assert answer.duplicates


OUTCOMES = ("exceptions", "dead-letters", "exceptions.resolutions")

"""The simulated network: the same from its seed, in order, with the promised mix and disturbances."""

from collections import Counter, defaultdict
from typing import get_args

import pytest

from local.network import DAY, HOUR, build_network, gtin13
from local.simulator import Simulation
from schemas.records import ScanType

EVENTS = 12_000


@pytest.fixture(scope="module")
def run():
    sim = Simulation(build_network(3, skus=120), EVENTS)
    return sim, list(sim.records())


def test_the_same_seed_gives_the_same_records():
    """Two runs from one seed agree record for record; another seed does not."""
    first, second, other = (list(Simulation(build_network(seed, skus=30), 3_000).records()) for seed in (1, 1, 2))

    assert first == second
    assert first != other


def test_records_leave_in_business_time_order_within_the_days(run):
    """The producers can move the business clock along as they send."""
    sim, records = run
    times = [sent.at for sent in records]

    assert times == sorted(times)
    assert sim.start <= times[0]
    assert times[-1] <= sim.end


def test_at_least_the_events_asked_for_and_most_of_them_scans(run):
    """The number is a promise, and a warehouse mostly scans."""
    _, records = run
    topics = Counter(sent.topic for sent in records)

    assert len(records) >= EVENTS
    assert topics.most_common(1)[0][0] == "warehouse.scans"


def test_everything_a_network_does_happens(run):
    """Every scan type and every kind of document is there."""
    _, records = run
    labels = {sent.label for sent in records}
    scans = set(get_args(ScanType))
    documents = {"PURCHASE_ORDER", "ACK_AC", "ASN_ORIGINAL", "MILESTONE_D1", "SALES_ORDER", "ORDER_CANCEL", "HEARTBEAT"}

    assert labels >= scans | documents


def test_disturbances_come_in_their_shares(run):
    """2 % duplicates, 1 % late by hours, about 0.5 % of the scans bad, one warehouse offline."""
    _, records = run
    marks = Counter(sent.mark.split(":")[0] for sent in records)
    scans = sum(sent.topic == "warehouse.scans" for sent in records)

    assert 0.01 < marks["duplicate"] / len(records) < 0.03
    assert 0.005 < marks["late"] / len(records) < 0.02
    assert 0.002 < marks["bad"] / scans < 0.01
    assert marks["offline"] > 0


def test_a_duplicate_is_the_same_event_from_another_producer(run):
    """It repeats an event id that was sent before, word for word."""
    _, records = run
    first = {}
    for sent in records:
        if sent.value is None or "event_id" not in sent.value:
            continue
        if sent.mark == "duplicate":
            assert first[sent.value["event_id"]].value == sent.value
            assert first[sent.value["event_id"]].key == sent.key
        else:
            first.setdefault(sent.value["event_id"], sent)


def test_counts_are_never_late_on_their_own(run):
    """A count processed far too late could outrun a position's journal; a late warehouse is late as a whole."""
    _, records = run
    counts = [sent for sent in records if sent.label == "COUNT" and not sent.mark]

    assert all(sent.at - sent.value["occurred_at"] < HOUR for sent in counts)


def test_positions_that_are_counted_do_not_move_much(run):
    """Within two days of a count its position has fewer movements than a journal holds."""
    _, records = run
    moves, counts = defaultdict(list), []
    for sent in records:
        if sent.topic != "warehouse.scans" or sent.value is None or sent.mark:
            continue
        scan = sent.value
        place = (scan["item"]["code"], scan["location"])
        if scan["scan_type"] == "COUNT" and scan["reference"]["number"] != "OPENING":
            counts.append((place, scan["occurred_at"]))
        elif scan["scan_type"] not in {"PICK", "PACK", "PUTAWAY"}:
            moves[place].append(scan["occurred_at"])

    assert counts
    assert all(sum(at <= moved <= at + 2 * DAY for moved in moves[place]) < 64 for place, at in counts)


def test_stock_stays_plausible(run):
    """The books hardly ever go below zero, and there is stock left at the end."""
    sim, _ = run
    below = [place for place, stock in sim.stock.items() if min(stock.values(), default=0) < 0]

    assert len(below) < 0.05 * len(sim.stock)
    assert sum(stock["available"] for stock in sim.stock.values()) > len(sim.stock)


def test_gtins_carry_the_right_check_digit():
    """GS1's worked example: 629104150021 has the check digit 3."""
    assert gtin13(629104150021) == "6291041500213"

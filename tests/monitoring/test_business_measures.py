"""What stages measure: partners' answers, notices and deliveries, changes of promises; each once, whatever the chunks."""

from collections import Counter
from typing import Any

import pytest
from prometheus_client import generate_latest

from schemas import metrics
from schemas.instruments import OTHER, Bounded
from streams import inventory, shipments, supply, telling
from streams import metrics as instruments
from tables import channels
from tables.outcome import Entry, Outcome
from tests.monitoring.exposition import samples, value
from tests.stages.document_events import (
    DAY,
    NOON,
    TODAY,
    Stage,
    ack_line,
    acknowledged,
    milestone,
    notice,
    ordered,
    po_line,
    received,
    shipped,
    unloaded,
)
from tests.stages.ledger_entries import entry

HOUR = 3_600_000
PO = ordered(po_line("1", "A", 10), po_line("2", "B", 5))


def measured(step: Any, *events: Any, at_once: bool = False) -> Counter[tuple[str, tuple[str, ...], float]]:
    """Fold events as one chunk each, or all in one; how often each measure was told."""
    told: Counter[tuple[str, tuple[str, ...], float]] = Counter()

    def fold(rows: Any, entries: Any) -> Outcome:
        outcome = step(rows, entries)
        told.update((metric.name, labels, amount) for metric, labels, amount in outcome.measures)
        return outcome

    stage = Stage(fold)
    if at_once:
        stage.take(*events)
    else:
        stage.each(*events)
    return told


def of(told: Counter[Any], metric: metrics.Metric) -> dict[tuple[tuple[str, ...], float], int]:
    return {(labels, amount): number for (name, labels, amount), number in told.items() if name == metric.name}


@pytest.mark.parametrize("at_once", [False, True])
def test_an_order_and_its_first_acknowledgement_count_once(at_once: bool) -> None:
    """Revisions and later acknowledgements are neither; the time is from the order's own date."""
    told = measured(
        supply.step,
        PO,
        ordered(po_line("1", "A", 12), po_line("2", "B", 5), revision=2),
        acknowledged(ack_line("1", "IA", 12), at=NOON + 3 * HOUR),
        acknowledged(ack_line("2", "IA", 5), at=NOON + 9 * HOUR),
        at_once=at_once,
    )

    assert of(told, metrics.ORDERS) == {(("ACME",), 1): 1}
    assert of(told, metrics.ACKNOWLEDGED) == {(("ACME",), 1): 1}
    assert of(told, metrics.ACK_SECONDS) == {(("ACME",), 3 * 3_600.0): 1}


def test_an_acknowledgement_that_comes_before_its_order_counts_when_the_order_comes() -> None:
    """Whose it is is known only then."""
    told = measured(supply.step, acknowledged(ack_line("1", "IA", 10), at=NOON + HOUR), PO)

    assert of(told, metrics.ACKNOWLEDGED) == {(("ACME",), 1): 1}
    assert of(told, metrics.ACK_SECONDS) == {(("ACME",), 3_600.0): 1}


def test_lines_received_in_full_are_in_time_or_late_by_the_date_promised() -> None:
    """Promised when acknowledged, else as requested; a part of a line is not a line."""
    told = measured(
        supply.step,
        PO,
        acknowledged(ack_line("1", "IA", 10, TODAY + 1)),
        received("A", 6, "1", at=NOON + DAY),
        received("A", 4, "1", at=NOON + 2 * DAY),
        received("B", 5, "2", at=NOON + 3 * DAY),
        received("B", 1, "2", at=NOON + 3 * DAY),
    )

    assert of(told, metrics.LINES_RECEIVED) == {(("ACME", "late"), 1): 1, (("ACME", "on_time"), 1): 1}


def test_a_line_that_is_closed_or_on_its_way_is_not_received() -> None:
    """Only goods that are here count."""
    closed = ordered(po_line("1", "A", 10), po_line("2", "B", 5), revision=2, status="CLOSED")
    told = measured(supply.step, PO, shipped(("1", "A", 10, 0)), closed)

    assert of(told, metrics.LINES_RECEIVED) == {}


def test_from_notice_to_first_receipt_is_measured_once() -> None:
    """Milestones and further receipts do not measure it again."""
    told = measured(
        shipments.step,
        notice(("P", "1", "A", 10)),
        milestone("D1", at=NOON + HOUR),
        unloaded("A", 4, at=NOON + 2 * HOUR),
        unloaded("A", 6, at=NOON + 5 * HOUR),
    )

    assert of(told, metrics.ASN_SECONDS) == {(("W1",), 2 * 3_600.0): 1}
    assert of(told, metrics.NOTICES) == {(("ACME", "in_time"), 1): 1}


def test_a_notice_after_its_goods_is_late_and_has_no_cycle_time() -> None:
    """It announced nothing."""
    told = measured(shipments.step, unloaded("A", 4, at=NOON), notice(("P", "1", "A", 10), at=NOON + HOUR))

    assert of(told, metrics.NOTICES) == {(("ACME", "late"), 1): 1}
    assert of(told, metrics.ASN_SECONDS) == {}


def test_every_change_of_a_promise_counts_whether_it_is_told_or_not() -> None:
    """Deltas are compared with it."""
    config = channels.parse({"channels": {"webshop": {"sourcing": ["DC01"]}}})
    entries = [Entry(n, *entry("RECEIPT", quantity)) for n, quantity in enumerate((100, 1, 1, 1))]
    outcome = inventory.step({}, entries, config)
    deltas = [record for topic, _, record in outcome.outputs if topic == "availability.deltas"]

    assert [(metric.name, amount) for metric, _, amount in outcome.measures] == [(metrics.ATP_CHANGES.name, 4)]
    assert len(deltas) == 1


def test_a_label_has_so_many_values_and_then_one_more() -> None:
    """What was named first keeps its name."""
    name = Bounded(2)

    assert [name(value) for value in ("a", "b", "c", "a", "d", "b")] == ["a", "b", OTHER, "a", OTHER, "b"]


def test_a_refusal_for_a_channel_nobody_declared_does_not_make_a_label_of_it() -> None:
    """Whatever a caller sends."""
    reply = {"channel": "made-up", "action": "RESERVE", "state": "REFUSED", "reason": "UNKNOWN_CHANNEL"}
    telling.RARE["reservations.replies"](reply)
    told = {sample.labels["channel"] for family in instruments.RESERVATIONS.collect() for sample in family.samples}

    assert OTHER in told
    assert "made-up" not in told


def test_what_stages_measure_is_at_metrics() -> None:
    """Each counter and histogram of theirs, by the labels it was measured with."""
    amounts = {"counter": 2, "histogram": 5}
    measured_by_stages = [
        metrics.ORDERS, metrics.ACKNOWLEDGED, metrics.ACK_SECONDS, metrics.LINES_RECEIVED, metrics.NOTICES,
        metrics.ASN_SECONDS,
    ]  # fmt: skip
    telling.measured([(m, ("W-TOLD", "late")[: len(m.labels)], amounts[m.kind]) for m in measured_by_stages])
    said = samples(generate_latest(instruments.REGISTRY).decode())

    for metric in measured_by_stages:
        labels = dict(zip(metric.labels, ("W-TOLD", "late"), strict=False))
        name = metric.name if metric.kind == "counter" else f"{metric.name}_sum"
        assert value(said, name, **labels) == amounts[metric.kind], name


def test_a_divergence_counts_its_units_and_a_decision_its_reason() -> None:
    """As records that a transaction commits."""
    evidence = {"found": "7", "compared": "10"}
    record = {"category": "STOCK_DIVERGENCE", "severity": "MEDIUM", "subject": {"id": "A|L-TOLD"}, "evidence": evidence}
    telling.RARE["exceptions"](record)
    reply = {"channel": "C-TOLD", "action": "RESERVE", "state": "REFUSED", "reason": "INSUFFICIENT"}
    telling.RARE["reservations.replies"](reply)
    said = samples(generate_latest(instruments.REGISTRY).decode())

    assert value(said, "stockstream_stock_divergence_units_total", location="L-TOLD") == 3
    assert value(said, "stockstream_reservation_decisions_total", **reply) == 1

"""The supply stage: each rung and each exception of a purchase order, one event at a time."""

import orjson
import pytest
from document_events import (
    DAY,
    NOON,
    TODAY,
    Stage,
    ack_line,
    acknowledged,
    ordered,
    po_line,
    received,
    shipped,
)

from streams.supply import clock, step
from tables.outcome import OutOfOrder, pack_row, unpack_row

REQUESTED = TODAY + 5


def after(*events):
    stage = Stage(step)
    stage.each(*events)
    return stage


PO = ordered(po_line("1", "A", 10))


def test_an_ordered_line_is_expected_on_its_requested_date():
    """The first rung."""
    assert after(PO).expected("A|W1") == [("ORDERED", "1", None, 10, REQUESTED)]


def test_an_acknowledged_quantity_moves_to_its_date_and_the_rest_stays_ordered():
    """The second rung: one quantity never stands on both."""
    stage = after(PO, acknowledged(ack_line("1", "IQ", 6, TODAY + 9)))

    assert stage.expected("A|W1") == [("ACKNOWLEDGED", "1", None, 6, TODAY + 9), ("ORDERED", "1", None, 4, REQUESTED)]
    assert stage.open() == {"ACK_QUANTITY": "P/1", "ACK_DATE": "P/1"}


def test_a_shipment_takes_its_quantity_from_the_earliest_promises():
    """The third rung eats the schedules in date order."""
    ack = acknowledged(ack_line("1", "IA", 6, TODAY + 3), ack_line("1", "IB", 4, TODAY + 20))

    stage = after(PO, ack, shipped(("1", "A", 7, 0)))

    assert stage.expected("A|W1") == [
        ("IN_TRANSIT", "1", "S1", 7, TODAY + 2),
        ("ACKNOWLEDGED", "1", None, 3, TODAY + 20),
    ]


def test_what_is_received_is_no_longer_expected_and_counts_as_settled():
    """The last rung: by shipment and by purchase order alike."""
    stage = after(PO, shipped(("1", "A", 6, 5)), received("A", 3, "1"))

    assert stage.expected("A|W1") == [("ORDERED", "1", None, 2, REQUESTED)]
    assert stage.claims()["A|W1 PURCHASE_ORDER:P"]["settled"] == 8


def test_receipts_by_purchase_order_are_taken_from_its_shipments_in_order_of_arrival():
    """A receipt that names only the order must have come by some shipment."""
    first, second = shipped(("1", "A", 4, 0), shipment="S9", date=TODAY + 1), shipped(("1", "A", 6, 0))

    stage = after(PO, first, second, received("A", 5))

    assert stage.expected("A|W1") == [("IN_TRANSIT", "1", "S1", 5, TODAY + 2)]


def test_a_receipt_without_a_line_fills_the_lines_of_its_sku_in_order():
    """Up to what each ordered, the surplus on the last."""
    lines = [po_line("1", "A", 4), po_line("2", "B", 5), po_line("3", "A", 6)]

    stage = after(ordered(*lines), received("A", 5))

    assert stage.expected("A|W1") == [("ORDERED", "3", None, 5, REQUESTED)]
    assert stage.expected("B|W1") == [("ORDERED", "2", None, 5, REQUESTED)]


def test_a_closed_order_expects_nothing_and_a_cancelled_one_only_what_is_under_way():
    """Status of the newest revision."""
    under_way = shipped(("1", "A", 4, 0))

    cancelled = after(PO, under_way, ordered(po_line("1", "A", 10), revision=2, status="CANCELLED"))
    closed = after(PO, under_way, ordered(po_line("1", "A", 10), revision=2, status="CLOSED"))

    assert cancelled.expected("A|W1") == [("IN_TRANSIT", "1", "S1", 4, TODAY + 2)]
    assert closed.claims() == {}


def test_a_shipment_of_an_unknown_order_is_expected_and_the_order_settles_the_finding():
    """The ship notice may overtake the purchase order."""
    stage = after(shipped(("1", "A", 4, 0)))
    assert stage.expected("A|W1") == [("IN_TRANSIT", "1", "S1", 4, TODAY + 2)]
    assert stage.open() == {"UNKNOWN_PURCHASE_ORDER": "P"}

    stage.take(PO)

    assert stage.open() == {}


def test_an_unknown_order_is_raised_once_however_much_names_it():
    """A condition of the order, not of each document."""
    stage = after(received("A", 1), received("A", 1), acknowledged(ack_line("1", "IA")))

    assert [topic for topic, _, _ in stage.outputs if topic == "exceptions"] == ["exceptions"]


def test_a_later_acknowledgement_supersedes_only_the_lines_it_names():
    """By acknowledged_at, whichever comes first."""
    order = ordered(po_line("1", "A", 10), po_line("2", "B", 5))
    late = acknowledged(ack_line("1", "IR"), at=NOON + 1)
    early = acknowledged(ack_line("1", "IA"), ack_line("2", "IA"), at=NOON)

    stage = after(order, late, early)

    assert stage.expected("A|W1") == []
    assert stage.expected("B|W1") == [("ACKNOWLEDGED", "2", None, 5, REQUESTED)]
    assert stage.open() == {"LINE_REJECTED": "P/1"}


def test_of_two_acknowledgements_of_one_time_the_one_sent_later_holds():
    """An 855 has a date: the second of a day corrects the first, however their ids compare and whichever comes first
    here (one may have waited for reference data).
    """
    first = acknowledged(ack_line("1", "IA", 10), event_id="ffff")
    second = acknowledged(ack_line("1", "IQ", 4), event_id="0000")
    whole = acknowledged(kind="RJ", event_id="0000")

    for events in ((first, second), (second, first)):
        assert after(PO, *events).expected("A|W1")[0] == ("ACKNOWLEDGED", "1", None, 4, REQUESTED)
    for events in ((first, whole), (whole, first)):
        assert after(PO, *events).expected("A|W1") == []


def test_an_acknowledgement_supersedes_one_of_its_time_that_an_older_release_has_kept():
    """Its row has the event's id where the place in the log stands now."""
    stage = after(PO, acknowledged(ack_line("1", "IA", 10)))
    row = stage.row("P")
    row["acks"]["1"][1] = "ffffffff-ffff-4fff-8fff-ffffffffffff"
    stage.rows[b"P"] = pack_row(orjson.dumps(row), *unpack_row(stage.rows[b"P"])[1:])

    stage.take(acknowledged(ack_line("1", "IQ", 4)))

    assert stage.expected("A|W1")[0] == ("ACKNOWLEDGED", "1", None, 4, REQUESTED)


def test_the_same_acknowledgement_again_changes_nothing():
    """A re-sent document says nothing, in the row and to the ledger."""
    ack = acknowledged(ack_line("1", "IA", 10, TODAY + 4))
    stage = after(PO, ack)
    before = stage.payload("P")

    assert stage.take(ack) == []
    assert before == stage.payload("P")


def test_an_acceptance_of_the_whole_order_yields_to_a_newer_line_and_not_to_an_older_one():
    """A header-only 855 is one more acknowledgement of every line."""
    whole = acknowledged(kind="AT", at=NOON + 1)

    older = after(PO, whole, acknowledged(ack_line("1", "IR"), at=NOON))
    newer = after(PO, whole, acknowledged(ack_line("1", "IR"), at=NOON + 2))

    assert older.expected("A|W1") == [("ACKNOWLEDGED", "1", None, 10, REQUESTED)]
    assert newer.expected("A|W1") == []


def test_a_tentative_quantity_is_listed_as_such_and_never_twice():
    """IH promises nothing; what it covers is not ordered beside it."""
    stage = after(PO, acknowledged(ack_line("1", "IH", 6)), shipped(("1", "A", 8, 0)))

    assert stage.expected("A|W1") == [("IN_TRANSIT", "1", "S1", 8, TODAY + 2), ("ORDERED", "1", None, 2, REQUESTED)]


def test_a_substitution_is_expected_under_the_substitute():
    """And its receipt without a line finds the line."""
    stage = after(PO, acknowledged(ack_line("1", "IS", 10, None, "Z")), received("Z", 4))

    assert stage.expected("A|W1") == []
    assert stage.expected("Z|W1") == [("ACKNOWLEDGED", "1", None, 6, REQUESTED)]
    assert stage.open()["SUBSTITUTION"] == "P/1"


@pytest.mark.parametrize(
    ("events", "category", "subject"),
    [
        ([acknowledged(ack_line("9", "IA"))], "UNKNOWN_PO_LINE", "P/9"),
        ([shipped(("9", "A", 1, 0))], "UNKNOWN_PO_LINE", "P/9"),
        ([received("A", 1, "9")], "UNKNOWN_PO_LINE", "P/9"),
        ([received("Q", 1)], "UNKNOWN_PO_LINE", "P/Q"),
        ([acknowledged(ack_line("1", "R2"))], "LINE_REJECTED", "P/1"),
        ([acknowledged(ack_line("1", "IA", 12))], "OVER_ACKNOWLEDGED", "P/1"),
        ([acknowledged(ack_line("1", "BP", 3))], "ACK_QUANTITY", "P/1"),
        ([acknowledged(ack_line("1", "DR", 10, REQUESTED + 1))], "ACK_DATE", "P/1"),
        ([shipped(("1", "A", 12, 0))], "OVER_SHIPMENT", "P/1"),
        ([shipped(("1", "A", 10, 12))], "OVER_RECEIPT", "P/1"),
        ([received("A", 3, "1")], "RECEIPT_WITHOUT_NOTICE", "P/1"),
        ([ordered(po_line("1", "A", 10), revision=2, status="CLOSED")], "SHORT_RECEIPT", "P/1"),
    ],
)
def test_each_departure_from_the_order_is_raised_with_its_line(events, category, subject):
    """One owned exception a finding."""
    assert after(PO, *events).open()[category] == subject


def test_tolerances_allow_what_they_say_and_no_more():
    """Percent of the ordered quantity, over and under."""
    order = po_line("1", "A", 10, over=20, under=10)

    within = after(ordered(order), shipped(("1", "A", 12, 12)))
    beyond = after(ordered(order), shipped(("1", "A", 13, 13)))
    short = after(ordered(order, status="CLOSED"), shipped(("1", "A", 9, 9)))

    assert within.open() == {}
    assert {"OVER_SHIPMENT", "OVER_RECEIPT"} == beyond.open().keys()
    assert short.open() == {}


def test_a_finding_is_resolved_when_the_facts_no_longer_show_it():
    """The buyer raises the order, the ship notice comes."""
    stage = after(PO, received("A", 12, "1"))
    assert {"OVER_RECEIPT", "RECEIPT_WITHOUT_NOTICE"} == stage.open().keys()

    stage.each(ordered(po_line("1", "A", 12), revision=2), shipped(("1", "A", 12, 0)))

    assert stage.open() == {}


def test_supply_outside_the_fence_is_raised_by_the_clock_and_stays_visible():
    """Overdue by more than the supplier's days leaves the promise, not the sight."""
    stage = after(PO)
    due = stage.due("P")
    assert due == (REQUESTED + 7 + 1) * DAY

    stage.take(clock("P", due))

    assert stage.open() == {"SUPPLY_OVERDUE": "P/1"}
    assert stage.expected("A|W1") == [("ORDERED", "1", None, 10, REQUESTED)]
    assert stage.due("P") == 0
    stage.take(acknowledged(ack_line("1", "DR", 10, TODAY + 60)))
    assert "SUPPLY_OVERDUE" not in stage.open()


def test_a_delivered_shipment_is_short_when_unloading_has_had_its_time():
    """The carrier says delivered, the dock says less."""
    stage = after(PO, shipped(("1", "A", 10, 7), state="DELIVERED"))
    assert stage.open() == {}

    stage.take(clock("P", stage.due("P")))
    assert stage.open() == {"SHORT_RECEIPT": "S1/P/1"}

    stage.take(shipped(("1", "A", 10, 10), state="DELIVERED"))
    assert stage.open() == {}


def test_two_orders_with_one_number_and_revision_conflict_and_the_first_holds():
    """The same content again is silent, and so is an older revision."""
    stage = after(ordered(po_line("1", "A", 10), revision=2))

    assert stage.take(ordered(po_line("1", "A", 10), revision=2)) == []
    assert stage.take(ordered(po_line("1", "A", 99), revision=1)) == []
    stage.take(ordered(po_line("1", "A", 11), revision=2))

    assert stage.open() == {"DOCUMENT_CONFLICT": "P"}
    assert stage.expected("A|W1") == [("ORDERED", "1", None, 10, REQUESTED)]


def test_a_line_number_that_stands_twice_names_one_line():
    """The last one, so that nothing said about it counts twice."""
    stage = after(ordered(po_line("1", "A", 4), po_line("1", "A", 6)), received("A", 6, "1"))

    assert stage.expected("A|W1") == []


def test_a_step_says_once_what_many_events_changed():
    """Outputs are coalesced over a chunk, and unchanged claims are not repeated."""
    stage = Stage(step)

    outputs = stage.take(PO, acknowledged(ack_line("1", "IA")), shipped(("1", "A", 4, 0)))

    assert [topic for topic, _, _ in outputs] == ["inventory.ledger", "erp.postings"]
    assert stage.take(acknowledged(ack_line("1", "IA"), at=NOON + 5)) == []


def test_a_claim_carries_the_fact_that_caused_it_and_every_field_of_an_entry():
    """Causes reach the position, and from there the delta."""
    event = ordered(po_line("1", "A", 10))

    ((_, key, entry),) = Stage(step).take(event, clock("P", NOON + 1))

    assert key == "A|W1"
    assert entry["coordinate"] == event[1]["coordinate"]
    assert entry["claim"]["fence_days"] == 7
    assert entry["claim"]["offset_days"] == 1
    assert entry["policy"] is entry["line"] is entry["corrects"] is entry["to_disposition"] is None


def test_an_input_below_the_last_one_folded_is_refused():
    """State and log disagree: the worker must halt."""
    stage = after(PO, received("A", 1))
    stage._offsets = iter([0])

    with pytest.raises(OutOfOrder):
        stage.take(PO)

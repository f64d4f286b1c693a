"""An event that a producer sends twice is taken once: within a chunk, across chunks, restarts and merged rows."""

from hypothesis import given, settings
from hypothesis import strategies as st
from inbound_records import DAY, MINUTE, Dock, Raw, ack, ack_line, categories, item, of, scan

from tables.outcome import unpack_row

SCANS = "warehouse.scans"
HOUR = 3_600_000


def quantities(outputs) -> list[int]:
    return [entry["quantity"] for entry in of(outputs, "inventory.ledger")]


def test_same_event_in_one_chunk_is_taken_once():
    """The second is dropped without a word, and counted."""
    dock, record = Dock(), scan("RECEIPT")

    outputs = dock.send(SCANS, record, record)

    assert quantities(outputs) == [5]
    assert dock.intake.counts[SCANS, "duplicate"] == 1


def test_same_event_after_a_restart_is_taken_once():
    """The window is in the table."""
    dock, record = Dock(), scan("RECEIPT")
    dock.send(SCANS, record)
    dock.restart()

    assert dock.send(SCANS, record) == []


def test_uuid_is_the_same_however_it_is_written():
    """Upper case and missing hyphens do not make another event."""
    dock, record = Dock(), scan("RECEIPT", event_id="0A0B0C0D-0000-4000-8000-000000000001")
    other = {**record, "event_id": "0a0b0c0d00004000800000000000 0001".replace(" ", "")}

    assert quantities(dock.send(SCANS, record, other)) == [5]


def test_ids_that_are_no_uuids_belong_to_their_sender():
    """Two suppliers both number from one; each one's second document 1 is a duplicate."""
    dock = Dock()
    dock.learn("partners.profiles", {**dock.reference.partners["ACME"], "partner": "BETA"})
    line = ack_line(item={"scheme": "SKU", "code": "BOLT"})
    first, second = ack(line, event_id="1"), ack(line, event_id="1", supplier="BETA")

    outputs = dock.send("supplier.acks", first, second, first, second)

    assert [event["ack"]["supplier"] for event in of(outputs, "supply.events")] == ["ACME", "BETA"]


def test_event_is_forgotten_after_the_window():
    """Whole hours leave the table, as deletions; the id is free for another event."""
    dock, record = Dock(), scan("RECEIPT")
    dock.send(SCANS, record)
    dock.now += 7 * DAY - 1
    dock.sweep()
    assert dock.send(SCANS, record) == []

    dock.now += HOUR + 15 * MINUTE + 1
    dock.sweep()

    assert dock.rows == {}
    assert quantities(dock.send(SCANS, {**record, "occurred_at": dock.now})) == [5]


def test_one_row_a_chunk_and_merged_as_they_gather():
    """Rows of ids do not grow with the number of chunks."""
    dock = Dock()
    records = [scan("RECEIPT") for _ in range(300)]
    for n, record in enumerate(records):
        dock.send(SCANS, record)
        if n % 20 == 0:
            dock.sweep()
    dock.sweep()

    assert len(dock.rows) < 70
    assert sum(len(unpack_row(row)[0]) for row in dock.rows.values()) == 300 * 16
    dock.restart()
    assert dock.send(SCANS, *records) == []


def test_reference_data_and_heartbeats_have_no_window():
    """They may come again as often as they like."""
    dock = Dock()

    assert len(dock.send("erp.items", item(), item())) == 2


def test_those_taken_after_waiting_are_remembered_whoever_was_tried_first():
    """A record that is tried and still waits is tried first again: what was taken behind it then stays remembered."""
    dock = Dock()
    cases, each = (
        scan("RECEIPT", n, item={"scheme": "SKU", "code": "N"}, uom=uom) for n, uom in ((1, "CA"), (5, "EA"))
    )
    dock.send(SCANS, cases, each)
    first = dock.learn("erp.items", item("N", identifiers=[], packs=[]))
    second = dock.learn("erp.items", item("N", identifiers=[]))
    dock.restart()

    assert [quantities(first), quantities(second)] == [[5], [12]]
    assert dock.send(SCANS, cases, each) == []


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 15), st.sampled_from("srh-")), max_size=40))
def test_whatever_happens_between_every_event_is_taken_once(steps):
    """Sweeps, restarts and passing hours in any order between repeats of a few events."""
    dock = Dock()
    records = [scan("RECEIPT") for _ in range(16)]
    taken = 0
    for index, then in steps:
        taken += len(quantities(dock.send(SCANS, records[index])))
        if then == "s":
            dock.sweep()
        elif then == "r":
            dock.restart()
        elif then == "h":
            dock.now += HOUR
            dock.sweep()

    assert len({index for index, _ in steps}) == taken


def test_an_event_sent_again_when_its_id_is_forgotten_is_too_old():
    """Eight days later nobody knows whether it was taken before: it is turned away, and an owner hears of it."""
    dock, record = Dock(), scan("RECEIPT")
    dock.send(SCANS, record)
    dock.now += 8 * DAY
    dock.sweep()

    assert dock.rows == {}
    assert categories(dock.send(SCANS, record)) == ["TIME_TOO_OLD"]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(-20 * MINUTE, 8 * DAY),
    st.lists(st.integers(0, 15 * DAY) | st.integers(7 * DAY - 2 * HOUR, 7 * DAY + 2 * HOUR), max_size=6),
)
def test_however_late_an_event_comes_and_comes_again_it_counts_once(age, times):
    """Ahead of the clock, days late, sent again at any time, with sweeps between: taken once or turned away."""
    dock = Dock()
    record, start = scan("RECEIPT", occurred_at=dock.now - age), dock.now
    taken = 0
    for later in sorted(times):
        dock.now = start + later
        dock.sweep()
        taken += len(quantities(dock.send(SCANS, record)))

    assert taken <= 1


UNITS = ("EA", "CA", "PL")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 8), st.sampled_from("srhicp-")), max_size=40))
def test_whatever_waits_between_every_event_is_taken_once(steps):
    """The same of events whose item or unit comes, piece by piece, only later."""
    dock = Dock()
    units: set[str] = set()
    code = {"scheme": "SKU", "code": "N"}
    records = [scan("RECEIPT", n + 1, item=code, uom=UNITS[n % 3]) for n in range(9)]
    taken = [0]

    def count(outputs):
        taken[0] += len(quantities(outputs))

    for index, then in steps:
        count(dock.send(SCANS, records[index]))
        if then == "r":
            dock.restart()
        elif then in "icp":
            units.add({"i": "EA", "c": "CA", "p": "PL"}[then])
            packs = [{"uom": unit, "factor": 12} for unit in sorted(units - {"EA"})]
            count(dock.learn("erp.items", item("N", identifiers=[], packs=packs)))
        elif then in "sh":
            dock.now += HOUR if then == "h" else 0
            count(dock.sweep())
    count(dock.learn("erp.items", item("N", identifiers=[], packs=[{"uom": unit, "factor": 12} for unit in UNITS[1:]])))
    dock.restart()
    count(dock.send(SCANS, *records))

    assert taken == [9]


def test_dead_letters_and_refusals_leave_no_trace_in_the_window():
    """What was not taken can be sent again."""
    dock = Dock()

    dock.send(SCANS, Raw(b"junk"), scan("RECEIPT", 0))

    assert dock.rows == {}

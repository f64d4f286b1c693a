"""Input that waits for reference data: it enters by itself, once, in order, across restarts."""

import pytest
from inbound_records import (
    DAY,
    MINUTE,
    NOW,
    Dock,
    Raw,
    ack,
    ack_line,
    asn,
    asn_line,
    categories,
    item,
    location,
    of,
    po_line,
    profile,
    purchase_order,
    scan,
    stock_snapshot,
)

from streams.intake import IntakeRules

SCANS, ASNS = "warehouse.scans", "supplier.asns"
GHOST = {"scheme": "SKU", "code": "GHOST"}


@pytest.mark.parametrize(
    ("topic", "record", "reference", "comes", "output"),
    [
        (SCANS, scan("RECEIPT", item=GHOST), "erp.items", item("GHOST", identifiers=[]), "inventory.ledger"),
        (
            SCANS,
            scan("RECEIPT", item={"scheme": "GTIN", "code": "4006381333931"}),
            "erp.items",
            item("GHOST", identifiers=[{"scheme": "GTIN", "code": "04006381333931", "party": None}]),
            "inventory.ledger",
        ),
        (SCANS, scan("RECEIPT", location="DC99"), "erp.locations", location("DC99"), "inventory.ledger"),
        (
            SCANS,
            scan("RECEIPT", location="7001"),
            "erp.locations",
            location("DC02", codes=[{"party": "WMS-DC01", "code": "7001"}]),
            "inventory.ledger",
        ),
        (SCANS, scan("RECEIPT", uom="BX"), "erp.items", item(packs=[{"uom": "BX", "factor": 6}]), "inventory.ledger"),
        (
            "supplier.acks",
            ack(ack_line(), supplier="NEWCO"),
            "partners.profiles",
            profile("NEWCO"),
            None,  # its vendor part is unknown then
        ),
        (
            "erp.purchase-orders",
            purchase_order(po_line(item=GHOST)),
            "erp.items",
            item("GHOST", identifiers=[]),
            "supply.events",
        ),
        (
            "erp.stock-snapshots",
            stock_snapshot(sku="GHOST"),
            "erp.items",
            item("GHOST", identifiers=[]),
            "inventory.ledger",
        ),
    ],
    ids=["sku", "gtin", "location", "location code", "unit", "partner", "order", "snapshot"],
)
def test_record_enters_when_what_it_lacked_comes(topic, record, reference, comes, output):
    """It is taken with its own coordinate and the time it got in, and its exception is resolved as replayed."""
    dock = Dock()
    [raised] = of(dock.send(topic, record), "exceptions")
    dock.now += MINUTE

    outputs = dock.learn(reference, comes)

    if output is None:
        assert categories(outputs) == ["UNKNOWN_ITEM"]
        return
    [event] = of(outputs, output)
    assert (f"{topic}[0]@0", NOW + MINUTE) == (event["coordinate"], event["recorded_at"])
    [resolution] = of(outputs, "exceptions.resolutions")
    assert (raised["exception_id"], "REPLAYED") == (resolution["exception_id"], resolution["resolution"])
    assert dock.parked == []


def test_other_reference_data_change_nothing():
    """Only what a record waits for takes it again."""
    dock = Dock()
    dock.send(SCANS, scan("RECEIPT", item=GHOST))

    assert dock.learn("erp.items", item("NUT", identifiers=[])) == []
    assert len(dock.parked) == 1


def test_parked_record_survives_a_restart():
    """The index of who waits for what is rebuilt from the rows."""
    dock = Dock()
    dock.send(SCANS, scan("RECEIPT", item=GHOST))
    dock.restart()

    outputs = dock.learn("erp.items", item("GHOST", identifiers=[]))

    assert len(of(outputs, "inventory.ledger")) == 1


def test_sweep_finds_what_came_while_nobody_listened():
    """Reference data that came between two owners of a partition are seen by the next."""
    dock = Dock()
    dock.send(SCANS, scan("RECEIPT", item=GHOST))
    dock.reference.apply("erp.items", item("GHOST", identifiers=[]))
    dock.restart()

    outputs = dock.sweep()

    assert len(of(outputs, "inventory.ledger")) == 1
    assert dock.sweep() == []


def test_many_that_wait_are_taken_over_several_sweeps():
    """A large item coming late does not stop the task; nothing is left behind."""
    dock = Dock(IntakeRules(retry_most=3))
    dock.send(SCANS, *(scan("RECEIPT", n, item=GHOST) for n in range(1, 9)))

    taken = [dock.learn("erp.items", item("GHOST", identifiers=[])), dock.sweep(), dock.sweep(), dock.sweep()]

    quantities = [entry["quantity"] for outputs in taken for entry in of(outputs, "inventory.ledger")]
    assert list(range(1, 9)) == quantities
    assert [len(of(outputs, "inventory.ledger")) for outputs in taken] == [3, 3, 2, 0]


def test_next_thing_lacking_takes_the_place_of_the_first():
    """One exception at a time is open for a record; the former is resolved as the next is raised."""
    dock = Dock()
    first = dock.send(SCANS, scan("RECEIPT", item=GHOST, uom="BX"))
    second = dock.learn("erp.items", item("GHOST", identifiers=[]))
    third = dock.learn("erp.items", item("GHOST", identifiers=[], packs=[{"uom": "BX", "factor": 4}]))

    assert categories(first) == ["UNKNOWN_ITEM"]
    assert categories(second) == ["UNKNOWN_UOM"]
    assert [r["category"] for r in of(second, "exceptions.resolutions")] == ["UNKNOWN_ITEM"]
    assert [r["category"] for r in of(third, "exceptions.resolutions")] == ["UNKNOWN_UOM"]
    assert of(third, "inventory.ledger")[0]["quantity"] == 20


def test_record_may_turn_out_to_be_wrong_beyond_waiting():
    """It leaves the table with the exception that is left, and may be sent again once mended."""
    dock = Dock()
    record = scan("RECEIPT", 5, item=GHOST)
    dock.send(SCANS, record)

    outputs = dock.learn("erp.items", item("GHOST", identifiers=[], base_uom="DZN", packs=[]))
    dock.learn("erp.items", item("GHOST", identifiers=[], base_uom="DZN", packs=[{"uom": "EA", "factor": 1}]))
    again = dock.send(SCANS, record)

    assert categories(outputs) == ["INEXACT_CONVERSION"]
    assert dock.parked == []
    assert len(of(again, "inventory.ledger")) == 1


def test_document_waits_for_everything_it_lacks_at_once():
    """Two unknown lines: the first item alone does not let half of it in."""
    dock = Dock()
    lines = [po_line(item=GHOST), po_line(line="2", item={"scheme": "SKU", "code": "NUT"})]
    dock.send("erp.purchase-orders", purchase_order(*lines))

    first = dock.learn("erp.items", item("NUT", identifiers=[]))
    second = dock.learn("erp.items", item("GHOST", identifiers=[]))

    assert of(first, "supply.events") == []
    assert len(of(second, "supply.events")) == 1


def test_record_that_waits_is_a_duplicate_when_sent_again():
    """Also after a restart; and it enters once."""
    dock = Dock()
    record = scan("RECEIPT", item=GHOST)
    dock.send(SCANS, record)
    dock.restart()

    assert dock.send(SCANS, record) == []
    assert len(of(dock.learn("erp.items", item("GHOST", identifiers=[])), "inventory.ledger")) == 1
    assert dock.send(SCANS, record) == []


def test_record_is_judged_by_the_time_it_came():
    """Waiting for master data does not make a scan too old."""
    dock = Dock(IntakeRules(park_ms=90 * DAY))
    dock.send(SCANS, scan("RECEIPT", item=GHOST))
    dock.now += 60 * DAY

    outputs = dock.learn("erp.items", item("GHOST", identifiers=[]))

    assert len(of(outputs, "inventory.ledger")) == 1


def test_ship_notices_of_one_shipment_stay_in_order():
    """A replacement must not overtake the notice it replaces because that one waits."""
    dock = Dock()
    lacking = {"scheme": "SKU", "code": "GHOST"}
    dock.send(ASNS, asn(asn_line(item=lacking)), asn(asn_line(), purpose="REPLACE"), asn(asn_line(), shipment_id="SH2"))
    assert dock.parked == [f"{ASNS}[0]@0", f"{ASNS}[0]@1"]

    outputs = dock.learn("erp.items", item("GHOST", identifiers=[]))

    assert [event["notice"]["purpose"] for event in of(outputs, "shipment.events")] == ["ORIGINAL", "REPLACE"]
    assert dock.parked == []


def test_record_that_waited_too_long_is_left_to_people():
    """It leaves the table; its exception stays open, told again with the bytes in it."""
    dock = Dock()
    record = scan("RECEIPT", item=GHOST)
    raw = dock.raw(SCANS, record)
    [raised] = of(dock.send(SCANS, Raw(raw.value, raw.key)), "exceptions")
    dock.now += 31 * DAY

    [again] = of(dock.sweep(), "exceptions")

    assert (raised["exception_id"], raw.value) == (again["exception_id"], again["original"])
    assert "in vain; count the position" in again["message"]
    assert dock.parked == []


def test_record_whose_schema_nobody_could_be_asked_about_waits():
    """With the registry down a new schema id parks the record; sent again meanwhile it still counts once."""
    dock = Dock()
    raw = dock.raw(SCANS, scan("RECEIPT"))
    assert raw.value is not None
    strange = Raw(b"\x00\x00\x00\x00\x63" + raw.value[5:], raw.key)
    assert categories(dock.send(SCANS, strange, strange)) == ["SCHEMA_UNAVAILABLE"] * 2
    dock.restart()

    dock.codec.learn(0x63, dock.codec._writers[1])
    waiting = dock.intake.waiting({f"schema|{0x63}"})
    outputs = dock._keep(dock.intake.replay(dock.rows, waiting, dock.now))

    assert len(of(outputs, "inventory.ledger")) == 1
    assert len(of(outputs, "exceptions.resolutions")) == 2
    assert dock.parked == []


def test_schema_that_came_while_nobody_listened_is_found_within_a_minute():
    """A partition that moves hears of no schema; its next owner tries what waits for one now and then."""
    dock = Dock()
    raw = dock.raw(SCANS, scan("RECEIPT"))
    assert raw.value is not None
    dock.send(SCANS, Raw(b"\x00\x00\x00\x00\x63" + raw.value[5:], raw.key))
    dock.restart()
    assert of(dock.sweep(), "inventory.ledger") == []

    dock.codec.learn(0x63, dock.codec._writers[1])
    dock.now += MINUTE

    assert len(of(dock.sweep(), "inventory.ledger")) == 1
    assert dock.parked == []

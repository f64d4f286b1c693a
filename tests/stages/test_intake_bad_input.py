"""Every kind of bad input: its category, its owner, its remedy, its bytes; its neighbours go through."""

import pytest
from inbound_records import (
    DAY,
    NOW,
    TODAY,
    Dock,
    Raw,
    ack,
    ack_line,
    against,
    asn,
    asn_line,
    categories,
    heartbeat,
    item,
    location,
    milestone,
    of,
    po_line,
    posting_result,
    profile,
    purchase_order,
    reservation,
    sales_order,
    scan,
    so_line,
    stock_snapshot,
)

from streams.intake import INBOUND, IntakeRules
from tables.exceptions import CATEGORIES

SCANS, ACKS, ASNS, MILESTONES = "warehouse.scans", "supplier.acks", "supplier.asns", "carrier.milestones"
POS, SOS, STOCK, BEATS = "erp.purchase-orders", "erp.sales-orders", "erp.stock-snapshots", "feeds.heartbeats"

UNKNOWN = {"scheme": "SKU", "code": "GHOST"}

BAD = [
    (SCANS, scan("RECEIPT", 0), "INVALID_QUANTITY"),
    (SCANS, scan("RECEIPT", -1), "INVALID_QUANTITY"),
    (SCANS, scan("SHIP", 0), "INVALID_QUANTITY"),
    (SCANS, scan("ADJUST", 0), "INVALID_QUANTITY"),
    (SCANS, scan("COUNT", -1), "INVALID_QUANTITY"),
    (SCANS, scan("RECEIPT", 0, corrects="x"), "INVALID_QUANTITY"),
    (SCANS, scan("RECEIPT", 10**18, uom="CA"), "INVALID_QUANTITY"),
    (SCANS, scan("RECEIPT", 10**15), "INVALID_QUANTITY"),
    (SCANS, scan("COUNT", 1, corrects="x"), "INVALID_REFERENCE"),
    (SCANS, scan("PICK", reference=against("NONE", "")), "INVALID_REFERENCE"),
    (SCANS, scan("PACK", reference=against("PURCHASE_ORDER", "P1")), "INVALID_REFERENCE"),
    (SCANS, scan("RECEIPT", reference=against("PURCHASE_ORDER", "")), "INVALID_REFERENCE"),
    (SCANS, scan("TRANSFER_OUT", reference=against("TRANSFER", "T1")), "MISSING_FIELD"),
    (SCANS, scan("TRANSFER_OUT", to_location="DC02"), "INVALID_REFERENCE"),
    (SCANS, scan("TRANSFER_OUT", to_location="DC01", reference=against("TRANSFER", "T1")), "INVALID_REFERENCE"),
    (SCANS, scan("TRANSFER_IN"), "INVALID_REFERENCE"),
    (SCANS, scan("RECEIPT", disposition="lost"), "INVALID_CODE"),
    (SCANS, scan("HOLD", to_disposition="available"), "INVALID_CODE"),
    (SCANS, scan("RECEIPT", item={"scheme": "GTIN", "code": "4012345678902"}), "INVALID_CODE"),
    (SCANS, scan("RECEIPT", item={"scheme": "GTIN", "code": "12AB"}), "INVALID_CODE"),
    (SCANS, scan("RECEIPT", item={"scheme": "SKU", "code": " "}), "INVALID_CODE"),
    (SCANS, scan("RECEIPT", event_id=""), "MISSING_FIELD"),
    (SCANS, scan("RECEIPT", source=""), "MISSING_FIELD"),
    (SCANS, scan("RECEIPT", occurred_at=NOW + DAY), "TIME_IN_FUTURE"),
    (SCANS, scan("RECEIPT", occurred_at=NOW - 31 * DAY), "TIME_TOO_OLD"),
    (SCANS, scan("RECEIPT", item=UNKNOWN), "UNKNOWN_ITEM"),
    (SCANS, scan("RECEIPT", location="DC99"), "UNKNOWN_LOCATION"),
    (SCANS, scan("RECEIPT", uom="XBX"), "UNKNOWN_UOM"),
    (SCANS, scan("RECEIPT", location="OLD"), "CLOSED_LOCATION"),
    (SCANS, scan("RECEIPT", 5, uom="EA", item={"scheme": "SKU", "code": "EGG"}), "INEXACT_CONVERSION"),
    (ACKS, ack(ack_line(), po_number=""), "MISSING_FIELD"),
    (ACKS, ack(ack_line(), ack_type="QQ"), "INVALID_CODE"),
    (ACKS, ack(ack_line(status="QQ")), "INVALID_CODE"),
    (ACKS, ack(ack_line(date_kind="QQ", date=TODAY)), "INVALID_CODE"),
    (ACKS, ack(ack_line(date=2**30)), "INVALID_DATE"),
    (ACKS, ack(), "MISSING_FIELD"),
    (ACKS, ack(ack_line(quantity=-1)), "INVALID_QUANTITY"),
    (ACKS, ack(ack_line(uom=None)), "MISSING_FIELD"),
    (ACKS, ack(ack_line(item=None)), "MISSING_FIELD"),
    (ACKS, ack(ack_line(), acknowledged_at=NOW + 2 * DAY), "TIME_IN_FUTURE"),
    (ACKS, ack(ack_line(), acknowledged_at=NOW - 500 * DAY), "TIME_TOO_OLD"),
    (ACKS, ack(ack_line(), supplier="NOBODY"), "UNKNOWN_PARTNER"),
    (ACKS, ack(ack_line(), ack_line(line="2", item=UNKNOWN)), "UNKNOWN_ITEM"),
    (ASNS, asn(), "MISSING_FIELD"),
    (ASNS, asn(asn_line(quantity=0)), "INVALID_QUANTITY"),
    (ASNS, asn(asn_line(quantity=-5)), "INVALID_QUANTITY"),
    (ASNS, asn(asn_line(po_number="")), "MISSING_FIELD"),
    (ASNS, asn(asn_line(), estimated_arrival=2**60), "INVALID_DATE"),
    (ASNS, asn(asn_line(), ship_to="DC99"), "UNKNOWN_LOCATION"),
    (ASNS, asn(asn_line(uom="XBX")), "UNKNOWN_UOM"),
    (MILESTONES, milestone(""), "MISSING_FIELD"),
    (MILESTONES, milestone(occurred_at=NOW + 2 * DAY), "TIME_IN_FUTURE"),
    (MILESTONES, milestone(estimated_arrival=-1), "INVALID_DATE"),
    (POS, purchase_order(), "MISSING_FIELD"),
    (POS, purchase_order(po_line(), po_line()), "INVALID_CODE"),
    (POS, purchase_order(po_line(quantity=-1)), "INVALID_QUANTITY"),
    (POS, purchase_order(po_line(tolerance_over=-1)), "INVALID_QUANTITY"),
    (POS, purchase_order(po_line(requested_date=-1)), "INVALID_DATE"),
    (POS, purchase_order(po_line(), supplier="NOBODY"), "UNKNOWN_PARTNER"),
    (POS, purchase_order(po_line(), ordered_at=NOW + 2 * DAY), "TIME_IN_FUTURE"),
    (SOS, sales_order(), "MISSING_FIELD"),
    (SOS, sales_order(so_line(allocated=-1)), "INVALID_QUANTITY"),
    (SOS, sales_order(so_line(location="DC99")), "UNKNOWN_LOCATION"),
    (STOCK, stock_snapshot(disposition="lost"), "INVALID_CODE"),
    (STOCK, stock_snapshot(sku="GHOST"), "UNKNOWN_ITEM"),
    (STOCK, stock_snapshot(on_hand=2**62), "INVALID_QUANTITY"),
    (BEATS, heartbeat(sent_at=NOW + DAY), "TIME_IN_FUTURE"),
    (BEATS, heartbeat(source="a|b"), "INVALID_CODE"),
    ("erp.items", item(packs=[{"uom": "CA", "factor": 0}]), "INVALID_QUANTITY"),
    ("erp.items", item(packs=[{"uom": "CA", "factor": 6}, {"uom": "CA", "factor": 8}]), "INVALID_CODE"),
    ("erp.items", item(packs=[{"uom": "PCE", "factor": 2}]), "INVALID_CODE"),
    ("erp.items", item("A|B"), "INVALID_CODE"),
    ("erp.items", item(base_uom=""), "MISSING_FIELD"),
    ("erp.items", item(identifiers=[{"scheme": "GTIN", "code": "1", "party": None}]), "INVALID_CODE"),
    ("erp.items", item(safety_stock=[{"location": None, "quantity": -1}]), "INVALID_QUANTITY"),
    ("erp.locations", location("A|B"), "INVALID_CODE"),
    ("erp.locations", location(codes=[{"party": "ACME", "code": ""}]), "MISSING_FIELD"),
    ("partners.profiles", profile(ship_days=-1), "INVALID_QUANTITY"),
]


def dock() -> Dock:
    known = Dock()
    known.reference.apply("erp.locations", location("OLD", active=False))
    known.reference.apply("erp.items", item("EGG", base_uom="DZN", packs=[], identifiers=[]))
    return known


@pytest.mark.parametrize(("topic", "record", "category"), BAD, ids=[f"{t}-{c}-{n}" for n, (t, _, c) in enumerate(BAD)])
def test_bad_record_becomes_an_owned_exception_with_its_bytes(topic, record, category):
    """Nothing is written but the exception: category, owner, remedy, coordinate and every byte are in it."""
    known = dock()
    raw = known.raw(topic, record)

    outputs = known.send(topic, Raw(raw.value, raw.key))

    assert categories(outputs) == [category]
    assert {"exceptions"} == {name for name, _, _ in outputs}
    [exception] = of(outputs, "exceptions")
    assert (raw.value, f"{topic}[0]@0") == (exception["original"], exception["coordinate"])
    assert exception["remedy"] == CATEGORIES[category].remedy
    assert exception["owner"]


@pytest.mark.parametrize(
    ("topic", "raw", "category"),
    [
        (SCANS, Raw(b""), "NOT_AVRO"),
        (SCANS, Raw(b'{"scan": "not Avro"}'), "NOT_AVRO"),
        (SCANS, Raw(b"\x00\x00\x00\x00\x01\xff\xff"), "MALFORMED"),
        (SCANS, Raw(b"\x00\x7f\xff\xff\xff"), "UNKNOWN_SCHEMA"),
        (SCANS, Raw(b"\x00\x00\x00\x00\x02rest"), "WRONG_SCHEMA"),
    ],
)
def test_what_cannot_be_read_is_dead_lettered_byte_for_byte(topic, raw, category):
    """A dead letter says where it stood, what is wrong and whose it is."""
    known = Dock()
    known.codec.learn(0x7FFFFFFF, None)  # the registry was asked and has none

    [(name, key, letter)] = known.send(topic, raw)

    assert ("dead-letters", f"{topic}[0]@0") == (name, key)
    assert (raw.value, raw.key, category) == (letter["original"], letter["key"], letter["category"])
    assert letter["owner"]
    assert letter["remedy"]


@pytest.mark.parametrize(
    ("raw", "category"),
    [
        (Raw(b"x", None), "NULL_KEY"),
        (Raw(None), "NULL_VALUE"),
        (Raw(b"x" * 101), "OVERSIZED"),
        (Raw(b"x", b"k" * 101), "OVERSIZED"),
    ],
)
def test_record_without_key_or_value_or_measure_is_not_looked_into(raw, category):
    """Each is refused before decoding."""
    outputs = Dock(IntakeRules(max_scan_bytes=100)).send(SCANS, raw)

    assert categories(outputs) == [category]


def test_oversized_record_leaves_an_excerpt_and_its_digest():
    """The exception itself must fit; the whole record is at its coordinate."""
    outputs = Dock().send(ACKS, Raw(b"x" * (1 << 20)))

    [exception] = of(outputs, "exceptions")
    assert (64 << 10, str(1 << 20)) == (len(exception["original"]), exception["evidence"]["bytes"])
    assert len(exception["evidence"]["sha256"]) == 64


def test_document_with_too_many_lines_is_oversized():
    """What it becomes would not fit."""
    lines = [po_line(line=str(n)) for n in range(11)]

    outputs = Dock(IntakeRules(max_lines=10)).send(POS, purchase_order(*lines))

    assert categories(outputs) == ["OVERSIZED"]


@pytest.mark.parametrize("topic", [topic for topic in INBOUND if topic != SCANS])
def test_key_that_is_not_the_contents_is_refused(topic):
    """It would part records of one document over partitions; scans alone may be keyed by any code of the item."""
    records = {
        ACKS: ack(ack_line()), ASNS: asn(asn_line()), MILESTONES: milestone(), POS: purchase_order(po_line()),
        SOS: sales_order(so_line()), STOCK: stock_snapshot(), BEATS: heartbeat(), "erp.items": item(),
        "erp.locations": location(), "partners.profiles": profile(), "reservations.requests": reservation(),
        "erp.posting-results": posting_result(),
    }  # fmt: skip
    known = Dock()

    outputs = known.send(topic, known.raw(topic, records[topic], b"\xffother"))

    assert categories(outputs) == ["INVALID_KEY"]


def test_scan_may_be_keyed_by_another_code_of_its_item():
    """Movements add up in any order, so a scan's partition does not matter."""
    known = Dock()

    outputs = known.send(SCANS, known.raw(SCANS, scan("RECEIPT"), b"4012345678901"))

    assert len(of(outputs, "inventory.ledger")) == 1


def test_deleting_reference_data_is_no_fault():
    """A compacted topic deletes with an empty value."""
    assert Dock().send("erp.items", Raw(None, b"BOLT")) == []


@pytest.mark.parametrize(
    ("topic", "record"),
    [
        (SCANS, scan("SHIP", event_id="e" * 14_000, correlation_id="c")),
        (SCANS, scan("RECEIPT", item={"scheme": "VENDOR_PART", "code": "x" * 14_000})),
        (SCANS, scan("RECEIPT", location="x" * 14_000)),
        (ACKS, ack(ack_line(item={"scheme": "VENDOR_PART", "code": "x" * 200_000}))),
        (ACKS, ack(ack_line(uom="x" * 200_000))),
        (ACKS, ack(ack_line(), po_number="x" * 200_000)),
        (ACKS, ack(ack_line(), supplier="x" * 200_000)),
        (MILESTONES, milestone(carrier="x" * 200_000)),
        (ASNS, asn(*(asn_line(po_line=str(n), sscc=f"{n:090}") for n in range(1_500)))),
        (
            POS,
            purchase_order(*(po_line(line=str(n), item={"scheme": "SKU", "code": f"{n:099}"}) for n in range(1_500))),
        ),
    ],
)
def test_nothing_grows_beyond_what_a_broker_takes(topic, record):
    """However its size is spread, a record that is let in becomes records and rows far below a megabyte."""
    known = Dock()
    raw = known.raw(topic, record)

    outputs = known.send(topic, raw)

    sizes = [len(known.codec.encode(name, value)) + len(key.encode()) for name, key, value in outputs]
    assert max(sizes) < 600_000
    assert all(len(key) + len(row) < 600_000 for key, row in known.rows.items())


def test_poison_never_stops_its_neighbours():
    """Good records around every kind of bad one come out, in order."""
    known = dock()
    bad = [record for topic, record, _ in BAD if topic == SCANS]
    chunk = [scan("RECEIPT", 1)]
    for n, record in enumerate(bad, 2):
        chunk += [record, Raw(b"\xff"), Raw(b"x", None), scan("RECEIPT", n)]

    outputs = known.send(SCANS, *chunk)

    assert list(range(1, len(bad) + 2)) == [entry["quantity"] for entry in of(outputs, "inventory.ledger")]
    assert len(of(outputs, "exceptions")) == 2 * len(bad)
    assert len(of(outputs, "dead-letters")) == len(bad)


def test_document_with_one_bad_line_is_never_half_taken():
    """The fault that no reference data mend is named first, and how many more there are."""
    lines = [po_line(line="1"), po_line(line="2", item=UNKNOWN), po_line(line="3", quantity=-1)]
    known = Dock()

    outputs = known.send(POS, purchase_order(*lines))

    assert categories(outputs) == ["INVALID_QUANTITY"]
    assert "1 more of 3 lines" in of(outputs, "exceptions")[0]["message"]
    assert of(outputs, "supply.events") == known.parked == []


def test_fault_of_ours_is_quarantined_too():
    """A bug that one record finds must not stop its partition for ever."""
    known = Dock()
    decode = known.intake._decode
    known.intake._decode = lambda topic, value: {} if value == b"strange" else decode(topic, value)

    outputs = known.send(SCANS, Raw(b"strange"), scan("RECEIPT"))

    assert categories(outputs) == ["UNPROCESSABLE"]
    assert len(of(outputs, "inventory.ledger")) == 1


def test_partners_fault_goes_to_whom_its_profile_names():
    """Owners of a category give way to the partner's own."""
    [exception] = of(Dock().send(ACKS, ack(ack_line(status="QQ"))), "exceptions")

    assert (exception["owner"], exception["partner"]) == ("buyer-acme", "ACME")


def test_refused_record_may_be_sent_again_once_mended():
    """Only what was taken is remembered as seen."""
    known = dock()
    record = scan("RECEIPT", location="OLD")
    refused = known.send(SCANS, record)
    known.learn("erp.locations", location("OLD"))

    taken = known.send(SCANS, record)

    assert categories(refused) == ["CLOSED_LOCATION"]
    assert len(of(taken, "inventory.ledger")) == 1


def test_counts_tell_what_became_of_every_record():
    """Accepted, duplicates, parked, quarantined and dead add up to what came in."""
    known = dock()
    good = scan("RECEIPT")

    known.send(SCANS, good, good, scan("RECEIPT", 0), scan("RECEIPT", item=UNKNOWN), Raw(b""), Raw(None))

    counts = {outcome: n for (_, outcome), n in known.intake.counts.items()}
    assert counts == {"accepted": 1, "duplicate": 1, "quarantined": 2, "parked": 1, "dead": 1}

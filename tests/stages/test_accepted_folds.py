"""What intake accepts, the inventory stage folds: nothing a sender writes can stop a partition for good."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from inbound_records import NOW, Dock, against, categories, item, location, reservation, scan
from ledger_entries import KEY, Inventory, entry, policy, rules

from tables.outcome import Output
from tables.position import Position
from tables.reservations import MOST_OPEN
from tables.sku import Sku, Terms, read

ITEMS, SCANS, REQUESTS = "erp.items", "warehouse.scans", "reservations.requests"


def fold(inventory: Inventory, outputs: list[Output]) -> None:
    inventory.take(*((key, record) for topic, key, record in outputs if topic == "inventory.ledger"))


@pytest.mark.parametrize("segment", ["s" * 101, "ä" * 51])
def test_an_item_with_a_long_segment_is_refused(segment):
    """Rows keep the segment; its length is counted in bytes, and the answer says so."""
    [(_, _, said)] = Dock().send(ITEMS, item("BOLT", segment=segment))

    assert (said["category"], said["owner"]) == ("INVALID_CODE", "integration")
    assert "segment" in said["message"]
    assert "100" in said["message"]


@pytest.mark.parametrize("segment", ["s" * 256, "ä" * 40_000])
def test_a_long_segment_that_stands_in_a_ledger_is_cut(segment):
    """A release before took it in: the row is written all the same, and read back as the same row."""
    inventory = Inventory()
    inventory.take(entry("RECEIPT", 5))
    inventory.take(policy(segment))
    inventory.take(policy(segment), entry("RECEIPT", 5, key="S1|DC02"))
    row = inventory.rows[KEY.encode()]

    assert segment.startswith(Position.load(row).segment)
    assert Position.load(row).dump() == row
    assert inventory.take(policy(segment)) == []


@pytest.mark.parametrize("field", ["number", "line"])
def test_a_scan_with_a_long_reference_is_refused(field):
    """Rows of documents and positions keep it, for as long as the document is open."""
    reference = against("SALES_ORDER", "S1", "1") | {field: "x" * 301}

    assert categories(Dock().send(SCANS, scan("SHIP", reference=reference))) == ["INVALID_REFERENCE"]


def test_a_sku_may_be_at_any_number_of_locations():
    """Their names and the channels told outgrow the short form of the row, which then takes a longer one."""
    sku = Sku.new()
    names = sorted(f"{'X' * 90}-{n:04}" for n in range(1_000))
    terms = Terms(sku.terms)
    terms.locations = names
    sku.terms = terms.dump()
    for n in range(300):
        sku.tell(-1, f"channel-{n}", (1, n, n, 0))
    row = sku.dump()
    again = Sku.load(row)

    assert Terms(again.terms).locations == names
    assert (again.told[299], len(again.told)) == ((1, 299, 299, 0), 300)
    assert read(row)[2:] == (again.told, again.terms)
    assert again.dump() == row


def test_open_reservations_fit_their_row():
    """Names as long as intake takes them: before the row outgrows a record of the changelog, the channel hears so."""
    inventory, dock = Inventory(), Dock()
    inventory.take(entry("RECEIPT", 10**6, key="BOLT|DC01", at=NOW))
    for first in range(0, MOST_OPEN, 100):
        requests = [
            reservation(reservation_id=f"BOLT.{n:0294}ä", correlation_id="ä" * 300, ttl_ms=86_400_000)
            for n in range(first, first + 100)
        ]
        fold(inventory, dock.send(REQUESTS, *requests))
    answers = {reason for _, _, _, reason in inventory.replies()}

    assert answers == {None, "TOO_MANY_OPEN"}
    assert max(len(row) for row in inventory.rows.values()) < 700_000


texts = st.text(max_size=130) | st.text("ä|* \n", max_size=400)
amounts = st.integers(-(10**12), 10**12) | st.integers(-9, 9) | st.sampled_from([2**63 - 1, -(2**63)])
times = st.integers(NOW - 10**9, NOW + 10**6) | st.sampled_from([0, -(2**63), 2**63 - 1])
items = st.builds(
    lambda sku, unit, segment, factor, place, stock: item(
        sku, base_uom=unit, segment=segment, packs=[{"uom": "CA", "factor": factor}], identifiers=[],
        safety_stock=[{"location": place, "quantity": stock}],
    ),
    st.just("BOLT") | texts, st.just("EA") | texts, texts, amounts, st.none() | texts, amounts,
)  # fmt: skip
scans = st.builds(
    lambda kind, quantity, named, disposition, to, source, at, corrects, lot: scan(
        kind, quantity, reference=named, disposition=disposition, to_disposition=to, to_location="DC02",
        source=source, occurred_at=at, corrects=corrects, lot=lot,
    ),
    st.sampled_from(["RECEIPT", "PUTAWAY", "SHIP", "ADJUST", "COUNT", "RETURN", "HOLD", "RELEASE", "TRANSFER_OUT", "TRANSFER_IN"]),
    amounts,
    st.builds(against, st.sampled_from(["NONE", "PURCHASE_ORDER", "SALES_ORDER", "TRANSFER"]), texts, st.none() | texts),
    st.none() | st.sampled_from(["available", "damaged", "quality_hold"]) | texts,
    st.none() | st.just("damaged"), st.just("WMS") | texts, times, st.none() | st.just("first"), st.none() | texts,
)  # fmt: skip
requests = st.builds(
    lambda action, name, channel, quantity, ttl, at, order: reservation(
        action, reservation_id=f"BOLT.{name}", channel=channel, quantity=quantity, ttl_ms=ttl, requested_at=at,
        order_number=order,
    ),
    st.sampled_from(["RESERVE", "CONFIRM", "CANCEL"]), st.just("1") | texts, st.just("webshop") | texts, amounts, amounts,
    times, texts,
)  # fmt: skip
sent = st.lists(
    st.tuples(st.just(ITEMS), items) | st.tuples(st.just(SCANS), scans) | st.tuples(st.just(REQUESTS), requests),
    max_size=30,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(sent)
def test_nothing_intake_accepts_makes_a_fold_raise(records):
    """Whatever texts, times and quantities records carry: what enters the ledger is folded, written and read back."""
    dock, inventory = Dock(), Inventory(rules(min_interval=1000, max_silence=5000))
    dock.reference.apply("erp.locations", location("DC03"))
    for topic, record in records:
        outputs = dock.send(topic, record)
        assert "UNPROCESSABLE" not in categories(outputs)
        fold(inventory, outputs)
        for _, key, said in ((t, k, r) for t, k, r in outputs if t == "inventory.ledger"):
            assert len(key) < 500
            assert said["recorded_at"] == NOW
    assert all(len(row) < 200_000 for row in inventory.rows.values())

"""The largest documents intake lets in: their rows fit a record of the changelog in every state, and what they say a topic."""

import pytest
from document_events import (
    TODAY,
    Stage,
    ack_line,
    acknowledged,
    answer,
    notice,
    ordered,
    po_line,
    promised,
    received,
    scan,
    shipped,
    so_line,
    sold,
    unloaded,
)
from inbound_records import Dock, asn, asn_line, categories, item, of, purchase_order, sales_order
from inbound_records import po_line as bought
from inbound_records import so_line as wanted

from schemas.catalogue import catalogue
from schemas.codec import Codec
from schemas.topics_admin import CHANGELOG
from streams import orders, shipments, supply
from tables.intake_rules import IntakeRules
from tables.reference_checks import NAME_LIMIT

RULES = IntakeRules()
ROW_MOST = int(CHANGELOG["max.message.bytes"]) * 3 // 4
PLACE = "L" * 30
NUMBERS = range(RULES.max_lines)
ROOM = RULES.max_names // RULES.max_lines - len(PLACE) - 5
"""Bytes that each SKU may have when a document's lines have all they may have."""
DELIVERIES = 2


def line(n: int) -> str:
    return f"{n:05}"


def sku(n: int) -> str:
    return f"{n:0{ROOM}}"


def assert_fits(stage: Stage) -> None:
    """Rows in a changelog's record, outputs in their topics'."""
    assert max(len(key) + len(row) for key, row in stage.rows.items()) < ROW_MOST
    codec = Codec()
    for number, topic in enumerate(sorted({topic for topic, _, _ in stage.outputs}), 1):
        codec.register(topic, number)
    for topic, key, record in stage.outputs:
        assert len(codec.encode(topic, record)) + len(key) < catalogue().topic(topic).max_message_bytes * 9 // 10
    stage.outputs.clear()


def test_a_sales_order_picked_packed_shipped_promised_and_returned():
    """Every line through every step, each step answered by the ERP."""
    stage = Stage(orders.step)
    stage.take(sold(*(so_line(line(n), sku(n), 10, location=PLACE) for n in NUMBERS)))
    stage.take(*(promised(sku(n), (line(n), 5, TODAY + 3), location=PLACE) for n in NUMBERS))
    for kind in ("PICKED", "PACKED", "SHIPPED", "RETURNED"):
        stage.take(*(scan(kind, sku(n), 10, line(n), location=PLACE) for n in NUMBERS))
        stage.take(*[answer(posting, "REFUSED", "r" * 300) for posting in stage.postings()])
        assert_fits(stage)


def test_a_purchase_order_acknowledged_and_delivered_in_parts():
    """Every line in each of several shipments, held for inspection, and received besides."""
    stage = Stage(supply.step)
    stage.take(ordered(*(po_line(line(n), sku(n), 10) for n in NUMBERS), ship_to=PLACE, unannounced=True))
    stage.take(acknowledged(*(ack_line(line(n), "IA", 10, TODAY + 6) for n in NUMBERS)))
    for number in range(DELIVERIES):
        lines = ((line(n), sku(n), 2, 2, {f"{PLACE}|quality_hold": 2}) for n in NUMBERS)
        stage.take(shipped(*lines, location=PLACE, shipment=f"S{number}"))
        assert_fits(stage)
    stage.take(*(received(sku(n), 10, line(n), PLACE, disposition="quality_hold") for n in NUMBERS))
    stage.take(*[answer(posting) for posting in stage.postings()])
    assert_fits(stage)


def test_a_ship_notice_of_as_many_lines():
    """Announced whole, and unloaded in part."""
    stage = Stage(shipments.step)
    stage.take(notice(*(("P" * 20, line(n), sku(n), 10) for n in NUMBERS), ship_to=PLACE))
    stage.take(*(unloaded(sku(n), 10, PLACE, "quality_hold") for n in NUMBERS[:10]))
    assert_fits(stage)


@pytest.mark.parametrize("topic", ["erp.purchase-orders", "supplier.asns"])
def test_short_codes_of_long_items_are_measured_by_what_they_become(topic):
    """A document small in its sender's codes is turned away when it is too large in ours: category, size and limit."""
    known = Dock()
    long = "Ä" * NAME_LIMIT
    known.reference.apply(
        "erp.items", item(long, identifiers=[{"scheme": "VENDOR_PART", "code": "1", "party": "ACME"}])
    )
    code = {"scheme": "VENDOR_PART", "code": "1"}
    made = {
        "erp.purchase-orders": lambda count: purchase_order(
            *(bought(line=str(n), item=code, uom="EA") for n in range(count))
        ),
        "supplier.asns": lambda count: asn(*(asn_line(po_line=str(n), item=code, uom="EA") for n in range(count))),
    }[topic]

    assert categories(known.send(topic, made(1_000))) == []
    refused = known.send(topic, made(2_000))

    assert categories(refused) == ["OVERSIZED"]
    assert f"{RULES.max_names} are allowed" in of(refused, "exceptions")[0]["message"]


@pytest.mark.parametrize(
    ("topic", "record", "category"),
    [
        ("supplier.asns", asn(asn_line(po_line="x" * 301)), "OVERSIZED"),
        ("supplier.asns", asn(asn_line(), carrier="x" * 301), "OVERSIZED"),
        ("erp.sales-orders", sales_order(wanted(), channel="x" * 301), "OVERSIZED"),
        ("erp.items", item(safety_stock=[{"location": "x" * 101, "quantity": 1}]), "INVALID_CODE"),
    ],
)
def test_a_text_that_rows_keep_is_short(topic, record, category):
    """Of each document that names it, for as long as what it names is open."""
    assert categories(Dock().send(topic, record)) == [category]

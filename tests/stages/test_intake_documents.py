"""What documents of partners and of the ERP become: whole, in base units, with our own codes."""

import pytest
from inbound_records import (
    DAY,
    NOW,
    TODAY,
    Dock,
    ack,
    ack_line,
    asn,
    asn_line,
    categories,
    heartbeat,
    item,
    location,
    milestone,
    of,
    po_line,
    profile,
    purchase_order,
    sales_order,
    so_line,
    stock_snapshot,
)


def test_acknowledgement_is_converted_and_keeps_its_sender():
    """Vendor part → SKU, cases → pieces; the source names the supplier."""
    [event] = of(Dock().send("supplier.acks", ack(ack_line())), "supply.events")

    [line] = event["ack"]["lines"]
    assert (line["sku"], line["quantity"], line["date"]) == ("BOLT", 24, None)
    assert (
        event["kind"],
        event["po_number"],
        event["source"],
        event["recorded_at"],
    ) == ("ACKNOWLEDGED", "P1", "SUPPLIER:ACME", NOW)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("010", 3), ("011", 3), ("068", 3), ("079", 3), ("002", 0), ("017", 0), ("067", 0), ("371", 0), (None, 0)],
)
def test_ship_date_becomes_an_arrival_by_the_partners_days_in_transit(kind, expected):
    """X12 374: a date of departure is not a date of arrival."""
    outputs = Dock().send("supplier.acks", ack(ack_line(date_kind=kind, date=TODAY)))

    assert of(outputs, "supply.events")[0]["ack"]["lines"][0]["date"] == TODAY + expected


def test_date_that_is_no_arrival_promises_none():
    """A cancel-after date says nothing of when goods come."""
    outputs = Dock().send("supplier.acks", ack(ack_line(date_kind="001", date=TODAY)))

    assert of(outputs, "supply.events")[0]["ack"]["lines"][0]["date"] is None


def test_substitute_counts_in_its_own_units():
    """An accepted substitute's quantity is the substitute's."""
    dock = Dock()
    dock.learn("erp.items", item("NUT", identifiers=[], packs=[{"uom": "CA", "factor": 10}]))

    outputs = dock.send("supplier.acks", ack(ack_line(status="IS", substitute={"scheme": "SKU", "code": "NUT"})))

    [line] = of(outputs, "supply.events")[0]["ack"]["lines"]
    assert (line["sku"], line["substitute_sku"], line["quantity"]) == ("BOLT", "NUT", 20)


def test_acknowledgement_of_the_whole_order_needs_no_lines():
    """BAK02 AT acts on every line."""
    [event] = of(Dock().send("supplier.acks", ack(ack_type="AT")), "supply.events")

    assert event["ack"]["lines"] == []


def test_ship_notice_names_our_location_and_items():
    """The supplier's code for our warehouse is its own."""
    dock = Dock()
    dock.learn("erp.locations", location(codes=[{"party": "ACME", "code": "7001"}]))

    [event] = of(dock.send("supplier.asns", asn(asn_line(shipped_to_date=3), ship_to="7001")), "shipment.events")

    [line] = event["notice"]["lines"]
    assert (
        event["notice"]["ship_to"],
        line["sku"],
        line["quantity"],
        line["shipped_to_date"],
    ) == ("DC01", "BOLT", 24, 36)


def test_partners_code_comes_before_our_own():
    """A supplier's DC01 may be our DC02."""
    dock = Dock()
    dock.learn("erp.locations", location("DC02", codes=[{"party": "ACME", "code": "DC01"}]))

    [event] = of(dock.send("supplier.asns", asn(asn_line())), "shipment.events")

    assert event["notice"]["ship_to"] == "DC02"


def test_wrong_pallet_number_is_a_finding_not_a_refusal():
    """The goods come all the same."""
    outputs = Dock().send("supplier.asns", asn(asn_line(sscc="340123456789012345"), asn_line(po_line="2")))

    assert len(of(outputs, "shipment.events")) == 1
    assert categories(outputs) == ["INVALID_SSCC"]


def test_milestone_beyond_the_list_is_passed_on():
    """Carriers use codes of their own; they change no state."""
    outputs = Dock().send("carrier.milestones", milestone("Q9"))

    assert of(outputs, "shipment.events")[0]["milestone"]["status"] == "Q9"
    assert categories(outputs) == []


def test_purchase_order_brings_the_suppliers_terms():
    """The supply stage needs no look-ups of its own."""
    [event] = of(Dock().send("erp.purchase-orders", purchase_order(po_line())), "supply.events")

    order = event["order"]
    assert (
        order["lines"][0]["quantity"],
        order["ship_days"],
        order["overdue_fence_days"],
        order["overdue_offset_days"],
    ) == (24, 3, 5, 1)


def test_purchase_order_says_whether_its_supplier_sends_ship_notices():
    """By the profile as it stands when the order comes; a profile that says nothing means it does."""
    dock = Dock()
    before = dock.send("erp.purchase-orders", purchase_order(po_line()))
    dock.learn("partners.profiles", profile(posts_without_notice=True))

    after = dock.send("erp.purchase-orders", purchase_order(po_line(), revision=2))

    said = [of(outputs, "supply.events")[0]["order"]["posts_without_notice"] for outputs in (before, after)]
    assert said == [None, True]


def test_sales_order_converts_ordered_and_allocated():
    """Both are in the line's unit, both become base units."""
    [event] = of(Dock().send("erp.sales-orders", sales_order(so_line())), "order.events")

    assert (event["order"]["lines"][0]["quantity"], event["order"]["lines"][0]["allocated"]) == (24, 12)


def test_item_becomes_the_policy_of_its_sku():
    """Segment and safety stock reach all positions of the SKU."""
    outputs = Dock().send("erp.items", item())

    [(_, key, entry)] = outputs
    assert (key, entry["kind"]) == ("BOLT|*", "POLICY")
    assert entry["policy"] == {"segment": "A", "safety_stock": [{"location": None, "quantity": 5}]}


def test_locations_and_partners_are_only_checked():
    """The follower takes them."""
    dock = Dock()

    assert dock.send("erp.locations", location()) == dock.send("partners.profiles", profile()) == []


def test_snapshot_is_for_comparison():
    """It goes to the position as a SNAPSHOT of its own time."""
    [(_, key, entry)] = Dock().send("erp.stock-snapshots", stock_snapshot())

    assert (key, entry["kind"], entry["quantity"]) == ("BOLT|DC01", "SNAPSHOT", 40)


def test_heartbeat_reaches_its_feed_even_from_an_unknown_location():
    """A sign of life is one whether or not master data are complete."""
    dock = Dock()

    outputs = dock.send("feeds.heartbeats", heartbeat(), heartbeat(location="DC77"))

    assert [key for _, key, _ in outputs] == ["WMS-DC01|DC01", "WMS-DC01|DC77"]


def test_same_code_under_two_schemes_may_be_two_items():
    """A scheme is part of the code."""
    dock = Dock()
    dock.learn("erp.items", item("NUT", identifiers=[{"scheme": "VENDOR_PART", "code": "BOLT", "party": "ACME"}]))

    outputs = dock.send("supplier.acks", ack(ack_line(item={"scheme": "VENDOR_PART", "code": "BOLT"})))

    assert of(outputs, "supply.events")[0]["ack"]["lines"][0]["sku"] == "NUT"


def test_order_of_any_age_is_taken():
    """A first load of open orders holds last year's."""
    outputs = Dock().send("erp.purchase-orders", purchase_order(po_line(), ordered_at=NOW - 700 * DAY))

    assert len(of(outputs, "supply.events")) == 1

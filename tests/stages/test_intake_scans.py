"""What each type of scan becomes."""

import pytest
from inbound_records import NOW, Dock, against, categories, item, of, scan

from tables.outcome import Output


def entries(outputs: list[Output]) -> list[tuple]:
    return [
        (key, r["kind"], r["quantity"], r["disposition"], r["to_disposition"], r["reference"])
        for topic, key, r in outputs
        if topic == "inventory.ledger"
    ]


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (scan("RECEIPT"), [("BOLT|DC01", "RECEIPT", 5, "available", None, None)]),
        (scan("RECEIPT", disposition="damaged"), [("BOLT|DC01", "RECEIPT", 5, "damaged", None, None)]),
        (scan("PUTAWAY"), []),
        (
            scan("PUTAWAY", disposition="quality_hold", to_disposition="available"),
            [("BOLT|DC01", "MOVE", 5, "quality_hold", "available", None)],
        ),
        (scan("PICK"), []),
        (scan("PACK"), []),
        (
            scan("SHIP", reference=against("SALES_ORDER", "S1")),
            [("BOLT|DC01", "ISSUE", 5, "available", None, "SALES_ORDER:S1")],
        ),
        (scan("ADJUST", -2), [("BOLT|DC01", "ADJUST", -2, "available", None, None)]),
        (scan("COUNT", 0), [("BOLT|DC01", "COUNT", 0, "available", None, None)]),
        (scan("RETURN"), [("BOLT|DC01", "RETURN", 5, "returned", None, None)]),
        (scan("HOLD"), [("BOLT|DC01", "MOVE", 5, "available", "quality_hold", None)]),
        (scan("HOLD", to_disposition="damaged"), [("BOLT|DC01", "MOVE", 5, "available", "damaged", None)]),
        (scan("RELEASE"), [("BOLT|DC01", "MOVE", 5, "quality_hold", "available", None)]),
        (scan("RELEASE", to_disposition="damaged"), [("BOLT|DC01", "MOVE", 5, "quality_hold", "damaged", None)]),
        (
            scan("TRANSFER_OUT", to_location="DC02", reference=against("TRANSFER", "T1")),
            [
                ("BOLT|DC01", "TRANSFER_OUT", 5, "available", None, "TRANSFER:T1"),
                ("BOLT|DC02", "TRANSFER_DUE", 5, "available", None, "TRANSFER:T1"),
            ],
        ),
        (
            scan("TRANSFER_IN", reference=against("TRANSFER", "T1")),
            [("BOLT|DC01", "TRANSFER_IN", 5, "available", None, "TRANSFER:T1")],
        ),
    ],
    ids=lambda value: value["scan_type"] if isinstance(value, dict) else "",
)
def test_scan_becomes_ledger_entries(record, expected):
    """Each scan type moves what it says, from and to the dispositions it names or implies."""
    outputs = Dock().send("warehouse.scans", record)

    assert expected == entries(outputs)
    assert categories(outputs) == []


def test_receipt_against_an_order_also_tells_the_order():
    """The purchase order hears of the quantity in base units; both records share event and coordinate."""
    record = scan("RECEIPT", 2, uom="CA", reference=against("PURCHASE_ORDER", "P1", "3"))

    outputs = Dock().send("warehouse.scans", record)

    [entry], [event] = of(outputs, "inventory.ledger"), of(outputs, "supply.events")
    assert (entry["quantity"], entry["reference"], entry["line"]) == (24, "PURCHASE_ORDER:P1", "3")
    assert event["received"] == {
        "line": "3",
        "sku": "BOLT",
        "location": "DC01",
        "quantity": 24,
        "disposition": "available",
    }
    assert event["event_id"] == entry["event_id"] == record["event_id"]
    assert event["coordinate"] == entry["coordinate"] == "warehouse.scans[0]@0"


def test_receipt_against_a_ship_notice_goes_to_the_shipment_alone():
    """The shipment knows which orders it serves, so it writes the ledger."""
    outputs = Dock().send("warehouse.scans", scan("RECEIPT", reference=against("ASN", "SH1")))

    [event] = of(outputs, "shipment.events")
    assert event["received"]["quantity"] == 5
    assert of(outputs, "inventory.ledger") == []


@pytest.mark.parametrize(("scan_type", "kind"), [("PICK", "PICKED"), ("PACK", "PACKED"), ("SHIP", "SHIPPED")])
def test_outbound_scan_tells_its_sales_order(scan_type, kind):
    """Pick, pack and ship reach the order they name."""
    outputs = Dock().send("warehouse.scans", scan(scan_type, 3, reference=against("SALES_ORDER", "S1", "2")))

    [event] = of(outputs, "order.events")
    assert event["kind"] == kind
    assert event["scan"] == scanned("2", 3)


def scanned(line: str | None, quantity: int, leaves: str | None = None, enters: str | None = None) -> dict:
    """What an order hears of a scan."""
    return {
        "line": line,
        "sku": "BOLT",
        "location": "DC01",
        "quantity": quantity,
        "disposition": leaves,
        "to_disposition": enters,
    }


def test_return_tells_its_sales_order_where_the_goods_went():
    """Beside the stock it brings back; a return without an order tells nobody."""
    outputs = Dock().send("warehouse.scans", scan("RETURN", 3, reference=against("SALES_ORDER", "S1")), scan("RETURN"))

    [event] = of(outputs, "order.events")
    assert (event["kind"], event["scan"]) == ("RETURNED", scanned(None, 3, "returned"))
    assert ["SALES_ORDER:S1", None] == [entry["reference"] for entry in of(outputs, "inventory.ledger")]


@pytest.mark.parametrize(
    ("scan_type", "moved", "expected"),
    [
        ("RELEASE", {}, ("quality_hold", "available")),
        ("HOLD", {}, ("available", "quality_hold")),
        ("PUTAWAY", {"disposition": "quality_hold", "to_disposition": "damaged"}, ("quality_hold", "damaged")),
    ],
)
@pytest.mark.parametrize(("kind", "topic"), [("PURCHASE_ORDER", "supply.events"), ("ASN", "shipment.events")])
def test_inspected_goods_tell_the_document_they_came_by(kind, topic, scan_type, moved, expected):
    """From which disposition to which, beside the move of the stock, which names the document too."""
    record = scan(scan_type, 2, uom="CA", reference=against(kind, "D1", "7"), **moved)

    outputs = Dock().send("warehouse.scans", record)

    [entry], [event] = of(outputs, "inventory.ledger"), of(outputs, topic)
    leaves, enters = expected
    assert (entry["kind"], entry["reference"], entry["quantity"]) == ("MOVE", f"{kind}:D1", 24)
    assert event["kind"] == "INSPECTED"
    assert event["inspected"] == {
        "line": "7",
        "sku": "BOLT",
        "location": "DC01",
        "quantity": 24,
        "disposition": leaves,
        "to_disposition": enters,
    }


def test_inspected_return_tells_its_sales_order_and_a_correction_takes_it_back():
    """The credit follows; a correction is a signed difference."""
    order = against("SALES_ORDER", "S1", "2")
    judged = {"disposition": "returned", "to_disposition": "damaged", "reference": order}

    outputs = Dock().send("warehouse.scans", scan("RELEASE", 3, **judged), scan("RELEASE", -1, corrects="e", **judged))

    assert [scanned("2", 3, "returned", "damaged"), scanned("2", -1, "returned", "damaged")] == [
        event["scan"] for event in of(outputs, "order.events")
    ]
    assert [3, -1] == [entry["quantity"] for entry in of(outputs, "inventory.ledger")]


def test_other_moves_are_no_business_of_the_sales_order_they_name():
    """Stock that did not come back from a customer is the position's own: nothing is to be credited."""
    outputs = Dock().send("warehouse.scans", scan("HOLD", 3, reference=against("SALES_ORDER", "S1")))

    assert of(outputs, "order.events") == []
    assert entries(outputs) == [("BOLT|DC01", "MOVE", 3, "available", "quality_hold", None)]


def test_shipment_without_an_order_takes_the_stock_out_and_says_so():
    """The goods are gone whatever the paper says: stock is right and somebody owns the question."""
    outputs = Dock().send("warehouse.scans", scan("SHIP"))

    assert entries(outputs) == [("BOLT|DC01", "ISSUE", 5, "available", None, None)]
    assert categories(outputs) == ["SHIP_WITHOUT_ORDER"]


def test_correction_is_a_signed_difference():
    """A scan that names the one it corrects may be negative and is booked as it stands."""
    outputs = Dock().send("warehouse.scans", scan("RECEIPT", -2, corrects="earlier"))

    [entry] = of(outputs, "inventory.ledger")
    assert (entry["quantity"], entry["corrects"]) == (-2, "earlier")


def test_item_is_found_by_every_code_it_has():
    """SKU, GTIN in any length, and a vendor's part number all mean the same item."""
    codes = [("SKU", "BOLT"), ("GTIN", "4012345678901"), ("GTIN", "04012345678901"), ("VENDOR_PART", "B-1"),
             ("BUYER_PART", "BOLT")]  # fmt: skip
    scans = [scan("RECEIPT", item={"scheme": scheme, "code": code}) for scheme, code in codes]

    outputs = Dock().send("warehouse.scans", *scans)

    assert ["BOLT|DC01"] * len(codes) == [key for topic, key, _ in outputs if topic == "inventory.ledger"]


def test_receipt_of_an_inactive_item_is_booked_and_reported():
    """The goods are there; a person decides what becomes of them."""
    dock = Dock()
    dock.learn("erp.items", item(active=False))

    outputs = dock.send("warehouse.scans", scan("RECEIPT"))

    assert len(of(outputs, "inventory.ledger")) == 1
    assert categories(outputs) == ["INACTIVE_ITEM"]


def test_changed_reference_data_hold_from_the_next_chunk():
    """Nothing that was looked up outlives the record it came from."""
    dock = Dock()
    before = dock.send("warehouse.scans", scan("RECEIPT", 1, uom="CA"))
    dock.learn("erp.items", item(packs=[{"uom": "CA", "factor": 10}]))

    after = dock.send("warehouse.scans", scan("RECEIPT", 1, uom="CA"))

    assert [of(outputs, "inventory.ledger")[0]["quantity"] for outputs in (before, after)] == [12, 10]


def test_watermark_tells_the_newest_event_of_each_feed_once_a_second():
    """One record a feed and second, whatever number of scans; the rest goes out with the sweep."""
    dock = Dock()
    scans = [scan("RECEIPT", occurred_at=NOW - age) for age in (50, 10, 30)]

    first = dock.send("warehouse.scans", *scans)
    second = dock.send("warehouse.scans", scan("RECEIPT", occurred_at=NOW - 5))
    dock.now += 1_000
    swept = dock.sweep()

    assert [event["event_time"] for event in of(first, "feed.events")] == [NOW - 10]
    assert of(second, "feed.events") == []
    assert [event["event_time"] for event in of(swept, "feed.events")] == [NOW - 5]

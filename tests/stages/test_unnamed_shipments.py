"""A shipment scanned without its order, and the way its remedy settles it."""

from inbound_records import Dock, against, categories, of, scan

from tables.exceptions import CATEGORIES

SCANS = "warehouse.scans"


def test_the_remedy_settles_a_shipment_without_an_order():
    """Taken back by a correcting scan and scanned again against its order: stock is right, nothing stays open."""
    dock, first = Dock(), scan("SHIP", 5)
    [raised] = of(dock.send(SCANS, first), "exceptions")
    assert raised["category"] == "SHIP_WITHOUT_ORDER"
    assert "5 BOLT" in raised["message"]
    assert "correct" in CATEGORIES["SHIP_WITHOUT_ORDER"].remedy

    back = dock.send(SCANS, scan("SHIP", -5, corrects=first["event_id"]))
    assert categories(back) == []
    assert [entry["quantity"] for entry in of(back, "inventory.ledger")] == [-5]
    [resolved] = of(back, "exceptions.resolutions")
    assert resolved["exception_id"] == raised["exception_id"]

    again = dock.send(SCANS, scan("SHIP", 5, reference=against("SALES_ORDER", "S1")))
    assert categories(again) == []


def test_a_correction_that_takes_more_out_is_a_shipment_without_an_order_of_its_own():
    """Two more than scanned first have left, and for nobody: that too can be taken back."""
    dock = Dock()
    more = scan("SHIP", 2, corrects="first")
    [raised] = of(dock.send(SCANS, more), "exceptions")
    assert raised["subject"]["id"] == more["event_id"]

    [resolved] = of(dock.send(SCANS, scan("SHIP", -2, corrects=more["event_id"])), "exceptions.resolutions")
    assert resolved["exception_id"] == raised["exception_id"]

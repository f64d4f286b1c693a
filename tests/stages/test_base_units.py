"""The base unit of an item is the unit of its stock: it never changes under it."""

from inbound_records import Dock, categories, item, of, scan


def test_another_base_unit_is_refused_and_the_known_one_stays_in_force():
    """Five kilograms are on the shelf: the item is kept in kilograms, whatever its record says now."""
    dock = Dock()
    dock.learn("erp.items", item("M", base_uom="KGM", packs=[], identifiers=[]))
    changed = item("M", base_uom="GRM", packs=[], identifiers=[])
    [(_, _, said)] = dock.send("erp.items", changed)
    assert (said["category"], said["owner"], said["subject"]["id"]) == ("BASE_UNIT_CHANGED", "master-data", "M")
    assert "KGM" in said["message"]

    dock.learn("erp.items", changed)
    [entry] = of(
        dock.send("warehouse.scans", scan("RECEIPT", 5, item={"scheme": "SKU", "code": "M"}, uom="KGM")),
        "inventory.ledger",
    )
    assert entry["quantity"] == 5
    assert categories(dock.send("erp.items", item("M", base_uom="KG", packs=[], identifiers=[]))) == []
    assert categories(dock.send("erp.items", item("NEW", base_uom="GRM", packs=[], identifiers=[]))) == []

"""Stock between two warehouses: what of it may be promised, and who hears of what never arrives."""

from hypothesis import given, settings
from hypothesis import strategies as st
from inbound_records import NOW, Dock, against, of, scan
from ledger_entries import DAY, KEY, NOON, TODAY, Inventory, allocate, entry, tick

from tables.claims import in_transit, transfer

SCANS = "warehouse.scans"
T1 = "TRANSFER:T1"


def due(quantity, **more):
    return entry("TRANSFER_DUE", quantity, reference=T1, **more)


def arrived(quantity, **more):
    return entry("TRANSFER_IN", quantity, reference=T1, **more)


def listed(inventory, key=KEY):
    return [(part["quantity"], part["state"], part["overdue"]) for part in inventory.position(key)["expected"]]


def test_goods_on_their_way_keep_the_state_they_left_in():
    """A scan of damaged goods says so at both ends."""
    sent = scan("TRANSFER_OUT", 10, disposition="damaged", to_location="DC02", reference=against("TRANSFER", "T1"))
    entries = of(Dock().send(SCANS, sent), "inventory.ledger")

    assert [(made["kind"], made["disposition"]) for made in entries] == [
        ("TRANSFER_OUT", "damaged"), ("TRANSFER_DUE", "damaged")
    ]  # fmt: skip


def test_damaged_goods_on_their_way_are_listed_and_not_promised():
    """Stock held for an order of next week is not sold today because broken goods are coming."""
    inventory = Inventory()
    inventory.take(entry("RECEIPT", 10), allocate((10, TODAY + 5)), due(10, disposition="damaged"))
    position = inventory.position()

    assert (position["atp"], position["atp_signed"], position["schedule"]) == (0, 0, [])
    assert position["next_receipt"] is None
    assert listed(inventory) == [(10, "TRANSFER_UNSELLABLE", False)]

    inventory.take(arrived(10, disposition="damaged"))
    assert (listed(inventory), inventory.position()["on_hand"]) == ([], 20)


def test_sound_and_damaged_goods_of_one_transfer_are_told_apart():
    """Each arrival takes its own kind off, and what arrives in another state than it left takes off the rest."""
    inventory = Inventory()
    inventory.take(due(10), due(5, disposition="damaged"))
    assert listed(inventory) == [(10, "TRANSFER", False), (5, "TRANSFER_UNSELLABLE", False)]
    assert inventory.position()["schedule"] == [{"date": TODAY + 2, "atp": 10}]

    inventory.take(arrived(6, disposition="damaged"))
    assert listed(inventory) == [(9, "TRANSFER", False)]

    inventory.take(arrived(9))
    assert listed(inventory) == []
    assert inventory.position()["disposition"] == {"available": 9, "damaged": 6}


def test_a_transfer_that_falls_short_has_an_owner():
    """Eight of ten came: a week past its date somebody hears of the two, once, until they come or are corrected."""
    inventory = Inventory()
    inventory.take(due(10), arrived(8))
    while inventory.due() and inventory.due() < NOON + 30 * DAY:
        assert inventory.topic("exceptions") == [] or inventory.due() > NOON + 10 * DAY
        inventory.take(tick(inventory.due(), KEY))
    [raised] = inventory.topic("exceptions")

    assert (raised["category"], raised["owner"]) == ("TRANSFER_OVERDUE", "inventory-control")
    assert raised["subject"] == {"kind": "transfer", "id": f"T1|{KEY}"}
    assert "2" in raised["message"]
    assert raised["raised_at"] == (TODAY + 2 + 8) * DAY
    assert inventory.position()["next_receipt"] is None

    inventory.take(entry("RECEIPT", 1, at=NOON + 11 * DAY), due(-2, at=NOON + 12 * DAY, corrects="e"))
    [resolved] = inventory.topic("exceptions.resolutions")
    assert resolved["exception_id"] == raised["exception_id"]
    assert listed(inventory) == []
    assert len(inventory.topic("exceptions")) == 1


def test_damaged_goods_that_never_arrive_have_an_owner_too():
    """They count for nothing, but somebody has them."""
    inventory = Inventory()
    inventory.take(due(10, disposition="damaged"))
    while inventory.due():
        inventory.take(tick(inventory.due(), KEY))

    assert [record["category"] for record in inventory.topic("exceptions")] == ["TRANSFER_OVERDUE"]
    inventory.take(arrived(10, at=NOON + 20 * DAY))
    assert len(inventory.topic("exceptions.resolutions")) == 1


def test_a_transfer_told_long_after_it_left_is_overdue_at_once():
    """Its scan waited for reference data past the date it should have arrived."""
    inventory = Inventory()
    inventory.take(due(10, at=NOON - 20 * DAY, recorded=NOON))

    assert [record["category"] for record in inventory.topic("exceptions")] == ["TRANSFER_OVERDUE"]


legs = st.lists(st.tuples(st.sampled_from(["out", "in"]), st.integers(1, 9), st.booleans()), max_size=8)


@settings(deadline=None)
@given(legs)
def test_nothing_is_on_its_way_that_has_arrived(moves):
    """What is sellable and what is not add up to what left less what came, and neither is negative unless both are."""
    transit = {}
    for kind, quantity, sellable in moves:
        transfer(
            transit, T1, quantity if kind == "out" else -quantity, NOW if kind == "out" else None, sellable=sellable
        )
    total = sum(quantity if kind == "out" else -quantity for kind, quantity, _ in moves)
    sound, other = in_transit(transit[T1]) if transit else (0, 0)

    assert sound + other == total
    assert total < 0 or min(sound, other) >= 0


def test_a_count_of_one_lot_is_refused():
    """Positions know no lots: the second lot's count would wipe out the first's."""
    dock = Dock()
    [(topic, _, said)] = dock.send(SCANS, scan("COUNT", 5, lot="L1"))

    assert (topic, said["category"]) == ("exceptions", "INVALID_REFERENCE")
    assert "all lots together" in said["message"]
    assert of(dock.send(SCANS, scan("COUNT", 12)), "inventory.ledger")

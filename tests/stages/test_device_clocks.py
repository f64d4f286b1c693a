"""Devices whose clocks are ahead, within what intake allows: nothing has happened later than it arrived."""

from inbound_records import MINUTE, NOW, Dock, of, scan, stock_snapshot
from ledger_entries import Inventory

SCANS = "warehouse.scans"
KEY = "BOLT|DC01"


class Warehouse:
    """Intake and inventory, one after the other."""

    def __init__(self):
        self.dock, self.inventory = Dock(), Inventory()

    def send(self, *records, topic=SCANS):
        outputs = self.dock.send(topic, *records)
        self.inventory.take(*((key, record) for name, key, record in outputs if name == "inventory.ledger"))
        return outputs

    def on_hand(self):
        return self.inventory.position(KEY)["on_hand"]


def test_a_count_by_a_clock_ahead_swallows_no_later_movement():
    """Stamped fourteen minutes ahead; what is shipped five minutes after it is taken off."""
    warehouse = Warehouse()
    warehouse.send(scan("RECEIPT", 100))
    warehouse.send(scan("COUNT", 100, occurred_at=NOW + 14 * MINUTE))
    warehouse.dock.now += 5 * MINUTE
    warehouse.send(scan("SHIP", 30, occurred_at=warehouse.dock.now))

    assert warehouse.on_hand() == 70


def test_a_movement_by_a_clock_ahead_is_not_taken_off_again_after_a_count():
    """The whole warehouse is ahead or one device is: the count came after the movement, and has seen it."""
    for ahead in (0, 10 * MINUTE):
        warehouse = Warehouse()
        warehouse.send(scan("RECEIPT", 100))
        warehouse.send(scan("SHIP", 30, occurred_at=NOW + 10 * MINUTE))
        warehouse.dock.now += 5_000
        warehouse.send(scan("COUNT", 70, occurred_at=warehouse.dock.now + ahead))

        assert warehouse.on_hand() == 70


def test_scans_ahead_that_come_together_keep_their_order():
    """Movements, a count, movements in one chunk, or in two of the same moment: the count sees those before it only."""
    ahead = [NOW + 10 * MINUTE + n * 1000 for n in range(6)]
    records = [
        scan("RECEIPT", 100, occurred_at=ahead[0]),
        scan("SHIP", 20, occurred_at=ahead[1]),
        scan("COUNT", 75, occurred_at=ahead[2]),
        scan("SHIP", 5, occurred_at=ahead[3]),
        scan("COUNT", 69, occurred_at=ahead[4]),
        scan("RETURN", 1, disposition="available", occurred_at=ahead[5]),
    ]
    together, apart = Warehouse(), Warehouse()
    together.send(*records)
    for record in records:
        apart.send(record)

    assert (together.on_hand(), apart.on_hand()) == (70, 70)


def test_what_is_in_time_keeps_its_time():
    """Only a time ahead is brought back, to the moment the record came, not to that it got in."""
    dock = Dock()
    [early, late] = of(
        dock.send(SCANS, scan("RECEIPT", occurred_at=NOW - 7), scan("COUNT", occurred_at=NOW + 7)), "inventory.ledger"
    )
    assert (early["occurred_at"], late["occurred_at"]) == (NOW - 7, NOW)


def test_a_stock_snapshot_from_tomorrow_is_one_of_now():
    """A time zone was lost on its way: it is compared with stock as it came, and the feed is not fresh for a day."""
    [(_, _, entry)] = Dock().send("erp.stock-snapshots", stock_snapshot(taken_at=NOW + 60 * MINUTE))

    assert entry["occurred_at"] == NOW

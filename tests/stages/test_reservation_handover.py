"""From a channel's hold to an order's: inventory and orders together, each as far behind the other as chance has it."""

import random

from document_events import so_line, sold
from hypothesis import example, given
from hypothesis import strategies as st
from ledger_entries import DC2, NOON, TODAY, Inventory, cancel, confirm, entry, expect, held, reserve
from test_inventory_properties import plenty

from streams.orders import step
from tables.outcome import Entry

ORDERS = "AB"
names = st.integers(0, 4)
holds = st.lists(st.integers(1, 4), min_size=5, max_size=5)
asks = st.one_of(
    st.tuples(st.just(confirm), names, st.sampled_from(ORDERS)),
    st.tuples(st.just(confirm), names, st.sampled_from(ORDERS)),
    st.tuples(st.just(cancel), names),
)


class Two:
    """Both stages; `ledger` and `events` hold what is not folded yet."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.inventory, self.rows, self.offset = Inventory(), {}, 0
        self.ledger, self.events, self.postings = [], [], []

    def fold_ledger(self):
        """One entry; what it tells orders goes to their log."""
        outputs = self.inventory.take(self.ledger.pop(0))
        self.events += [(key, event) for topic, key, event in outputs if topic == "order.events"]

    def fold_events(self):
        """Some events of orders; what they claim goes to the ledger."""
        size = self.rng.randint(1, len(self.events))
        run, self.events = self.events[:size], self.events[size:]
        outcome = step(self.rows, [Entry(self.offset + n, key, event) for n, (key, event) in enumerate(run)])
        self.offset += size
        self.rows.update(outcome.rows)
        self.ledger += [(key, record) for topic, key, record in outcome.outputs if topic == "inventory.ledger"]
        self.postings += [record for topic, _, record in outcome.outputs if topic == "erp.postings"]

    def work(self):
        """One step of one of the two, by lot; False when both have folded all."""
        choices = [fold for fold, left in ((self.fold_ledger, self.ledger), (self.fold_events, self.events)) if left]
        if choices:
            self.rng.choice(choices)()
        return bool(choices)


def owed(inventory):
    """What customers were promised, by location: open holds, and what was confirmed."""
    open_, places = {}, {"DC01": 0, "DC02": 0}
    for reply in inventory.topic("reservations.replies"):
        if reply["accepted"]:
            sign, parts = (1, reply["parts"]) if reply["state"] == "HELD" else (-1, open_[reply["reservation_id"]])
            open_[reply["reservation_id"]] = reply["parts"]
            if reply["state"] != "CONFIRMED":
                for part in parts:
                    places[part["location"]] += sign * part["quantity"]
    return places["DC01"], places["DC02"]


def requests(quantities, story):
    """Each name is reserved once, then whatever is asked about it."""
    asked = [(reserve, name, quantity) for name, quantity in enumerate(quantities)] + story
    return [ask(str(name), *what, ttl=10**9, at=NOON + n) for n, (ask, name, *what) in enumerate(asked, 1)]


@plenty
@given(holds, st.lists(asks, min_size=3, max_size=15), st.integers(0, 2**32))
@example([2, 4, 1, 3, 3], [(confirm, 3, "B"), (confirm, 4, "B")], 2207729659)  # two places heard of in two steps
def test_stock_is_neither_free_nor_held_twice_on_its_way_to_an_order(quantities, story, seed):
    """After every step each unit that a customer was promised is held once, wherever its handover stands."""
    two = Two(seed)
    two.ledger += [entry("RECEIPT", 9), entry("RECEIPT", 5, key=DC2)]
    two.fold_ledger()
    two.fold_ledger()
    for request in requests(quantities, story):
        two.ledger.append(request)
        for _ in range(two.rng.randint(0, 2)):
            two.work()
            assert held(two.inventory) == owed(two.inventory)
    while two.work():
        assert held(two.inventory) == owed(two.inventory)

    assert not any(b"CONFIRMED:" in row for row in two.inventory.rows.values())


def test_once_the_order_is_known_it_alone_says_what_is_held():
    """Its document allocates less than was reserved; a reservation confirmed later adds nothing to it."""
    two = Two(1)
    two.ledger += [entry("RECEIPT", 9), entry("RECEIPT", 5, key=DC2), reserve("a", 4), confirm("a", "A", at=NOON + 1)]
    while two.work():
        pass
    assert held(two.inventory) == (4, 0)

    two.events.append(sold(so_line("1", "S1", 3, location="DC01"), order="A")[-2:])
    two.ledger += [reserve("b", 2, at=NOON + 2), confirm("b", "A", at=NOON + 3)]
    while two.work():
        pass
    assert held(two.inventory) == (3, 0)


def test_a_backordered_line_reaches_the_erp_with_the_date_of_the_promise():
    """Order, claim, promise, posting: each stage adds what it knows."""
    two = Two(1)
    two.ledger.append(expect((20, TODAY + 6)))
    two.events.append(sold(so_line("1", "S1", 0, quantity=8, location="DC01"), order="A")[-2:])
    while two.work():
        pass
    newest = [record for record in two.postings if record["step"] == "BACKORDER"][-1]

    assert [(line["line"], line["quantity"], line["date"]) for line in newest["lines"]] == [("1", 8, TODAY + 6)]
    assert two.inventory.position()["allocated"] == 0

"""A worker's clock that was ahead and was mended: what it wrote meanwhile silences nothing and promises nothing early."""

from ledger_entries import DAY, KEY, NOON, TODAY, Inventory, entry, expect, rules

from streams.inventory import LEDGER, clock, newest_time, step
from streams.stages import KeyedStage

MINUTE = 60_000


def told(outputs):
    return [(topic, record["atp"] if "atp" in record else record["quantity"]) for topic, _, record in outputs
            if topic in ("availability.deltas", "channel.webshop.availability")]  # fmt: skip


def test_a_clock_ahead_once_silences_nobody():
    """An entry stamped a day ahead was told; what is sold after the clock is right again is told at once."""
    inventory = Inventory(rules(min_interval=5 * MINUTE))
    inventory.take(entry("RECEIPT", 1000))
    inventory.take(entry("RECEIPT", 500, recorded=NOON + DAY))

    outputs = inventory.take(entry("ISSUE", 1400, at=NOON + 10_000))
    assert told(outputs) == [("availability.deltas", 100), ("channel.webshop.availability", 100)]
    assert inventory.take(entry("ISSUE", 1, at=NOON + 20_000))[0][0] != "availability.deltas"
    assert inventory.due() == inventory.due("S1|*") == NOON + 10_000 + 5 * MINUTE


def test_the_general_fold_mends_the_same_way():
    """Reserved for an order, the position is not plain any more."""
    inventory = Inventory(rules(min_interval=5 * MINUTE))
    inventory.take(entry("RECEIPT", 1000), expect((1, TODAY + 9)))
    inventory.take(entry("RECEIPT", 500, recorded=NOON + DAY))

    assert len(told(inventory.take(entry("ISSUE", 1400, at=NOON + 10_000)))) == 2
    assert inventory.due() == NOON + 10_000 + 5 * MINUTE or inventory.due() % DAY == 0


def test_clocks_of_two_workers_that_differ_a_little_tell_no_more_often():
    """Entries a few milliseconds apart, turn by turn: the interval between two publications holds."""
    inventory = Inventory(rules(min_interval=5 * MINUTE))
    inventory.each(*(entry("RECEIPT", 10, at=NOON + n * 100, recorded=NOON + n * 100 - n % 2 * 300) for n in range(40)))

    assert len(inventory.topic("availability.deltas")) == 1
    assert len(inventory.topic("channel.webshop.availability")) == 1


def test_silence_is_broken_after_a_mended_clock_as_well():
    """The longest silence is counted from the clock that is right."""
    inventory = Inventory(rules(absolute_step=10**9, max_silence=DAY))
    inventory.take(entry("RECEIPT", 1000))
    inventory.take(entry("RECEIPT", 5, recorded=NOON + 9 * DAY))
    inventory.take(entry("RECEIPT", 5, at=NOON + MINUTE))

    assert inventory.due() == NOON + MINUTE + DAY


def test_supply_of_next_month_is_not_promised_today_for_long():
    """Under the clock that was ahead it was stock of today; the next entry puts it right."""
    inventory = Inventory()
    inventory.take(expect((10, TODAY + 30)))
    inventory.take(entry("RECEIPT", 1, recorded=NOON + 30 * DAY))
    assert inventory.position()["atp"] == 11

    inventory.take(entry("RECEIPT", 1, at=NOON + MINUTE))
    assert (inventory.position()["atp"], inventory.position()["schedule"]) == (2, [{"date": TODAY + 30, "atp": 12}])
    assert inventory.position()["computed_at"] == NOON + MINUTE


class Record:
    partition, offset = 0, 0

    def __init__(self, offset, key, value):
        self.offset, self.key, self.value = offset, key.encode(), value


def running(inventory):
    stage = KeyedStage(
        "inventory", lambda value: value, lambda rows, run: step(rows, run, inventory.config), clock, newest_time
    )
    stage.recover(dict(inventory.rows))
    return stage


def test_rows_that_a_clock_left_ahead_are_woken():
    """Nothing more comes of the SKU: the first sweep by the right clock finds its rows, at a start or while running."""
    inventory = Inventory(rules(min_interval=5 * MINUTE))
    inventory.take(entry("RECEIPT", 1000), expect((10, TODAY + 30)))
    inventory.take(entry("RECEIPT", 1, recorded=NOON + 40 * DAY), entry("ISSUE", 500, recorded=NOON + 40 * DAY))

    started = running(inventory)
    woken = started.sweep(NOON + MINUTE).outputs
    assert sorted(key for _, key, _ in woken) == ["S1|*", KEY]
    assert started.sweep(NOON + 2 * MINUTE).outputs == []

    went_back = running(inventory)
    went_back.sweep(NOON + 40 * DAY)
    assert sorted(key for _, key, _ in went_back.sweep(NOON + MINUTE).outputs) == ["S1|*", KEY]

    outputs = inventory.take(*((key, record) for _, key, record in woken))
    assert told(outputs) == [("availability.deltas", 501), ("channel.webshop.availability", 501)]
    assert inventory.position()["computed_at"] == NOON + MINUTE
    assert running(inventory).sweep(NOON + 2 * MINUTE).outputs == []


def test_rows_in_time_are_left_alone():
    """A start wakes nothing that needs no waking."""
    inventory = Inventory()
    inventory.take(entry("RECEIPT", 1000), expect((10, TODAY + 30)))
    stage = running(inventory)

    assert stage.sweep(NOON).outputs == []
    stage.step(LEDGER, [Record(inventory.offset, KEY, entry("ISSUE", 1, recorded=NOON + 1)[1])], NOON)
    assert stage.sweep(NOON - 5).outputs == []

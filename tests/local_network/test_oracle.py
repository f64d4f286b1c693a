"""The judge on small histories with the expected numbers worked out by hand, and the proof's eye for planted errors."""

import copy
from itertools import count

import pytest

from local.journal import Acknowledged, JournalWriter, read_journal
from local.oracle import judge
from local.proof import check_bad, check_chain, compare

DAY = 86_400_000
TODAY = 20_500
NOW = TODAY * DAY
EACH = {"scheme": "SKU", "code": "S1"}
ITEM = {
    "sku": "S1",
    "description": "",
    "base_uom": "EA",
    "packs": [{"uom": "CA", "factor": 12}],
    "identifiers": [
        {"scheme": "GTIN", "code": "4012340000016", "party": None},
        {"scheme": "VENDOR_PART", "code": "V-1", "party": "SUP"},
    ],
    "segment": "A",
    "safety_stock": [{"location": None, "quantity": 3}],
    "active": True,
}
OTHER = {**ITEM, "sku": "S2", "identifiers": [], "safety_stock": []}
PLACES = [{"location": name, "active": name != "OLD"} for name in ("L1", "L2", "OLD")]
SUPPLIER = {"partner": "SUP", "overdue_fence_days": 2, "overdue_offset_days": 1}


class History:
    """A journal written by hand."""

    def __init__(self):
        self.records = []
        self._ids = count(1)
        for item in (ITEM, OTHER):
            self.add("erp.items", item["sku"], item)
        for place in PLACES:
            self.add("erp.locations", place["location"], place)
        self.add("partners.profiles", "SUP", SUPPLIER)

    def add(self, topic, key, value):
        offset = sum(record.topic == topic for record in self.records)
        self.records.append(Acknowledged(topic, 0, offset, key, value, 0, "", ""))
        return self.records[-1].coordinate

    def scan(self, kind, quantity, at=0, location="L1", reference="NONE", number="", line=None, **more):
        """A scan `at` minutes before midnight of today, or after."""
        scan = {
            "event_id": f"e{next(self._ids)}",
            "scan_type": kind,
            "item": EACH,
            "location": location,
            "quantity": quantity,
            "uom": "EA",
            "disposition": None,
            "to_disposition": None,
            "to_location": None,
            "lot": None,
            "reference": {"kind": reference, "number": number, "line": line},
            "corrects": None,
            "occurred_at": NOW + at * 60_000,
            **more,
        }
        return self.add("warehouse.scans", "S1", scan)

    def order(self, quantity=24, requested=TODAY + 3, revision=1, status="OPEN"):
        line = {"line": "1", "item": EACH, "quantity": quantity, "uom": "EA", "requested_date": requested}
        self.add("erp.purchase-orders", "P1", {
            "event_id": f"e{next(self._ids)}", "po_number": "P1", "revision": revision, "supplier": "SUP",
            "ship_to": "L1", "status": status, "lines": [line],
        })  # fmt: skip

    def ack(self, at, *lines, kind="AC"):
        self.add("supplier.acks", "P1", {
            "event_id": f"e{next(self._ids)}", "supplier": "SUP", "po_number": "P1", "ack_type": kind,
            "acknowledged_at": NOW + at,
            "lines": [
                {"line": "1", "status": status, "quantity": quantity, "uom": quantity and "EA", "date": date,
                 "substitute": substitute}
                for status, quantity, date, substitute in lines
            ],
        })  # fmt: skip

    def notice(self, quantity, arrival=None, shipment="H1", purpose="ORIGINAL", line="1"):
        item = {"scheme": "VENDOR_PART", "code": "V-1"}
        self.add("supplier.asns", shipment, {
            "event_id": f"e{next(self._ids)}", "supplier": "SUP", "shipment_id": shipment, "purpose": purpose,
            "ship_to": "L1", "shipped_at": NOW, "estimated_arrival": arrival,
            "lines": [{"po_number": "P1", "po_line": line, "item": item, "quantity": quantity, "uom": "EA"}],
        })  # fmt: skip

    def milestone(self, status, at, arrival=None):
        self.add("carrier.milestones", "H1", {
            "event_id": f"e{next(self._ids)}", "shipment_id": "H1", "status": status, "occurred_at": NOW + at,
            "estimated_arrival": arrival,
        })  # fmt: skip

    def sell(self, allocated, date=None, revision=1, status="OPEN"):
        line = {
            "line": "1", "item": EACH, "location": "L1", "quantity": allocated, "uom": "EA", "allocated": allocated,
            "requested_ship_date": date, "status": "OPEN",
        }  # fmt: skip
        self.add("erp.sales-orders", "O1", {
            "event_id": f"e{next(self._ids)}", "order_number": "O1", "revision": revision, "status": status,
            "lines": [line],
        })  # fmt: skip

    def answer(self):
        return judge(self.records, TODAY)

    def position(self, key="S1|L1"):
        return self.answer().positions[key]


@pytest.fixture
def history():
    return History()


def rungs(position):
    return [(part["state"], part["quantity"], part["date"] - TODAY) for part in position["expected"]]


def test_movements_add_up_by_disposition(history):
    """10 in, 2 of them damaged; 3 out; 1 held: 4 may be sold, and safety stock leaves 1 to promise."""
    history.scan("RECEIPT", 8)
    history.scan("RECEIPT", 2, disposition="damaged")
    history.scan("SHIP", 3)
    history.scan("HOLD", 1)

    assert history.position()["disposition"] == {"available": 4, "damaged": 2, "quality_hold": 1}
    assert history.position()["on_hand"] == 7
    assert history.position()["atp"] == 1


def test_a_count_holds_as_of_its_time(history):
    """Counted 20 at -60; the 5 received before it are in it, whenever they are told; the 4 shipped after it are not."""
    history.scan("SHIP", 4, at=-30)
    history.scan("COUNT", 20, at=-60)
    history.scan("RECEIPT", 5, at=-90)
    history.scan("COUNT", 11, at=-120)

    assert history.position()["disposition"] == {"available": 16}


def test_cases_and_corrections(history):
    """2 cases of 12, one of them corrected away by the unit."""
    history.scan("RECEIPT", 2, uom="CA")
    history.scan("RECEIPT", -1, corrects="e1")

    assert history.position()["on_hand"] == 23


def test_the_same_event_twice_counts_once(history):
    """A duplicate changes nothing and is counted as one."""
    history.scan("RECEIPT", 5)
    history.records.append(history.records[-1]._replace(offset=99))

    assert history.position()["on_hand"] == 5
    assert history.answer().duplicates == 1


def test_each_bad_record_is_named(history):
    """What is wrong with a record is known by its coordinate; nothing of it reaches a position."""
    bad = {
        history.scan("SHIP", 0): "quantity",
        history.scan("SHIP", 1, uom="XX"): "unit",
        history.scan("SHIP", 1, location="NOWHERE"): "location",
        history.scan("SHIP", 1, location="OLD"): "closed",
        history.scan("SHIP", 1, item={"scheme": "GTIN", "code": "1"}): "item",
        history.scan("SHIP", 1, at=3 * 24 * 60): "future",
        history.scan("COUNT", 1, lot="L1"): "a count of one lot",
        history.add("warehouse.scans", None, {"event_id": "n"}): "null key",
    }
    raw = history.add("warehouse.scans", "S1", b"junk")

    assert history.answer().quarantined == bad
    assert history.answer().undecodable == {raw}
    assert history.answer().positions == {}


def test_an_item_keeps_its_base_unit(history):
    """A record with another one is bad, and says nothing else either; a case is still twelve of the first."""
    bad = history.add("erp.items", "S1", {**ITEM, "base_uom": "GRM", "packs": [{"uom": "CA", "factor": 24}]})
    history.scan("RECEIPT", 1, uom="CA")

    assert history.answer().quarantined == {bad: "another base unit"}
    assert history.position()["on_hand"] == 12


def test_a_transfer_is_expected_where_it_goes_until_it_arrives(history):
    """6 leave, 2 have arrived: 4 are on the way for two days after they left."""
    history.scan("TRANSFER_OUT", 6, to_location="L2", reference="TRANSFER", number="T1")
    history.scan("TRANSFER_IN", 2, location="L2", reference="TRANSFER", number="T1")

    assert history.position()["on_hand"] == -6
    assert rungs(history.position("S1|L2")) == [("TRANSFER", 4, 2)]
    assert history.position("S1|L2")["schedule"] == [{"date": TODAY + 2, "atp": 3}]


def test_damaged_goods_on_their_way_are_listed_only(history):
    """6 sound and 4 damaged leave, 5 damaged arrive: one was broken on the way, 5 are for sale in two days."""
    history.scan("TRANSFER_OUT", 6, to_location="L2", reference="TRANSFER", number="T1")
    history.scan("TRANSFER_OUT", 4, to_location="L2", reference="TRANSFER", number="T1", disposition="damaged")
    assert rungs(history.position("S1|L2")) == [("TRANSFER", 6, 2), ("TRANSFER_UNSELLABLE", 4, 2)]
    assert history.position("S1|L2")["schedule"] == [{"date": TODAY + 2, "atp": 3}]

    history.scan("TRANSFER_IN", 5, location="L2", reference="TRANSFER", number="T1", disposition="damaged")
    assert rungs(history.position("S1|L2")) == [("TRANSFER", 5, 2)]


def test_a_quantity_counts_once_on_its_furthest_rung(history):
    """24 ordered, 20 firm, 8 shipped, 3 of them received by notice and 1 by order: 4 + 12 + 4 are still to come."""
    history.order(24)
    history.ack(0, ("BP", 20, TODAY + 5, None))
    history.notice(8, arrival=NOW + DAY)
    history.scan("RECEIPT", 3, reference="ASN", number="H1")
    history.scan("RECEIPT", 1, reference="PURCHASE_ORDER", number="P1", line="1")

    assert rungs(history.position()) == [("IN_TRANSIT", 4, 1), ("ORDERED", 4, 3), ("ACKNOWLEDGED", 12, 5)]
    assert history.position()["on_hand"] == 4


@pytest.mark.parametrize("name", ["", "01"])
def test_what_names_no_line_of_its_order_counts_for_the_line_of_its_sku(history, name):
    """24 ordered, 10 shipped, 3 of them received by notice and 2 by order: 5 + 14 are still to come, 5 are posted."""
    history.order(24)
    history.notice(10, arrival=NOW + DAY, line=name)
    history.scan("RECEIPT", 3, reference="ASN", number="H1")
    history.scan("RECEIPT", 2, reference="PURCHASE_ORDER", number="P1", line=name or None)

    assert rungs(history.position()) == [("IN_TRANSIT", 5, 1), ("ORDERED", 14, 3)]
    assert history.answer().books.goods_receipt == {("P1", "S1", "L1"): 5}


def test_the_newest_answer_for_a_line_holds(history):
    """A refusal told first but given earlier does not outweigh the later date."""
    history.order(24)
    history.ack(2_000, ("DR", 24, TODAY + 9, None))
    history.ack(1_000, ("IR", None, None, None))

    assert rungs(history.position()) == [("ACKNOWLEDGED", 24, 9)]


def test_of_two_answers_of_one_date_the_one_sent_later_holds(history):
    """Whatever their ids; so do two milestones of one minute."""
    history.order(24)
    for quantity in range(20, 8, -1):
        history.ack(1_000, ("IQ", quantity, TODAY + 5, None))
    history.notice(6, arrival=NOW + DAY)
    for days in range(12, 1, -1):
        history.milestone("X6", 1_000, arrival=NOW + days * DAY)

    assert rungs(history.position()) == [("IN_TRANSIT", 6, 2), ("ORDERED", 15, 3), ("ACKNOWLEDGED", 3, 5)]


def test_a_substitute_is_expected_in_place_of_the_item(history):
    """The supply moves to the other SKU."""
    history.order(24)
    history.ack(0, ("IS", 24, TODAY + 4, {"scheme": "SKU", "code": "S2"}))

    assert rungs(history.position("S2|L1")) == [("ACKNOWLEDGED", 24, 4)]
    assert "S1|L1" not in history.answer().positions


def test_a_shipment_that_turned_back_is_expected_no_more(history):
    """After a return to shipper the order itself is open again."""
    history.order(24)
    history.notice(24, arrival=NOW + DAY)
    history.milestone("AF", 1_000)
    history.milestone("A3", 2_000)

    assert rungs(history.position()) == [("ORDERED", 24, 3)]


def test_a_delay_moves_the_arrival_and_delivery_is_not_stock(history):
    """The carrier's newest arrival holds; a delivered shipment stays expected until it is scanned in."""
    history.order(24)
    history.notice(24, arrival=NOW + DAY)
    history.milestone("SD", 1_000, arrival=NOW + 3 * DAY)
    history.milestone("D1", 2_000)

    assert rungs(history.position()) == [("IN_TRANSIT", 24, 3)]
    assert history.position()["on_hand"] == 0


def test_overdue_supply_counts_inside_the_fence_only(history):
    """Two days late counts tomorrow; three days late is listed and promises nothing."""
    history.order(24, requested=TODAY - 2)
    inside = history.position()
    history.order(24, requested=TODAY - 3, revision=2)
    outside = history.position()

    assert inside["schedule"] == [{"date": TODAY + 1, "atp": 21}]
    assert inside["next_receipt"] == TODAY + 1
    assert outside["schedule"] == []
    assert [part["overdue"] for part in outside["expected"]] == [True]


def test_a_closed_order_brings_nothing(history):
    """The newest revision wins even when told first."""
    history.order(24, revision=2, status="CLOSED")
    history.order(24, revision=1)

    assert history.answer().positions == {}


def test_allocations_hold_until_shipped(history):
    """10 on hand, 6 allocated, 2 of them shipped: 8 on hand, 4 held, 1 over the safety stock."""
    history.scan("RECEIPT", 10)
    history.sell(6)
    history.scan("SHIP", 2, reference="SALES_ORDER", number="O1", line="1")

    assert history.position()["allocated"] == 4
    assert history.position()["atp_signed"] == 4
    assert history.position()["atp"] == 1


def test_a_cancelled_order_holds_nothing(history):
    """A later revision frees the stock."""
    history.scan("RECEIPT", 10)
    history.sell(6)
    history.sell(6, revision=2, status="CANCELLED")

    assert history.position()["allocated"] == 0
    assert history.position()["atp"] == 7


def test_later_demand_is_looked_ahead_to(history):
    """10 on hand and 24 due in 3 days, 12 promised in 2 days: today's promise is already short by 2."""
    history.scan("RECEIPT", 10)
    history.order(24)
    history.sell(12, date=TODAY + 2)

    assert history.position()["atp_signed"] == -2
    assert history.position()["schedule"] == [{"date": TODAY + 3, "atp": 19}]


# ---- the proof ----------------------------------------------------------------------------------------------------


def test_compare_names_a_planted_error(history):
    """One figure off by one in one position is found, by key and field, and nothing else is."""
    history.scan("RECEIPT", 10)
    history.order(24)
    answer = history.answer()
    snapshots = copy.deepcopy(answer.positions)
    assert compare(answer, snapshots, TODAY).exact
    snapshots["S1|L1"]["expected"][0]["quantity"] -= 1
    report = compare(answer, snapshots, TODAY)

    assert [(d.key, d.field) for d in report.differences] == [("S1|L1", "expected")]
    assert not report.exact


def test_compare_misses_no_position(history):
    """A position that was never published is a difference, and so is one that should be empty and is not."""
    history.scan("RECEIPT", 10)
    answer = history.answer()
    stray = {**answer.positions["S1|L1"]}

    assert compare(answer, {}, TODAY).wrong == 1
    assert compare(answer, {**answer.positions, "S1|L2": stray}, TODAY).wrong > 0


def test_the_chain_shows_gaps_repeats_and_wrong_starts():
    """A client that applies deltas in order must find each beginning where the last ended."""

    def step(revision, previous, atp, before):
        return "S1|L1", {"revision": revision, "previous_revision": previous, "atp": atp, "previous_atp": before}

    assert check_chain("d", [step(2, 0, 5, 0), step(4, 2, 9, 5)], "atp").exact
    assert check_chain("d", [step(2, 0, 5, 0), step(4, 3, 9, 5)], "atp").differences[0].field == "gap"
    assert check_chain("d", [step(2, 0, 5, 0), step(2, 0, 5, 5)], "atp").differences[0].field == "repeat"
    assert check_chain("d", [step(2, 0, 5, 0), step(4, 2, 9, 6)], "atp").differences[0].field == "previous_atp"


def test_a_bad_record_must_be_caught_once(history):
    """Never caught, caught twice, and a good record kept out are all told."""
    bad = history.scan("SHIP", 0)
    good = history.scan("RECEIPT", 1)
    answer = history.answer()

    def caught(coordinate, identifier):
        return {"exception_id": identifier, "category": "INVALID_QUANTITY", "coordinate": coordinate}

    assert check_bad(answer, [caught(bad, "1")], [], []).exact
    assert not check_bad(answer, [], [], []).exact
    assert not check_bad(answer, [caught(bad, "1"), caught(bad, "2")], [], []).exact
    assert not check_bad(answer, [caught(bad, "1"), caught(good, "3")], [], []).exact
    assert check_bad(answer, [caught(bad, "1"), caught(good, "3")], [], [{"exception_id": "3"}]).exact


def test_the_journal_gives_back_what_was_written(tmp_path):
    """Records and raw bytes survive the file."""
    written = [
        Acknowledged("t", 1, n, "k", {"a": [n, None, "x"]} if n % 2 else b"\x00raw", n, "L", "") for n in range(2_500)
    ]
    with JournalWriter(tmp_path / "journal") as journal:
        for record in written:
            journal.add(tuple(record))

    assert list(read_journal(tmp_path / "journal")) == written

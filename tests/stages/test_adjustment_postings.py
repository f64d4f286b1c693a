"""What the inventory stage posts to the ERP: every change of on-hand that no business document posts, and nothing else."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger_entries import DAY, DC2, KEY, NOON, TODAY, Inventory, allocate, entry, expect, policy, reserve, tick
from test_inventory_properties import plenty

PO, ASN, ORDER = "PURCHASE_ORDER:P1", "ASN:SH1", "SALES_ORDER:O1"


def posted(inventory):
    """Lines of all postings as (disposition, quantity)."""
    return [
        [(line["disposition"], line["quantity"]) for line in record["lines"]]
        for record in inventory.topic("erp.postings")
    ]


def after(*entries):
    inventory = Inventory()
    inventory.take(*entries)
    return inventory


def test_a_posting_says_all_the_erp_needs():
    """Document, step, revision of the position, key, cause; the quantity is signed, the note says what it was."""
    inventory = Inventory()
    inventory.take(expect((5, TODAY)), entry("ADJUST", 3))
    outputs = inventory.take(entry("ADJUST", -2, at=NOON + 5, reference="COUNT:C7"))
    [(key, record)] = [(key, record) for topic, key, record in outputs if topic == "erp.postings"]

    assert key == record["document"] == "STOCK:S1|DC01"
    assert (record["step"], record["operation"]) == ("INVENTORY_ADJUSTMENT", "inventory_adjustment")
    assert record["revision"] == inventory.position()["revision"] == 3
    assert record["idempotency_key"] == "STOCK:S1|DC01/INVENTORY_ADJUSTMENT/3"
    assert record["causes"] == [f"warehouse.scans[0]@{NOON + 5}"]
    assert (record["priority"], record["reverses"], record["created_at"]) == (70, None, NOON + 5)
    assert record["lines"] == [
        {
            "line": "1", "sku": "S1", "location": "DC01", "quantity": -2, "disposition": "available",
            "date": TODAY, "note": "COUNT:C7", "substitute": None,
        }
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("fact", "lines"),
    [
        (entry("ADJUST", -4, disposition="damaged"), [("damaged", -4)]),
        (entry("RECEIPT", 4), [("available", 4)]),
        (entry("RECEIPT", 4, reference="SHIPMENT:X"), [("available", 4)]),
        (entry("ISSUE", 4), [("available", -4)]),
        (entry("ISSUE", -4, corrects="e1"), [("available", 4)]),
        (entry("RETURN", 4, disposition="returned"), [("returned", 4)]),
        (entry("TRANSFER_OUT", 4, reference="TRANSFER:T1"), [("available", -4)]),
        (entry("TRANSFER_IN", 4, reference="TRANSFER:T1"), [("available", 4)]),
        (entry("MOVE", 4, to_disposition="damaged"), [("available", -4), ("damaged", 4)]),
        (entry("COUNT", 4), [("available", 4)]),
        (entry("COUNT", 4, disposition="damaged"), [("damaged", 4)]),
    ],
)
def test_what_no_document_posts_is_an_adjustment(fact, lines):
    """Adjustments, counts, moves, transfers, and movements that name no order."""
    assert posted(after(fact)) == [lines]


@pytest.mark.parametrize(
    "fact",
    [
        entry("RECEIPT", 4, reference=PO),
        entry("RECEIPT", 4, reference=ASN),
        entry("RECEIPT", -4, reference=PO, corrects="e1"),
        entry("ISSUE", 4, reference=ORDER),
        entry("RETURN", 4, reference=ORDER, disposition="returned"),
        entry("MOVE", 4, reference=PO, disposition="quality_hold", to_disposition="available"),
        entry("MOVE", 4, reference=ORDER, disposition="returned", to_disposition="available"),
        entry("COUNT", 9),
        entry("SNAPSHOT", 9),
        entry("TRANSFER_DUE", 4, reference="TRANSFER:T1"),
        expect((4, TODAY)),
        allocate((4, None)),
        policy(anywhere=3),
        reserve("a", 1),
        tick(NOON, KEY),
    ],
)
def test_what_a_document_posts_or_moves_nothing_is_no_adjustment(fact):
    """The document's own stage posts it; claims and time move no stock."""
    assert posted(after(entry("RECEIPT", 9, reference=PO), fact)) == []


def test_the_short_way_of_plain_movements_posts_the_same():
    """Movements of a position nothing is claimed of: one that names a ship notice is that document's, the others are not."""
    inventory = Inventory()
    names = [None, ASN, None, "SHIPMENT:X", ASN]
    inventory.each(*(entry("RECEIPT", n + 1, reference=name, at=NOON + n) for n, name in enumerate(names)))

    assert posted(inventory) == [[("available", 1)], [("available", 3)], [("available", 4)]]
    assert [record["revision"] for record in inventory.topic("erp.postings")] == [1, 3, 4]


def test_a_count_posts_the_difference():
    """Carried forward over the movements since; one in agreement posts nothing."""
    inventory = after(entry("RECEIPT", 20, reference=PO), entry("ISSUE", 5, at=NOON + 20, reference=ORDER))
    inventory.take(entry("COUNT", 18, at=NOON + 10), entry("COUNT", 18, at=NOON + 10))

    assert posted(inventory) == [[("available", -2)]]


def test_what_a_count_has_seen_already_is_given_back():
    """The shipment's document takes it from the ERP's stock; the count had taken it before: so it is put back."""
    inventory = after(entry("RECEIPT", 20, reference=PO), entry("COUNT", 15, at=NOON + 10))
    inventory.take(entry("ISSUE", 5, at=NOON + 5, reference=ORDER), entry("ISSUE", 2, at=NOON + 6))

    assert posted(inventory) == [[("available", -5)], [("available", 5)]]
    assert inventory.topic("erp.postings")[-1]["lines"][0]["note"] == ORDER


def test_a_move_of_which_a_count_has_seen_one_side_posts_the_other():
    """Each disposition has its own count."""
    inventory = after(entry("RECEIPT", 20, reference=PO), entry("COUNT", 15, at=NOON + 10))
    inventory.take(entry("MOVE", 5, at=NOON + 5, to_disposition="damaged"))
    inventory.take(entry("MOVE", 3, at=NOON + 5, reference=ASN, to_disposition="quality_hold"))

    assert posted(inventory)[1:] == [[("damaged", 5)], [("available", 3)]]


def test_a_transfer_posts_each_leg_where_it_happens():
    """With the transfer's number, so that the ERP can join them."""
    inventory = after(
        entry("RECEIPT", 9, reference=PO),
        entry("TRANSFER_OUT", 4, reference="TRANSFER:T1"),
        entry("TRANSFER_IN", 4, reference="TRANSFER:T1", key=DC2),
    )
    records = inventory.topic("erp.postings")

    assert [(record["document"], record["lines"][0]["quantity"]) for record in records] == [
        ("STOCK:S1|DC01", -4), ("STOCK:S1|DC02", 4)
    ]  # fmt: skip
    assert {record["lines"][0]["note"] for record in records} == {"TRANSFER:T1"}


# ---- whatever happens -----------------------------------------------------------------------------------------------

DISPOSITIONS = ["available", "quality_hold", "damaged"]
SIGNS = {"RECEIPT": 1, "RETURN": 1, "TRANSFER_IN": 1, "ADJUST": 1, "ISSUE": -1, "TRANSFER_OUT": -1}
DOCUMENTS = {"RECEIPT": (PO, ASN), "ISSUE": (ORDER,), "RETURN": (ORDER,), "MOVE": (PO, ASN, ORDER)}
quantities, times = st.integers(-9, 30), st.integers(NOON - DAY, NOON + DAY)
keys, dispositions = st.sampled_from([KEY, DC2]), st.sampled_from(DISPOSITIONS)
references = st.sampled_from([None, PO, ASN, ORDER, "SHIPMENT:X", "TRANSFER:T"])
movements = st.one_of(
    st.builds(
        lambda kind, q, d, r, at, key: entry(kind, q, disposition=d, reference=r, at=at, key=key),
        st.sampled_from(list(SIGNS)), quantities, dispositions, references, times, keys,
    ),
    st.builds(
        lambda q, d, to, r, at, key: entry("MOVE", q, disposition=d, to_disposition=to, reference=r, at=at, key=key),
        quantities, dispositions, dispositions, references, times, keys,
    ),
    st.builds(lambda q, d, at, key: entry("COUNT", q, disposition=d, at=at, key=key), st.integers(0, 40), dispositions, times, keys),
    st.builds(lambda at, q: entry("ADJUST", q, at=at), times, quantities),
    st.builds(reserve, st.sampled_from("abc"), st.integers(1, 9)),
)  # fmt: skip


def by_documents(story):
    """What the stages of the documents post, from their definition."""
    sums = {}
    for key, value in story:
        kind, quantity = value["kind"], value["quantity"]
        if value["reference"] not in DOCUMENTS.get(kind, ()):
            continue
        legs = [(value["disposition"], -quantity), (value["to_disposition"], quantity)]
        for disposition, change in legs if kind == "MOVE" else [(value["disposition"], SIGNS[kind] * quantity)]:
            sums[key, disposition] = sums.get((key, disposition), 0) + change
    return sums


@plenty
@given(st.lists(movements, max_size=50), st.lists(st.integers(0, 50), max_size=4))
def test_the_erps_stock_is_ours_whatever_happens(story, cuts):
    """Documents and adjustments add up to on-hand by disposition: counts, late movements and corrections in any order."""
    inventory = Inventory()
    for start, end in pairwise([0, *sorted(cuts), len(story)]):
        inventory.take(*story[start:end])
    erp = by_documents(story)
    for record in inventory.topic("erp.postings"):
        key = record["document"].removeprefix("STOCK:")
        for line in record["lines"]:
            assert f"{line['sku']}|{line['location']}" == key
            erp[key, line["disposition"]] = erp.get((key, line["disposition"]), 0) + line["quantity"]
    ours = {
        (key, disposition): quantity
        for key in (KEY, DC2)
        if ("availability.snapshots", key) in inventory.last
        for disposition, quantity in inventory.position(key)["disposition"].items()
    }

    assert {at: q for at, q in erp.items() if q} == {at: q for at, q in ours.items() if q}


@plenty
@given(st.lists(movements, max_size=50), st.lists(st.integers(0, 50), max_size=4))
def test_postings_do_not_depend_on_chunks_and_no_key_comes_twice(story, cuts):
    """One posting an entry at most, its revision rising within the document."""
    whole, pieces = Inventory(), Inventory()
    whole.take(*story)
    for start, end in pairwise([0, *sorted(cuts), len(story)]):
        pieces.take(*story[start:end])
    records = whole.topic("erp.postings")

    assert records == pieces.topic("erp.postings")
    assert len({record["idempotency_key"] for record in records}) == len(records)
    for document in {record["document"] for record in records}:
        revisions = [record["revision"] for record in records if record["document"] == document]
        assert revisions == sorted(revisions)

"""The cross-reference: what resolves, what does not, and what each change may settle."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tables.reference import Reference
from tables.refusal import Refused


def item(sku: str, *identifiers: tuple[str, str, str | None], **changes: Any) -> dict[str, Any]:
    record = {
        "sku": sku, "description": "", "base_uom": "EA", "packs": [], "segment": "A", "safety_stock": [],
        "identifiers": [{"scheme": s, "code": c, "party": p} for s, c, p in identifiers],
        "shelf_life_days": None, "active": True,
    }  # fmt: skip
    return record | changes


def location(name: str, *codes: tuple[str, str]) -> dict[str, Any]:
    return {
        "location": name, "kind": "WAREHOUSE", "time_zone": "UTC", "calendar": "", "priority": 1,
        "codes": [{"party": p, "code": c} for p, c in codes], "active": True,
    }  # fmt: skip


def reference(*records: dict[str, Any]) -> Reference:
    known = Reference()
    for record in records:
        known.apply("erp.items" if "sku" in record else "erp.locations", record)
    return known


def test_party_finds_its_own_code_before_everybodys():
    """The same part number may mean another item to another supplier."""
    known = reference(item("A", ("VENDOR_PART", "1", "ACME")), item("B", ("VENDOR_PART", "1", None)))

    assert [known.item("VENDOR_PART", "1", party).sku for party in ("ACME", "BETA")] == ["A", "B"]


def test_code_of_another_party_is_not_ours():
    """A supplier's document is read by the supplier's codes alone."""
    known = reference(item("A", ("VENDOR_PART", "1", "ACME")))

    with pytest.raises(Refused, match="belongs to no item"):
        known.item("VENDOR_PART", "1", "BETA")


def test_scan_may_use_a_vendors_code_that_is_clear():
    """A scanner does not know the supplier; where parties disagree, it has to."""
    known = reference(item("A", ("VENDOR_PART", "1", "ACME")), item("B", ("VENDOR_PART", "2", "ACME")))
    assert known.item("VENDOR_PART", "1", None).sku == "A"

    known.apply("erp.items", item("C", ("VENDOR_PART", "1", "BETA")))

    with pytest.raises(Refused, match="claimed by items A, C"):
        known.item("VENDOR_PART", "1", None)


@pytest.mark.parametrize("order", [1, -1])
def test_code_that_two_items_claim_is_neither(order):
    """Whichever came first; it is clear again when one gives it up."""
    records = [item("A", ("GTIN", "4012345678901", None)), item("B", ("GTIN", "04012345678901", None))][::order]
    known = reference(*records)
    with pytest.raises(Refused, match="claimed by items A, B"):
        known.item("GTIN", "4012345678901", None)

    changed = known.apply("erp.items", item("B"))

    assert "item|GTIN|04012345678901" in changed
    assert known.item("GTIN", "4012345678901", None).sku == "A"


def test_what_a_refusal_waits_for_is_what_the_change_tells():
    """The wait keys of lookups and of changes are the same."""
    known = reference(item("A"))
    waits = set()
    for look in (
        lambda: known.item("SKU", "B", None),
        lambda: known.item("GTIN", "4012345678901", None),
        lambda: known.item("VENDOR_PART", "1", "ACME"),
        lambda: known.item("BUYER_PART", "B", "ACME"),
        lambda: known.location("7001", "ACME"),
        lambda: known.location("DC01", None),
        lambda: known.partner("ACME", "a document"),
        lambda: known.unit(known.items["A"], "kg"),
    ):
        with pytest.raises(Refused) as refused:
            look()
        waits |= refused.value.waits
    assert not any(known.knows(wait) for wait in waits)

    changed = known.apply("erp.items", item("B", ("GTIN", "4012345678901", None), ("VENDOR_PART", "1", "ACME")))
    changed |= known.apply("erp.items", item("A", packs=[{"uom": "KGM", "factor": 4}]))
    changed |= known.apply("erp.locations", location("DC01", ("ACME", "7001")))
    changed |= known.apply("partners.profiles", PROFILE)

    assert waits <= changed
    assert all(known.knows(wait) for wait in waits)


PROFILE = {
    "partner": "ACME", "kind": "SUPPLIER", "name": "", "owner": "desk", "ship_days": 1, "overdue_fence_days": 1,
    "overdue_offset_days": 0, "backorder_in_ack": False, "active": True,
}  # fmt: skip


def test_invalid_record_leaves_what_was_known():
    """Intake raises the exception; lookups go on with the last good record."""
    known = reference(item("A", packs=[{"uom": "CA", "factor": 6}]))

    assert known.apply("erp.items", item("A", packs=[{"uom": "CA", "factor": 0}])) == set()
    assert known.unit(known.items["A"], "CA") == (6, 1)


def test_record_under_anothers_key_is_ignored():
    """Intake refuses it; which of two partitions is read first must not decide what holds."""
    from schemas.codec import Codec  # noqa: PLC0415

    codec = Codec()
    codec.register("erp.items", 1)
    right, wrong = (item("A", packs=[{"uom": "CA", "factor": factor}]) for factor in (12, 24))
    records = [(b"A", codec.encode("erp.items", right)), (b"B", codec.encode("erp.items", wrong)), (None, b"")]
    for order in (records, records[::-1]):
        known = Reference()
        for key, value in order:
            known.apply_encoded("erp.items", value, codec.decode, key)

        assert known.unit(known.items["A"], "CA") == (12, 1)


def test_record_that_changes_nothing_settles_nothing():
    """The generation stays, so caches do."""
    known = reference(item("A"))
    generation = known.generation

    assert known.apply("erp.items", item("A")) == set()
    assert known.generation == generation


def test_undecodable_reference_record_is_ignored():
    """It is dead-lettered by intake; a follower must not fall over it."""
    from schemas.codec import Codec  # noqa: PLC0415

    assert Reference().apply_encoded("erp.items", b"junk", Codec().decode) == set()


def test_deleted_item_is_unknown():
    """An empty value on a compacted topic deletes."""
    known = reference(item("A", ("GTIN", "4012345678901", None)))
    generation = known.generation

    known.apply("erp.items", None, "A")

    assert known.generation > generation
    for scheme, code in (("SKU", "A"), ("GTIN", "4012345678901")):
        with pytest.raises(Refused):
            known.item(scheme, code, None)


codes = st.tuples(
    st.sampled_from(["VENDOR_PART", "BUYER_PART"]), st.sampled_from("123"), st.sampled_from([None, "P", "Q"])
)
items = st.builds(lambda sku, names: item(sku, *names), st.sampled_from("AB1"), st.lists(codes, max_size=3))


@given(st.lists(items, max_size=8))
def test_what_resolves_depends_only_on_the_newest_record_of_each_item(records):
    """Updating record by record is the same as building from what holds now, in any order of items."""
    known = reference(*records)
    newest = {record["sku"]: record for record in records}
    fresh = reference(*(newest[sku] for sku in sorted(newest)))

    for scheme in ("SKU", "VENDOR_PART", "BUYER_PART"):
        for code in "AB123":
            for party in (None, "P", "Q"):
                assert _outcome(known, scheme, code, party) == _outcome(fresh, scheme, code, party)


def _outcome(known: Reference, scheme: str, code: str, party: str | None) -> str:
    try:
        return known.item(scheme, code, party).sku
    except Refused as refused:
        return refused.message


def test_an_item_keeps_the_base_unit_it_is_known_by():
    """Its stock is in that unit: a record with another one is ignored, however the first is written; a new one is not."""
    known = reference(item("M", base_uom="KGM"), item("M", base_uom="GRM"), item("M", base_uom="kg", segment="B"))

    assert known.items["M"].record["segment"] == "B"
    assert set(known.items["M"].units) >= {"KGM"}
    known.apply("erp.items", None, "M")
    known.apply("erp.items", item("M", base_uom="GRM"))
    assert known.items["M"].record["base_uom"] == "GRM"

"""EPCIS 2.0 events as the standard shapes them, and the scans they become."""

import copy
import json
from typing import Any

import pytest
from biip.checksums import gs1_standard_check_digit
from hypothesis import given
from hypothesis import strategies as st

from connectors.inbound.epcis import Capture, events, scans
from connectors.inbound.gs1 import NotGs1, place, trade_item
from connectors.inbound.unmapped import Unmapped

CAPTURE = Capture("WMS-DC01", 1_795_161_602_000)
BOLT = "urn:epc:class:lgtin:4012345.012345.998877"
BOLT_GTIN = "04012345123456"
DOCK = "urn:epc:id:sgln:0614141.00777.0"
DOCK_GLN = "0614141007776"


def receiving(**changes: Any) -> dict[str, Any]:
    """A receipt of 200 pieces of a lot against a ship notice and a purchase order."""
    event = {
        "type": "ObjectEvent",
        "action": "OBSERVE",
        "eventID": "urn:uuid:374d95fc-9457-4a51-bd6a-0bba133845a8",
        "eventTime": "2026-11-20T11:00:00.000+01:00",
        "eventTimeZoneOffset": "+01:00",
        "bizStep": "receiving",
        "disposition": "in_progress",
        "readPoint": {"id": "urn:epc:id:sgln:0614141.00777.dock-3"},
        "bizLocation": {"id": DOCK},
        "quantityList": [{"epcClass": BOLT, "quantity": 200}],
        "bizTransactionList": [
            {"type": "po", "bizTransaction": "urn:epcglobal:cbv:bt:5012345678900:450001"},
            {"type": "urn:epcglobal:cbv:btt:desadv", "bizTransaction": "urn:epcglobal:cbv:bt:4012345000009:ASN-77"},
        ],
    }
    return {name: value for name, value in {**event, **changes}.items() if value is not None}


def shipping(**changes: Any) -> dict[str, Any]:
    return receiving(
        bizStep="https://ref.gs1.org/cbv/BizStep-shipping",
        disposition="https://ref.gs1.org/cbv/Disp-in_transit",
        bizLocation=None,
        readPoint={"id": DOCK},
        bizTransactionList=[{"type": "https://ref.gs1.org/cbv/BTT-po", "bizTransaction": "https://shop.example/po/S1"}],
        **changes,
    )


def one(event: dict[str, Any]) -> dict[str, Any]:
    (scan,) = scans(event, "event", CAPTURE)
    return dict(scan)


def refused(event: dict[str, Any]) -> Unmapped:
    with pytest.raises(Unmapped) as caught:
        scans(event, "event", CAPTURE)
    assert caught.value.wrong
    assert caught.value.mend
    return caught.value


def test_a_receipt_of_a_lot_becomes_one_receipt_scan():
    """Every field of the scan comes from where the standard puts it."""
    assert one(receiving()) == {
        "event_id": "374d95fc-9457-4a51-bd6a-0bba133845a8",
        "scan_type": "RECEIPT",
        "item": {"scheme": "GTIN", "code": BOLT_GTIN},
        "location": DOCK_GLN,
        "quantity": 200,
        "uom": "EA",
        "disposition": None,
        "to_disposition": None,
        "to_location": None,
        "lot": "998877",
        "device_id": "urn:epc:id:sgln:0614141.00777.dock-3",
        "operator": None,
        "reference": {"kind": "ASN", "number": "ASN-77", "line": None},
        "corrects": None,
        "occurred_at": 1_795_168_800_000,
        "sent_at": 1_795_161_602_000,
        "source": "WMS-DC01",
        "correlation_id": "374d95fc-9457-4a51-bd6a-0bba133845a8",
    }


@pytest.mark.parametrize(
    "spelling",
    [
        "receiving",
        "cbv:BizStep-receiving",
        "https://ref.gs1.org/cbv/BizStep-receiving",
        "urn:epcglobal:cbv:bizstep:receiving",
    ],
)
def test_a_business_step_may_be_short_compact_a_web_address_or_the_old_urn(spelling: str):
    """All spellings of the vocabulary mean the same."""
    assert one(receiving(bizStep=spelling))["scan_type"] == "RECEIPT"


@pytest.mark.parametrize(
    ("step", "scan_type"),
    [
        ("accepting", "RECEIPT"),
        ("storing", "PUTAWAY"),
        ("stocking", "PUTAWAY"),
        ("picking", "PICK"),
        ("packing", "PACK"),
        ("loading", "SHIP"),
        ("departing", "SHIP"),
        ("cycle_counting", "COUNT"),
        ("stock_taking", "COUNT"),
    ],
)
def test_each_business_step_has_its_scan_type(step: str, scan_type: str):
    """The table of steps holds."""
    assert one(receiving(bizStep=step))["scan_type"] == scan_type


def test_goods_leave_from_where_they_were_read_on_the_order_of_the_customer():
    """A shipment's business location is where the goods are not any more; its po is a sales order of ours."""
    scan = one(shipping())

    assert (scan["scan_type"], scan["location"], scan["disposition"]) == ("SHIP", DOCK_GLN, None)
    assert scan["reference"] == {"kind": "SALES_ORDER", "number": "S1", "line": None}


@pytest.mark.parametrize(
    ("disposition", "scan_type", "leaves", "enters"),
    [
        ("sellable_accessible", "RELEASE", "quality_hold", "available"),
        ("conformant", "RELEASE", "quality_hold", "available"),
        ("non_conformant", "HOLD", "available", "quality_hold"),
        ("urn:epcglobal:cbv:disp:damaged", "HOLD", "available", "damaged"),
        ("expired", "HOLD", "available", "expired"),
    ],
)
def test_an_inspection_releases_or_holds_by_what_it_found(disposition, scan_type, leaves, enters):
    """The disposition after the inspection decides."""
    scan = one(receiving(bizStep="inspecting", disposition=disposition))

    assert (scan["scan_type"], scan["disposition"], scan["to_disposition"]) == (scan_type, leaves, enters)


def test_an_inspection_may_say_which_state_it_ends():
    """Returned goods found good leave the returned stock, not the quality hold."""
    event = receiving(bizStep="inspecting", disposition="available", persistentDisposition={"unset": ["returned"]})
    scan = one(event)

    assert (scan["scan_type"], scan["disposition"], scan["to_disposition"]) == ("RELEASE", "returned", "available")


def test_goods_received_as_returned_are_a_return_of_their_order():
    """Not a receipt: the document is the customer's order."""
    scan = one(receiving(disposition="returned"))

    assert (scan["scan_type"], scan["disposition"]) == ("RETURN", "returned")
    assert scan["reference"]["kind"] == "SALES_ORDER"


def test_pieces_count_one_each_by_item():
    """Serial numbers of one item add up; another item is another scan with an id of its own."""
    pieces = [f"urn:epc:id:sgtin:0614141.107346.{serial}" for serial in (2017, 2018)]
    nut = "https://id.gs1.org/01/04012345123456/21/400"
    made = scans(receiving(quantityList=None, epcList=[*pieces, nut]), "event", CAPTURE)

    assert [(scan["item"]["code"], scan["quantity"]) for scan in made] == [("10614141073464", 2), (BOLT_GTIN, 1)]
    assert [scan["event_id"] for scan in made] == [
        "374d95fc-9457-4a51-bd6a-0bba133845a8/0",
        "374d95fc-9457-4a51-bd6a-0bba133845a8/1",
    ]


def test_packing_as_an_aggregation_tells_the_order_what_was_packed():
    """The children are what was packed; the parent is only the box."""
    event = {
        "type": "AggregationEvent",
        "action": "ADD",
        "eventTime": "2026-11-20T10:00:00Z",
        "parentID": "urn:epc:id:sscc:0614141.1234567890",
        "childEPCs": ["urn:epc:id:sgtin:0614141.107346.2017"],
        "childQuantityList": [{"epcClass": "urn:epc:idpat:sgtin:4012345.012345.*", "quantity": 12, "uom": "EA"}],
        "bizLocation": {"id": "https://id.gs1.org/414/0614141007776"},
        "bizTransactionList": [{"type": "po", "bizTransaction": "S1"}],
    }
    made = scans(event, "event", CAPTURE)

    assert [(scan["scan_type"], scan["quantity"], scan["lot"]) for scan in made] == [
        ("PACK", 12, None),
        ("PACK", 1, None),
    ]
    assert {scan["location"] for scan in made} == {DOCK_GLN}


def test_a_count_states_an_item_once_whatever_its_lots():
    """A count is absolute: two counts of one item at one time would replace each other."""
    scan = one(
        receiving(
            bizStep="cycle_counting",
            quantityList=[
                {"epcClass": BOLT, "quantity": 5},
                {"epcClass": BOLT + "b", "quantity": 7, "uom": "C62"},
            ],
        )
    )

    assert (scan["quantity"], scan["lot"], scan["reference"]["kind"]) == (12, None, "NONE")


def test_a_broken_quantity_goes_into_a_unit_in_which_it_is_whole():
    """Nothing is rounded: 0.25 kg are 250 g, a quarter of a piece is none."""
    scan = one(receiving(quantityList=[{"epcClass": BOLT, "quantity": 0.25, "uom": "KGM"}]))

    assert (scan["quantity"], scan["uom"]) == (250, "GRM")
    found = refused(receiving(quantityList=[{"epcClass": BOLT, "quantity": 0.25}]))
    assert found.path == "event.quantityList[0].quantity"


def test_an_error_declared_of_an_event_takes_back_what_it_booked():
    """The same event with an errorDeclaration is the reverse of the scans it became."""
    right = one(receiving())
    wrong = one(
        receiving(
            errorDeclaration={
                "declarationTime": "2026-11-20T12:00:00Z",
                "reason": "incorrect_data",
                "correctiveEventIDs": ["urn:uuid:0ba133845a8"],
            }
        )
    )

    assert wrong == {
        **right,
        "event_id": f"{right['event_id']}/error",
        "quantity": -200,
        "corrects": right["event_id"],
    }


def test_a_count_declared_wrong_is_refused():
    """There is no taking back an absolute statement; the next count is the correction."""
    found = refused(receiving(bizStep="cycle_counting", errorDeclaration={"declarationTime": "2026-11-20T12:00:00Z"}))

    assert found.path == "event.errorDeclaration"
    assert "count again" in found.mend


@pytest.mark.parametrize(("step", "scan_type"), [("void_shipping", "SHIP"), ("unpacking", "PACK")])
def test_a_step_that_takes_back_names_the_event_it_takes_back(step: str, scan_type: str):
    """With the id it is a correction, without it is refused."""
    order = {"type": "po", "bizTransaction": "S1"}
    previous = {"type": "upevt", "bizTransaction": "urn:uuid:b5fc2a3c-0000-4a51-bd6a-0bba133845a8"}
    scan = one(receiving(bizStep=step, bizTransactionList=[order, previous]))

    assert (scan["scan_type"], scan["quantity"]) == (scan_type, -200)
    assert scan["corrects"] == "b5fc2a3c-0000-4a51-bd6a-0bba133845a8"
    assert "upevt" in refused(receiving(bizStep=step, bizTransactionList=[order])).mend


def test_an_event_without_an_id_has_its_contents_as_id():
    """Sent twice it is the same event, whatever time it was recorded at; a different one differs."""
    bare = receiving(eventID=None)
    again = {**dict(reversed(bare.items())), "recordTime": "2026-11-20T12:00:00Z"}

    assert one(bare)["event_id"] == one(again)["event_id"]
    assert one(bare)["event_id"] != one({**bare, "eventTime": "2026-11-20T11:00:01+01:00"})["event_id"]


def test_a_step_that_is_skipped_becomes_nothing():
    """A site that sends loading and departing names one of them."""
    assert scans(receiving(bizStep="arriving"), "", Capture("WMS", 0, frozenset({"arriving"}))) == []


@pytest.mark.parametrize(
    ("changes", "path", "says"),
    [
        ({"type": "TransformationEvent"}, "event.type", "TransformationEvent"),
        ({"type": "TransactionEvent"}, "event.type", "TransactionEvent"),
        ({"bizStep": None}, "event.bizStep", "missing"),
        ({"bizStep": "https://example.com/steps/juggling"}, "event.bizStep", "juggling"),
        ({"bizStep": "arriving"}, "event.bizStep", "no effect"),
        ({"action": None}, "event.action", "None"),
        ({"action": "DELETE"}, "event.action", "DELETE"),
        ({"disposition": "delicious"}, "event.disposition", "delicious"),
        ({"disposition": 7}, "event.disposition", "7"),
        ({"bizStep": "inspecting", "disposition": None}, "event.disposition", "how the goods were found"),
        ({"eventTime": None}, "event.eventTime", "missing"),
        ({"eventTime": "2026-11-20T11:00:00"}, "event.eventTime", "zone"),
        ({"eventTime": "yesterday"}, "event.eventTime", "yesterday"),
        ({"bizLocation": None, "readPoint": None}, "event.bizLocation", "missing"),
        ({"bizLocation": {"id": "urn:epc:id:sgln:0614141.0777.0"}}, "event.bizLocation.id", "digits"),
        ({"bizLocation": {"id": "https://id.gs1.org/414/0614141007777"}}, "event.bizLocation.id", "check digit, 6"),
        ({"bizLocation": {"id": "urn:epc:id:sgtin:0614141.107346.1"}}, "event.bizLocation.id", "not a place"),
        ({"quantityList": None}, "event.quantityList", "no items"),
        ({"quantityList": {}}, "event.quantityList", "not a list"),
        ({"quantityList": [{"epcClass": BOLT}]}, "event.quantityList[0].quantity", "missing"),
        ({"quantityList": [{"epcClass": BOLT, "quantity": True}]}, "event.quantityList[0].quantity", "True"),
        ({"quantityList": [{"epcClass": BOLT, "quantity": -1}]}, "event.quantityList[0].quantity", "-1"),
        ({"quantityList": [{"epcClass": BOLT, "quantity": 0}]}, "event.quantityList[0].quantity", "0"),
        ({"quantityList": [{"epcClass": BOLT, "quantity": 1e30}]}, "event.quantityList[0].quantity", "1e+30"),
        (
            {"quantityList": [{"epcClass": "https://id.gs1.org/01/04012345123457", "quantity": 1}]},
            "event.quantityList[0].epcClass",
            "check digit, 6",
        ),
        (
            {"quantityList": [{"epcClass": "urn:epc:id:sgtin:0614141.107346.1", "quantity": 1}]},
            "event.quantityList[0].epcClass",
            "one piece",
        ),
        ({"epcList": ["urn:epc:id:sscc:0614141.1234567890"]}, "event.epcList[0]", "not a trade item"),
        ({"epcList": ["urn:epc:idpat:sgtin:0614141.107346.*"]}, "event.epcList[0]", "class"),
        ({"epcList": ["urn:epc:id:sgtin:0614141.107346.1"] * 2}, "event.epcList[1]", "twice"),
        ({"bizStep": "picking", "bizTransactionList": None}, "event.bizTransactionList", "no order"),
        ({"bizTransactionList": ["S1"]}, "event.bizTransactionList[0]", "not an object"),
        (
            {"bizTransactionList": [{"type": "desadv", "bizTransaction": "urn:epc:id:gdti:0614141.00001.1"}]},
            "event.bizTransactionList[0].bizTransaction",
            "no number",
        ),
        (
            {"bizTransactionList": [{"type": "po", "bizTransaction": "1"}, {"type": "po", "bizTransaction": "2"}]},
            "event.bizTransactionList",
            "2 documents",
        ),
        ({"eventID": None, "errorDeclaration": {}}, "event.eventID", "missing"),
    ],
)
def test_what_cannot_be_mapped_names_its_place_and_what_is_wrong(changes: dict[str, Any], path: str, says: str):
    """The JSON path, the fault and a remedy, for each thing that can be wrong."""
    found = refused(receiving(**changes))

    assert found.path == path
    assert says in found.wrong


def test_a_document_gives_its_events_with_their_paths():
    """From an EPCISDocument, from the result of a query, or a bare event."""
    document = {"type": "EPCISDocument", "schemaVersion": "2.0", "epcisBody": {"eventList": [receiving(), shipping()]}}
    result = {
        "type": "EPCISQueryDocument",
        "epcisBody": {"queryResults": {"resultsBody": {"eventList": [receiving()]}}},
    }

    assert [path for path, _ in events(document)] == ["epcisBody.eventList[0]", "epcisBody.eventList[1]"]
    assert [path for path, _ in events(result)] == ["epcisBody.queryResults.resultsBody.eventList[0]"]
    assert list(events(receiving())) == [("", receiving())]


@pytest.mark.parametrize(
    "document",
    [
        [],
        "event",
        {"type": "EPCISDocument"},
        {"type": "EPCISDocument", "epcisBody": {"eventList": {}}},
        {"type": "EPCISDocument", "schemaVersion": "1.2", "epcisBody": {"eventList": [receiving()]}},
    ],
)
def test_a_body_without_events_is_refused_whole(document: Any):
    """Nothing is guessed at."""
    with pytest.raises(Unmapped):
        list(events(document))


# ---- properties -------------------------------------------------------------------------------------------------

gtins = st.from_regex(r"[0-9]{13}", fullmatch=True).map(lambda digits: digits + str(gs1_standard_check_digit(digits)))


@given(gtin=gtins, prefix=st.integers(6, 12))
def test_a_trade_item_is_the_same_as_urn_and_as_digital_link(gtin: str, prefix: int):
    """Whatever the length of the company prefix, both forms give the GTIN with its check digit."""
    company, item = gtin[1 : 1 + prefix], gtin[0] + gtin[1 + prefix : 13]

    assert trade_item(f"urn:epc:idpat:sgtin:{company}.{item}.*").gtin == gtin
    assert trade_item(f"https://id.gs1.org/01/{gtin}").gtin == gtin


@given(gtin=gtins, off=st.integers(1, 9))
def test_a_digital_link_with_any_other_check_digit_is_refused(gtin: str, off: int):
    """One digit wrong never passes for another item."""
    with pytest.raises(NotGs1):
        trade_item(f"https://id.gs1.org/01/{gtin[:13]}{(int(gtin[13]) + off) % 10}")


@given(digits=st.from_regex(r"[0-9]{12}", fullmatch=True), prefix=st.integers(6, 12))
def test_a_place_is_the_same_as_urn_and_as_digital_link(digits: str, prefix: int):
    """The GLN has its check digit in both."""
    gln = digits + str(gs1_standard_check_digit(digits))

    assert place(f"urn:epc:id:sgln:{digits[:prefix]}.{digits[prefix:]}.0") == gln
    assert place(f"https://id.gs1.org/414/{gln}") == gln


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(field=st.sampled_from(sorted(receiving())), value=json_values)
def test_any_value_in_any_field_is_mapped_or_refused_with_its_place(field: str, value: Any):
    """Never another error, and a refusal never half of the scans."""
    event = json.loads(json.dumps({**copy.deepcopy(receiving()), field: value}))
    made: list[Any] = []
    where = "event"
    try:
        made = list(scans(event, "event", CAPTURE))
    except Unmapped as refusal:
        where = refusal.path

    assert made or where.startswith("event.")


@given(quantities=st.lists(st.integers(1, 10**9), min_size=1, max_size=8))
def test_quantities_arrive_whole(quantities: list[int]):
    """The scans of an event add up to what it names."""
    entries = [{"epcClass": BOLT, "quantity": quantity} for quantity in quantities]
    made = scans(receiving(quantityList=entries), "event", CAPTURE)

    assert sum(scan["quantity"] for scan in made) == sum(quantities)
    assert len({scan["event_id"] for scan in made}) == len(made)

"""Cutover between ERPs: rules, documents that stay, ambiguous ones, shadows that only watch."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from connectors.outbound.erp.driver import decode_notes, encode_notes
from connectors.outbound.erp.routing import Ambiguous, Route, RoutingError
from connectors.outbound.erp.routing_file import parse
from tests.connectors.erp_site import ErpSite, posting, wait

FILE = """
systems:
  legacy: {url: "http://127.0.0.1:1/odata", token_env: LEGACY, rate: 50, rates: {credit: 5}}
  next: {url: "https://next/odata", concurrency: 4}
  files: {adapter: csv, directory: out, acknowledgements: answers}
business_units: {retail: [DC03]}
regions: {north: [DC01, DC02]}
rules:
  - {match: {operation: backorder}, system: files, handover: move}
  - {match: {region: north, partner: S1}, system: next, from: 2026-11-01T00:00:00Z, shadow: [legacy]}
  - {match: {business_unit: retail, warehouse: [DC03, DC04]}, system: next}
default: legacy
"""
CUT = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp() * 1000)


def routed(document: str = "PURCHASE_ORDER:1", location: str = "DC01", at: int = CUT, **more: Any) -> Route:
    of: Any = posting(document, location=location, created_at=at, **more)
    return parse(yaml.safe_load(FILE), {"LEGACY": "secret"}).route(of)


def test_the_first_rule_that_matches_decides():
    """Operation, region, business unit, warehouse and partner; criteria of one rule must all hold."""
    assert "files" == routed(operation="backorder").system
    assert "next" == routed(location="DC03").system
    assert "legacy" == routed(location="DC04").system
    assert "legacy" == routed(partner="S2").system
    assert Route("next", ("legacy",), ("legacy",)) == routed(partner="S1")


def test_a_cutover_holds_from_its_time_and_stock_changes_over_at_once():
    """Documents are asked for in the former system; stock positions, which never end, follow the time alone."""
    assert Route("legacy") == routed(partner="S1", at=CUT - 1)
    assert Route("next", (), ("legacy",)) == routed("STOCK:A1|DC01", partner="S1")


def test_a_document_is_never_split():
    """Lines of one system are no trouble; lines of two are named."""
    two: Any = posting("PURCHASE_ORDER:1", location="DC03")
    two["lines"].append({**two["lines"][0], "location": "DC04"})

    with pytest.raises(Ambiguous, match="DC03 to next, DC04 to legacy"):
        parse(yaml.safe_load(FILE), {"LEGACY": "secret"}).route(two)


def test_a_posting_without_lines_goes_to_whoever_has_its_document():
    """It takes something back and names no place: the systems are asked."""
    empty: Any = posting("SALES_ORDER:1", "purchase_order_update", lines=[])

    assert Route("legacy", ("next",)) == parse(yaml.safe_load(FILE), {"LEGACY": ""}).route(empty)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"defualt": "legacy"}, "unknown defualt"),
        ({"default": "nobody"}, "routing.default: no system 'nobody'"),
        ({"rules": [{"match": {"region": "south"}, "system": "next"}]}, "no group 'south'"),
        ({"rules": [{"match": {"operation": "tea"}, "system": "next"}]}, "no operation tea"),
        ({"rules": [{"system": "next", "from": "soon"}]}, "'soon' is not a time"),
        ({"rules": [{"system": "files", "from": "2026-11-01"}]}, "cannot be asked which"),
        ({"rules": [{"system": "next", "shadow": ["files"]}]}, "files must be another system"),
        ({"systems": {"a": {"url": "http://a", "token": "x"}}}, "secrets do not belong here"),
        ({"systems": {"a": {"url": "a"}}}, "routing.systems.a.url"),
        ({"systems": {"a": {"url": "http://a", "rate": 0}}}, "not a number above 0"),
        ({"systems": {"a": {"url": "http://a", "rates": {"tea": 1}}}}, "rates: unknown tea"),
        ({"systems": {"a": {"url": "http://a", "token_env": "NOWHERE"}}}, "NOWHERE is not set"),
        ({"systems": {"a": {"adapter": "csv"}}}, "needs `directory`"),
    ],
)
def test_a_mistake_in_the_file_is_named_with_its_place(change, message):
    """What is wrong, where, and what there is instead."""
    with pytest.raises(RoutingError, match=message):
        parse({**yaml.safe_load(FILE), **change}, {"LEGACY": "secret"})


def test_notes_of_files_come_back_from_a_committed_offset():
    """What was planned is read back as it was written; a commit of others' has none."""
    notes = {"files": [10, 20], "more": [0, 0]}

    assert notes == decode_notes(encode_notes({**notes, "online": None}))
    assert {} == decode_notes("") == decode_notes(None)


# ---- on real parts ----------------------------------------------------------------------------------------------


@pytest.fixture
def site(stack: Any, tmp_path: Any) -> Iterator[ErpSite]:
    it = ErpSite(stack, tmp_path)
    yield it
    it.close()


@pytest.mark.stack
def test_a_document_stays_with_the_system_that_took_its_first_posting(site):
    """After the cutover old documents go on in the old ERP, also after a restart; new ones begin in the new one."""
    legacy, following = site.erp("legacy"), site.erp("next")
    cut = 1_800_000_000_000
    since = datetime.fromtimestamp(cut / 1000, UTC).isoformat()
    routing = site.routing(
        {
            "systems": {
                name: {"url": erp.service, "rate": 1000} for name, erp in (("legacy", legacy), ("next", following))
            },
            "rules": [{"system": "next", "from": since}],
            "default": "legacy",
        }
    )
    connector = site.connector(routing=routing)
    old, new = site.document("old"), site.document("new")
    stock = f"STOCK:{site.mark}|DC01"
    first = [posting(old, revision=1, created_at=cut - 5), posting(stock, "inventory_adjustment", created_at=cut - 5)]
    second = [posting(old, revision=2, created_at=cut + 5), posting(new, created_at=cut + 5)]
    site.send(*first, *second)
    site.settle(p["idempotency_key"] for p in first + second)
    connector.stop()
    connector.start()
    third = [
        posting(old, "credit", created_at=cut + 9),
        posting(new, revision=2, created_at=cut + 9),
        posting(stock, "inventory_adjustment", 2, created_at=cut + 9),
    ]
    site.send(*third)
    site.settle(p["idempotency_key"] for p in third)

    assert {old: 3, stock: 1} == {document: len(keys) for document, keys in legacy.state()["documents"].items()}
    assert {new: 2, stock: 1} == {document: len(keys) for document, keys in following.state()["documents"].items()}


@pytest.mark.stack
def test_an_ambiguous_posting_is_an_exception_and_goes_nowhere(site):
    """Nobody splits a document: someone corrects the routing."""
    first, second = site.erp("first"), site.erp("second")
    routing = site.routing(
        {
            "systems": {"first": {"url": first.service}, "second": {"url": second.service}},
            "rules": [{"match": {"warehouse": "DC02"}, "system": "second"}],
            "default": "first",
        }
    )
    site.connector(routing=routing)
    both = posting(site.document(1))
    both["lines"].append({**both["lines"][0], "location": "DC02"})
    site.send(both)
    site.settle([both["idempotency_key"]])

    assert ["ROUTING_AMBIGUOUS"] == [each["category"] for each in site.exceptions()]
    assert [] == first.keys() + second.keys()


@pytest.mark.stack
def test_a_shadow_gets_all_of_it_and_only_watches(site):
    """It may be down, refuse or count otherwise: the system of record goes on, and each difference is told once."""
    record, shadow = site.erp("record"), site.erp("shadow", seed=8)
    shadow.faults(refusal_rates={"credit": 1.0}, outage=True)
    site.begin(f"{site.app}-erp-shadow-shadow")
    routing = site.routing(
        {
            "systems": {
                name: {"url": erp.service, "rate": 1000} for name, erp in (("record", record), ("shadow", shadow))
            },
            "default": "record",
            "default_shadow": ["shadow"],
        }
    )
    site.connector(routing=routing)
    sent = [posting(site.document(n % 5), ("goods_receipt", "credit")[n % 4 == 3], n // 5 + 1) for n in range(40)]
    site.send(*sent)
    site.settle(p["idempotency_key"] for p in sent)
    assert [] == shadow.keys()
    shadow.faults(outage=False)
    differing = {p["idempotency_key"] for p in sent if p["operation"] == "credit"}
    told = lambda: {e["subject"]["id"] for e in site.exceptions() if e["category"] == "SHADOW_DIFFERENCE"}  # noqa: E731
    wait(lambda: told() >= differing, "the differences to be told")
    wait(lambda: len(shadow.keys()) == 30, "the shadow to have the rest")

    assert told() == differing
    assert sorted(p["idempotency_key"] for p in sent) == sorted(record.keys())
    assert {"POSTED"} == set(site.final().values())
    assert {"shadow"} == {r["system"] for r in site.results() if r["shadow"]}
    assert {e["category"] for e in site.exceptions()} == {"SHADOW_DIFFERENCE"}
    assert {} == shadow.state()["out_of_order"]

"""Ingest over HTTP on real Kafka and Redis: what is answered is what stands in the log."""

import json
import threading
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition

from connectors.api.ingest_description import EXAMPLES
from tests.api.api_site import Api, Site
from tests.monitoring.exposition import here, total

pytestmark = pytest.mark.stack
TOPICS = {
    "scans": "warehouse.scans",
    "asns": "supplier.asns",
    "acks": "supplier.acks",
    "milestones": "carrier.milestones",
    "heartbeats": "feeds.heartbeats",
}


@pytest.fixture(scope="module")
def sender(site: Site, api: Api) -> Iterator[Any]:
    with api.client(site.reader) as client:
        yield client


@pytest.fixture
def record_at(site: Site) -> Iterator[Any]:
    """Reads the record at a source coordinate: key and decoded value."""
    consumer = Consumer(
        {"bootstrap.servers": site.stack.bootstrap, "group.id": f"look-{uuid.uuid4().hex}", "enable.auto.commit": False}
    )

    def read(coordinate: str) -> tuple[str, dict[str, Any]]:
        topic, _, rest = coordinate.partition("[")
        partition, _, offset = rest.partition("]@")
        consumer.assign([TopicPartition(topic, int(partition), int(offset))])
        message = consumer.poll(20)
        assert message is not None, f"nothing at {coordinate} within 20 s"
        assert message.error() is None
        assert message.offset() == int(offset)
        return message.key().decode(), site.codec.decode(topic, message.value())

    yield read
    consumer.close()


def scan(**changes: Any) -> dict[str, Any]:
    return {**EXAMPLES["scans"], "event_id": str(uuid.uuid4()), **changes}


def errors(answer: Any) -> dict[str, str]:
    return {error["field"]: error["wrong"] for error in answer.json()["errors"]}


# ---- into the log -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TOPICS)
def test_an_item_stands_in_the_log_where_the_answer_says(sender, record_at, name: str):
    """202 comes after the broker's acknowledgement, with the record's coordinate, key and contents."""
    answer = sender.post(f"/v1/{name}", json=EXAMPLES[name])
    assert answer.status_code == 202, answer.text
    (item,) = answer.json()["items"]
    key, record = record_at(item["coordinate"])

    assert item["coordinate"].startswith(f"{TOPICS[name]}[")
    keys = {
        "scans": "SKU-0001",
        "asns": "SH-77",
        "acks": "450001",
        "milestones": "SH-77",
        "heartbeats": "WMS-DC01|DC01",
    }
    assert key == keys[name]
    sent = EXAMPLES[name]
    plain = {field: value for field, value in sent.items() if isinstance(value, str) and "T" not in value}
    assert plain.items() <= record.items()


def test_times_come_with_a_zone_or_in_ms_and_dates_as_people_write_them(sender, record_at):
    """11:00 in Berlin is 10:00 UTC; a date is days since 1970."""
    at = 1_795_168_800_000
    for given in ("2026-11-20T11:00:00+01:00", "2026-11-20T10:00:00.000Z", at):
        (item,) = sender.post("/v1/scans", json=scan(occurred_at=given)).json()["items"]
        assert record_at(item["coordinate"])[1]["occurred_at"] == at
    (item,) = sender.post("/v1/acks", json={**EXAMPLES["acks"], "event_id": str(uuid.uuid4())}).json()["items"]

    assert record_at(item["coordinate"])[1]["lines"][0]["date"] == 20_788


@pytest.mark.parametrize("wrap", [lambda items: items, lambda items: {"items": items}], ids=["list", "items"])
def test_a_batch_is_answered_item_by_item_in_order(sender, record_at, wrap):
    """One bad item does not hold up the others, and is named."""
    items = [scan(quantity=1), scan(quantity=-1), scan(quantity=3)]
    answer = sender.post("/v1/scans", json=wrap(items))
    found = answer.json()

    assert answer.status_code == 207
    assert [item["status"] for item in found["items"]] == [202, 422, 202]
    assert found["accepted"] == 2
    assert found["items"][1]["errors"][0]["field"] == "quantity"
    assert total(here(), "stockstream_api_ingest_items_total", status="422") >= 1
    assert [record_at(found["items"][number]["coordinate"])[1]["quantity"] for number in (0, 2)] == [1, 3]


# ---- refused ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "field", "says"),
    [
        ({"quantity": 1.5}, "quantity", "integer"),
        ({"quantity": "7"}, "quantity", "integer"),
        ({"quantity": True}, "quantity", "integer"),
        ({"quantity": 0}, "quantity", "zero"),
        ({"quantity": 10**12}, "quantity", "less than"),
        ({"scan_type": "JUGGLE"}, "scan_type", "'RECEIPT'"),
        ({"item": {"scheme": "GTIN", "code": "04012345123457"}}, "item.code", "check digit, 6"),
        ({"item": {"scheme": "SKU"}}, "item.code", "missing"),
        ({"item": "SKU-0001"}, "item", "object"),
        ({"location": ""}, "location", "at least 1"),
        ({"location": None}, "location", "string"),
        ({"occurred_at": "2026-11-20T10:00:00"}, "occurred_at", "no zone"),
        ({"occurred_at": "yesterday"}, "occurred_at", "yesterday"),
        ({"occurred_at": -1}, "occurred_at", "1970"),
        ({"source": None}, "source", "missing"),
        ({"source": "a|b"}, "source", "pattern"),
        ({"quantityy": 1}, "quantityy", "no field"),
        ({"disposition": "delicious"}, "disposition", "'available'"),
        ({"scan_type": "PICK"}, "reference.kind", "SALES_ORDER"),
        ({"scan_type": "TRANSFER_OUT"}, "to_location", "missing"),
        ({"reference": {"kind": "PURCHASE_ORDER"}}, "reference", "without the other"),
        ({"scan_type": "COUNT", "corrects": "x"}, "corrects", "count again"),
        ({"scan_type": "COUNT", "lot": "L1"}, "lot", "others"),
        ({"event_id": None}, "event_id", "twice"),
        ({"lot": "L" * 301}, "lot", "at most 300"),
    ],
)
def test_a_field_that_cannot_be_used_is_named_with_what_it_takes(sender, changes, field, says):
    """RFC 9457, with the field's place, the fault, and what the field takes."""
    answer = sender.post("/v1/scans", json=scan(**changes))

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert says in errors(answer)[field]
    assert all(error["takes"] for error in answer.json()["errors"])


@pytest.mark.parametrize(
    ("name", "changes", "field"),
    [
        ("asns", {"lines": []}, "lines"),
        ("asns", {"lines": [{**EXAMPLES["asns"]["lines"][0], "quantity": 0}]}, "lines[0].quantity"),
        ("asns", {"lines": [{**EXAMPLES["asns"]["lines"][0], "expires": "soon"}]}, "lines[0].expires"),
        ("asns", {"purpose": "00"}, "purpose"),
        ("acks", {"ack_type": "XX"}, "ack_type"),
        ("acks", {"lines": [{**EXAMPLES["acks"]["lines"][0], "status": "ZZ"}]}, "lines[0].status"),
        ("acks", {"lines": [{**EXAMPLES["acks"]["lines"][0], "date_kind": "999"}]}, "lines[0].date_kind"),
        ("acks", {"lines": [{"line": "1", "status": "IA", "quantity": 3}]}, "lines[0].item"),
        ("acks", {"lines": []}, "lines"),
        ("milestones", {"status": "X" * 11}, "status"),
        ("milestones", {"shipment_id": None}, "shipment_id"),
        ("heartbeats", {"location": "DC01|x"}, "location"),
        ("heartbeats", {"event_id": "x"}, "event_id"),
    ],
)
def test_documents_are_checked_to_the_last_line(sender, name, changes, field):
    """Code lists, lines and dates of each record."""
    answer = sender.post(f"/v1/{name}", json={**EXAMPLES[name], **changes})

    assert answer.status_code == 422
    assert field in errors(answer)


def test_a_batch_of_nothing_fit_is_one_problem_that_names_every_fault(sender):
    """Each with the number of its item."""
    answer = sender.post("/v1/scans", json=[scan(quantity=0), scan(uom="")])

    assert answer.status_code == 422
    assert set(errors(answer)) == {"items[0].quantity", "items[1].uom"}


@pytest.mark.parametrize("body", ["{", "", "[1,", b"\xff\xfe"])
def test_what_is_not_json_is_told_so(sender, body):
    """400, not 500."""
    answer = sender.post("/v1/scans", content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code == 400
    assert answer.json()["title"] == "Malformed request"


@pytest.mark.parametrize("body", ["[]", '{"items": []}', "7", '"scan"', "null", "[[]]", '{"items": {}}', "{}"])
def test_json_that_is_no_item_is_refused(sender, body):
    """Nothing, numbers, texts, lists of lists."""
    answer = sender.post("/v1/scans", content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code == 422


def deep(levels: int) -> Any:
    """A list in a list in a list."""
    found: Any = 7
    for _ in range(levels):
        found = [found]
    return found


@pytest.mark.parametrize(
    ("path", "body", "place"),
    [
        ("/v1/scans", {"item": {"code": deep(600)}}, "body.item.code[0]"),
        ("/v1/scans", [scan(), deep(600)], "body[1][0]"),
        ("/v1/epcis?source=WMS-DC01", {"type": "ObjectEvent", "x": deep(600)}, "body.x[0]"),
    ],
)
@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "deep"}], ids=["", "with a key"])
def test_json_nested_without_end_is_refused_with_its_place(sender, path, body, place, headers):
    """Nobody's record is that deep; it is told, not a fault of ours."""
    answer = sender.post(path, json=body, headers=headers)

    assert answer.status_code == 422
    ((field, wrong),) = errors(answer).items()
    assert field.startswith(place)
    assert "nested" in wrong


def test_another_media_type_is_refused(sender):
    """A form or CSV is not guessed at."""
    assert sender.post("/v1/scans", content="a,b", headers={"Content-Type": "text/csv"}).status_code == 415


def test_a_batch_above_the_limit_is_refused_whole(site, tmp_path):
    """Nothing of it is written."""
    with Api(site.settings(batch_limit=2)) as api, api.client(site.reader) as client:
        answer = client.post("/v1/scans", json=[scan(), scan(), scan()])

    assert answer.status_code == 422
    assert errors(answer) == {"items": "there are 3"}


def test_a_record_that_intake_would_find_too_large_is_refused(sender):
    """The catalogue's limit, before the record is in the log."""
    lines = [{**EXAMPLES["asns"]["lines"][0], "lot": "L" * 300} for _ in range(900)]
    answer = sender.post("/v1/asns", json={**EXAMPLES["asns"], "lines": lines})

    assert answer.status_code == 422
    assert "bytes" in errors(answer)["item"]


# ---- who may send what ------------------------------------------------------------------------------------------


def test_a_partner_speaks_for_itself_only(site):
    """Left out, the field is the partner's; another's is refused, item by item."""
    key = site.key("acme", partner="ACME")
    own = {name: value for name, value in EXAMPLES["asns"].items() if name != "supplier"}
    with Api(site.settings()) as api, api.client(key) as client:
        assert client.post("/v1/asns", json=own).status_code == 202
        answer = client.post("/v1/asns", json={**own, "supplier": "RIVAL"})
        mixed = client.post("/v1/asns", json=[own, {**own, "supplier": "RIVAL"}])
        epcis = client.post("/v1/epcis?source=WMS-DC01", json=event())

    assert (answer.status_code, errors(answer)) == (403, {"supplier": "'RIVAL' is not the caller"})
    assert [item["status"] for item in mixed.json()["items"]] == [202, 403]
    assert epcis.status_code == 403


def test_without_the_scope_nothing_is_taken(site):
    """A key that may only read, and no key at all."""
    key = site.key("only-reads", ["feeds:read"])
    with Api(site.settings()) as api, api.client(key) as client, api.client() as nobody:
        assert client.post("/v1/scans", json=scan()).status_code == 403
        assert nobody.post("/v1/scans", json=scan()).status_code == 401


# ---- once -------------------------------------------------------------------------------------------------------


def test_the_same_key_gets_the_same_answer_and_nothing_is_written_twice(sender, record_at):
    """The coordinates are those of the first time; the event's id follows from key and place."""
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    batch = [scan(event_id=None), scan(event_id=None)]
    first, second = (sender.post("/v1/scans", json=batch, headers=headers) for _ in range(2))

    assert (second.status_code, second.json()) == (first.status_code, first.json())
    assert second.headers["idempotent-replay"] == "true"
    ids = [record_at(item["coordinate"])[1]["event_id"] for item in first.json()["items"]]
    assert ids == [item["event_id"] for item in first.json()["items"]]
    assert len(set(ids)) == 2


def test_the_same_key_with_another_body_is_refused(sender):
    """It is another request, so it needs another key."""
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    sender.post("/v1/scans", json=scan(), headers=headers)
    answer = sender.post("/v1/scans", json=scan(), headers=headers)

    assert (answer.status_code, answer.json()["title"]) == (422, "Idempotency key reused")


def test_a_request_refused_may_be_mended_under_its_key(sender):
    """Nothing was written, so the key is free."""
    headers = {"Idempotency-Key": uuid.uuid4().hex}

    assert sender.post("/v1/scans", json=scan(quantity=0), headers=headers).status_code == 422
    assert sender.post("/v1/scans", json=scan(), headers=headers).status_code == 202


def test_of_many_at_once_under_one_key_one_is_written(site, api):
    """The others are told that it is being worked on, or get its answer."""
    headers, body = {"Idempotency-Key": uuid.uuid4().hex}, scan(event_id=None)
    answers: list[Any] = []

    def send() -> None:
        with api.client(site.reader) as client:
            answers.append(client.post("/v1/scans", json=body, headers=headers))

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert {answer.status_code for answer in answers} <= {202, 409}
    taken = [answer.json()["items"][0]["coordinate"] for answer in answers if answer.status_code == 202]
    assert len(taken) >= 1
    assert len(set(taken)) == 1


def test_without_redis_the_ids_still_make_it_once(site, tmp_path):
    """The answer's wording is all that Redis adds: both records have the id that intake takes once."""
    headers, body = {"Idempotency-Key": uuid.uuid4().hex}, scan(event_id=None)
    with (
        Api(site.settings(redis="redis://127.0.0.1:1/0", redis_timeout_ms=100)) as api,
        api.client(site.reader) as client,
    ):
        answers = [client.post("/v1/scans", json=body, headers=headers) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json()["items"][0]["event_id"] == answers[1].json()["items"][0]["event_id"]


def test_without_the_broker_nothing_is_said_to_be_taken(site, tmp_path):
    """503 with the advice to send it again; the key stays that request's."""
    settings = site.settings(bootstrap="127.0.0.1:1", acknowledge_ms=1_000)
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    with Api(settings) as api, api.client(site.reader) as client:
        answers = [client.post("/v1/scans", json=scan(event_id=None), headers=headers) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [503, 503]
    assert answers[0].json()["title"] == "Not acknowledged"
    assert answers[0].headers["retry-after"]


@pytest.mark.parametrize(
    ("away", "batch", "status"),
    [
        ({"acknowledge_ms": 1_000}, 1, 503),
        ({"acknowledge_ms": 1_000}, 2, 207),
        ({"acknowledge_ms": 3_000, "request_timeout_ms": 1_000}, 1, 503),
    ],
    ids=["not acknowledged", "not acknowledged in part", "took too long"],
)
def test_a_key_in_doubt_stays_its_body_s(site, sender, away, batch, status):
    """The broker may have it: the same goes again, another body would lose what has the same place in it."""
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    body = [scan(event_id=None), scan(quantity=0)][:batch]
    with Api(site.settings(bootstrap="127.0.0.1:1", **away)) as api, api.client(site.reader) as client:
        first = client.post("/v1/scans", json=body, headers=headers)
        other = client.post("/v1/scans", json=[scan(event_id=None), *body], headers=headers)
    refused = sender.post("/v1/scans", json=[scan(event_id=None, quantity=0)], headers=headers)
    again = sender.post("/v1/scans", json=body, headers=headers)
    replayed = sender.post("/v1/scans", json=body, headers=headers)

    assert first.status_code == status
    assert {(answer.status_code, answer.json()["title"]) for answer in (other, refused)} == {
        (422, "Idempotency key reused")
    }
    assert again.status_code == (202 if batch == 1 else 207)
    assert again.json()["items"][0]["coordinate"]
    assert (replayed.headers["idempotent-replay"], replayed.json()) == ("true", again.json())


# ---- EPCIS ------------------------------------------------------------------------------------------------------


def event(**changes: Any) -> dict[str, Any]:
    return {
        "type": "ObjectEvent",
        "action": "OBSERVE",
        "eventID": f"urn:uuid:{uuid.uuid4()}",
        "eventTime": "2026-11-20T11:00:00.000+01:00",
        "eventTimeZoneOffset": "+01:00",
        "bizStep": "receiving",
        "bizLocation": {"id": "urn:epc:id:sgln:0614141.00777.0"},
        "quantityList": [{"epcClass": "urn:epc:class:lgtin:4012345.012345.998877", "quantity": 200}],
        **changes,
    }


def document(*events: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "@context": ["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"],
        "type": "EPCISDocument",
        "schemaVersion": "2.0",
        "creationDate": "2026-11-20T11:30:47.0Z",
        "epcisBody": {"eventList": [*events]},
    }


def test_epcis_events_stand_in_the_log_as_scans(sender, record_at):
    """One scan for each item, under the item's GTIN."""
    two = event(epcList=["urn:epc:id:sgtin:0614141.107346.2017"])
    answer = sender.post("/v1/epcis?source=WMS-DC01", json=document(event(), two))
    assert answer.status_code == 202, answer.text
    found = answer.json()["items"]

    assert [item["path"] for item in found] == ["epcisBody.eventList[0]", "epcisBody.eventList[1]"]
    assert [len(item["scans"]) for item in found] == [1, 2]
    key, record = record_at(found[1]["scans"][1]["coordinate"])
    assert (key, record["source"], record["quantity"]) == ("10614141073464", "WMS-DC01", 1)
    assert record["event_id"] == found[1]["scans"][1]["event_id"]


def test_an_event_that_cannot_be_mapped_does_not_hold_up_the_others(sender):
    """207: the others are in the log, this one names its path and remedy."""
    answer = sender.post("/v1/epcis?source=WMS-DC01", json=document(event(bizStep="arriving"), event()))
    refused, taken = answer.json()["items"]

    assert answer.status_code == 207
    assert taken["scans"][0]["coordinate"]
    assert refused["errors"] == [
        {
            "field": "epcisBody.eventList[0].bizStep",
            "wrong": "arriving has no effect on stock",
            "takes": "arrival books nothing; send receiving when the goods are taken in",
        }
    ]


def test_a_bare_event_is_taken_and_a_bad_one_is_one_problem(sender):
    """As a capture client sends single events."""
    assert sender.post("/v1/epcis?source=WMS-DC01", json=event()).status_code == 202
    answer = sender.post("/v1/epcis?source=WMS-DC01", json=event(type="TransactionEvent"))
    assert (answer.status_code, list(errors(answer))) == (422, ["type"])
    ld = {"Content-Type": "application/ld+json"}
    assert (
        sender.post("/v1/epcis?source=WMS-DC01", content=json.dumps(document(event())), headers=ld).status_code == 202
    )


def test_epcis_needs_to_know_the_feed(sender):
    """Its source, unless the caller is bound to one."""
    answer = sender.post("/v1/epcis", json=event())

    assert (answer.status_code, list(errors(answer))) == (422, ["query.source"])


def test_steps_that_a_site_skips_are_taken_and_book_nothing(site, tmp_path):
    """So that a capture client may send all it sees."""
    with Api(site.settings(epcis_skipped="arriving, unloading")) as api, api.client(site.reader) as client:
        answer = client.post("/v1/epcis?source=WMS-DC01", json=document(event(bizStep="arriving"), event()))

    assert answer.status_code == 202
    assert [len(item["scans"]) for item in answer.json()["items"]] == [0, 1]


def test_the_description_has_every_ingest_route_with_an_example_that_is_taken(sender):
    """What /docs offers to try works."""
    paths = sender.get("/openapi.json").json()["paths"]

    for name in TOPICS:
        content = paths[f"/v1/{name}"]["post"]["requestBody"]["content"]["application/json"]
        assert content["examples"]["one"]["value"] == EXAMPLES[name]
    example = paths["/v1/epcis"]["post"]["requestBody"]["content"]["application/json"]["examples"]["receiving"]["value"]
    assert sender.post("/v1/epcis?source=WMS-DC01", json=example).status_code == 202

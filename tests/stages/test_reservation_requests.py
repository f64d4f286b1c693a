"""Requests about reservations at intake: taken, or refused at once with an exception and a reply; none waits."""

import pytest
from inbound_records import DAY, MINUTE, NOW, Dock, Raw, categories, item, of, reservation

TOPIC = "reservations.requests"


def test_a_request_becomes_an_entry_of_its_sku():
    """All locations of the SKU are decided on in one partition; time to live counts from intake."""
    dock = Dock()
    dock.now = NOW + 5
    [(topic, key, entry)] = dock.send(TOPIC, reservation(location="DC01"))

    assert (topic, key) == ("inventory.ledger", "BOLT|*")
    assert (entry["kind"], entry["quantity"], entry["reference"]) == ("RESERVATION", 2, "RESERVATION:BOLT.0001")
    assert (entry["occurred_at"], entry["recorded_at"]) == (NOW, NOW + 5)
    assert (entry["source"], entry["coordinate"], entry["correlation_id"]) == (
        "CHANNEL:webshop", "reservations.requests[0]@0", "basket"
    )  # fmt: skip
    assert entry["reservation"] == {
        "reservation_id": "BOLT.0001",
        "request_id": entry["event_id"],
        "action": "RESERVE",
        "channel": "webshop",
        "location": "DC01",
        "ttl_ms": 15 * MINUTE,
        "order_number": None,
        "line": None,
    }


@pytest.mark.parametrize(("action", "order", "line"), [("CONFIRM", "S1", "2"), ("CANCEL", None, None)])
def test_what_an_action_does_not_need_is_left_out(action, order, line):
    """A quantity or place sent with a cancellation means nothing."""
    request = reservation(action, order_number="S1", line="2", location="DC09", quantity=7, ttl_ms=1)
    [(_, _, entry)] = Dock().send(TOPIC, request)
    asked = entry["reservation"]

    assert (asked["order_number"], asked["line"], asked["location"], asked["ttl_ms"]) == (order, line, None, 0)
    assert entry["quantity"] == 0


def test_the_same_request_sent_again_is_dropped():
    """Within the window; its first reply is the answer."""
    dock, request = Dock(), reservation(event_id="2f" * 16)
    dock.send(TOPIC, request)

    assert dock.send(TOPIC, request) == []


BAD = [
    ({"sku": "NUT", "reservation_id": "NUT.1"}, "belongs to no item"),
    ({"sku": "OLD", "reservation_id": "OLD.1"}, "another name"),
    ({"quantity": 0}, "quantity 0"),
    ({"quantity": -1}, "quantity -1"),
    ({"quantity": 10**12}, "quantity"),
    ({"ttl_ms": 999}, "ttl_ms 999"),
    ({"ttl_ms": 30 * DAY + 1}, "ttl_ms"),
    ({"reservation_id": "NUT.1"}, "reservation_id"),
    ({"reservation_id": "BOLT."}, "reservation_id"),
    ({"reservation_id": "BOLT"}, "reservation_id"),
    ({"reservation_id": ""}, "reservation_id"),
    ({"channel": " "}, "channel"),
    ({"channel": "x" * 301}, "channel"),
    ({"location": ""}, "location"),
    ({"correlation_id": "x" * 301}, "correlation_id"),
    ({"requested_at": NOW + 2 * DAY}, "requested_at"),
    ({"action": "CONFIRM", "order_number": None}, "order_number"),
    ({"action": "CONFIRM", "order_number": "S1", "line": ""}, "line"),
]


@pytest.mark.parametrize(("changes", "word"), BAD)
def test_a_bad_request_is_refused_at_once(changes, word):
    """The exception says what is wrong to the channel's owner; the channel has its answer; nothing waits or is held."""
    dock = Dock()
    old = {"scheme": "SKU", "code": "OLD", "party": None}
    dock.reference.apply("erp.items", item(identifiers=[old]))
    request = reservation(**changes)
    outputs = dock.send(TOPIC, request)
    [problem], [reply] = of(outputs, "exceptions"), of(outputs, "reservations.replies")

    assert (problem["category"], problem["owner"]) == ("INVALID_RESERVATION", "channels")
    assert word in problem["message"]
    assert (reply["accepted"], reply["state"], reply["reason"]) == (False, "REFUSED", "INVALID")
    assert (reply["reservation_id"], reply["request_id"]) == (request["reservation_id"], request["event_id"])
    assert (reply["action"], reply["channel"], reply["decided_at"]) == (request["action"], request["channel"], NOW)
    assert of(outputs, "inventory.ledger") == []
    assert dock.parked == []


def test_a_refused_request_may_be_sent_again_once_mended():
    """An item that comes later does not bring it to life; the same id may be asked with again."""
    dock = Dock()
    request = reservation(sku="NUT", reservation_id="NUT.1")
    dock.send(TOPIC, request)

    assert dock.learn("erp.items", item("NUT", identifiers=[])) == []
    assert [topic for topic, _, _ in dock.send(TOPIC, request)] == ["inventory.ledger"]


def test_a_key_that_is_not_the_sku_and_an_empty_id_are_answered_too():
    """Whatever can be read has an answer, whoever is to mend it."""
    dock = Dock()
    keyed = dock.send(TOPIC, dock.raw(TOPIC, reservation(), b"other"))
    unnamed = dock.send(TOPIC, reservation(event_id=""))

    assert categories(keyed + unnamed) == ["INVALID_KEY", "MISSING_FIELD"]
    assert [reply["reason"] for reply in of(keyed + unnamed, "reservations.replies")] == ["INVALID", "INVALID"]


def test_what_cannot_be_read_holds_up_nobody():
    """A dead letter, and the next request is taken."""
    outputs = Dock().send(TOPIC, Raw(b"junk"), reservation())

    assert [topic for topic, _, _ in outputs] == ["dead-letters", "inventory.ledger"]


@pytest.mark.parametrize("action", ["CONFIRM", "CANCEL"])
def test_a_hold_can_be_ended_after_its_item_was_deleted(action):
    """Stock is held; that the item's record is gone does not keep it from going, or from being let go."""
    dock = Dock()
    dock.reference.apply("erp.items", None, "BOLT")
    outputs = dock.send(TOPIC, reservation(action))

    assert [(topic, key, record["reservation"]["action"]) for topic, key, record in outputs] == [
        ("inventory.ledger", "BOLT|*", action)
    ]
    assert categories(dock.send(TOPIC, reservation())) == ["INVALID_RESERVATION"]
    assert categories(dock.send(TOPIC, reservation(action, sku="A|B", reservation_id="A|B.1"))) == [
        "INVALID_RESERVATION"
    ]


def test_a_request_to_hold_stock_is_not_taken_days_later():
    """Sent again after its id is forgotten it would hold the stock a second time."""
    outputs = Dock().send(TOPIC, reservation(requested_at=NOW - 7 * DAY - 1))

    assert categories(outputs) == ["INVALID_RESERVATION"]
    assert categories(Dock().send(TOPIC, reservation("CANCEL", requested_at=NOW - 7 * DAY - 1))) == []

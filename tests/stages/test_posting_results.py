"""What intake makes of the ERP's answers."""

import pytest
from inbound_records import NOW, Dock, categories, posting_result

RESULTS = "erp.posting-results"


@pytest.mark.parametrize("outcome", ["POSTED", "DUPLICATE", "REFUSED"])
def test_an_answer_that_settles_a_posting_reaches_its_purchase_order(outcome):
    """With the ERP's own document number or its reason."""
    [(topic, key, event)] = Dock().send(RESULTS, posting_result(outcome, reason="closed"))

    assert (topic, key, event["kind"], event["recorded_at"]) == ("supply.events", "P1", "POSTED", NOW)
    assert event["source"] == "ERP-EU"
    assert event["posted"] == {
        "step": "GOODS_RECEIPT",
        "revision": 1,
        "outcome": outcome,
        "erp_document": "5000001",
        "reason": "closed",
    }


def test_an_answer_about_a_sales_order_reaches_it():
    """By the number after the colon, which may itself hold colons."""
    result = posting_result(document="SALES_ORDER:S:1", step="SHIPMENT_CONFIRM", idempotency_key="k", system=None)

    [(topic, key, event)] = Dock().send(RESULTS, result)

    assert (topic, key, event["source"]) == ("order.events", "S:1", "ERP")
    assert event["posted"]["step"] == "SHIPMENT_CONFIRM"


@pytest.mark.parametrize(
    "result",
    [
        posting_result("FAILED"),
        posting_result("UNKNOWN"),
        posting_result(shadow=True),
        posting_result(document="STOCK:BOLT|DC01", step="INVENTORY_ADJUSTMENT"),
    ],
    ids=["failed", "unknown", "shadow", "stock"],
)
def test_other_answers_are_taken_and_tell_nobody(result):
    """An attempt that will be repeated, another system's answer, a position's own adjustment."""
    dock = Dock()

    assert dock.send(RESULTS, result) == []
    assert dock.intake.counts[RESULTS, "accepted"] == 1


@pytest.mark.parametrize("document", ["INVOICE:1", "PURCHASE_ORDER:", "nonsense"])
def test_an_answer_about_no_document_of_ours_is_refused(document):
    """Somebody else writes to the topic."""
    assert categories(Dock().send(RESULTS, posting_result(document=document))) == ["INVALID_CODE"]


def test_an_answer_without_a_document_is_refused():
    """Nothing could be told of it."""
    assert categories(Dock().send(RESULTS, posting_result(document=" "))) == ["MISSING_FIELD"]

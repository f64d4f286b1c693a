"""The proof: every fault of the ERP switched on, connector and ERP killed at random, and each posting is in it once."""

import random
import time
from collections.abc import Iterator
from typing import Any

import pytest

from local.erp_faults import refused
from tests.connectors.erp_site import FINAL, ErpSite, by_document, posting

pytestmark = pytest.mark.stack
SEED = 11
REFUSALS = {"goods_receipt": 0.1, "inventory_adjustment": 0.1}
FAULTS: dict[str, Any] = {
    "seed": SEED,
    "latency_ms": 20,
    "error_rate": 0.08,
    "error_after_rate": 0.05,
    "timeout_before_rate": 0.02,
    "timeout_after_rate": 0.05,
    "refusal_rates": REFUSALS,
    "rate_limit": 250,
}


@pytest.fixture
def site(stack: Any, tmp_path: Any) -> Iterator[ErpSite]:
    it = ErpSite(stack, tmp_path)
    yield it
    it.close()


@pytest.mark.parametrize("detects", [True, False], ids=["erp detects duplicates", "erp takes a key twice"])
def test_each_posting_is_in_the_erp_once_whatever_is_killed(site, detects):
    """Nothing lost, nothing twice, each document in the topic's order, and an audit trail that tells it all."""
    chance = random.Random(SEED)
    erp = site.erp(seed=SEED)
    erp.faults(**FAULTS, detect_duplicates=detects)
    connectors = [site.connector(f"connector-{n}", url=erp.service, session_timeout_ms=6_000) for n in range(2)]
    sent = [
        posting(site.document(n % 40), ("goods_receipt", "purchase_order_update")[n % 3 == 0], n // 40 + 1)
        for n in range(600)
    ]
    for start in range(0, len(sent), 100):
        site.send(*sent[start : start + 100])
        time.sleep(chance.uniform(0.1, 0.8))
        victim = chance.choice(connectors)
        victim.kill()
        if start == 200:
            erp.kill()
            erp.up()
            erp.faults(**FAULTS, detect_duplicates=detects)
        if start == 400:
            erp.faults(outage=True)
        time.sleep(chance.uniform(0.1, 0.8))
        erp.faults(outage=False)
        victim.start()
    keys = [p["idempotency_key"] for p in sent]
    site.settle(keys, within_s=180)
    for connector in connectors:
        connector.stop()

    denied = {
        p["idempotency_key"] for p in sent if refused(SEED, p["idempotency_key"], REFUSALS.get(p["operation"], 0))
    }
    state = erp.state()
    results = site.results()

    assert {"POSTED", "DUPLICATE", "REFUSED", "FAILED", "UNKNOWN"} == {r["outcome"] for r in results}
    assert by_document(key for key in keys if key not in denied) == state["documents"]
    assert denied == {key for key, outcome in site.final().items() if outcome == "REFUSED"}
    assert set(keys) == {r["idempotency_key"] for r in results if r["outcome"] in FINAL}
    assert {e["subject"]["id"] for e in site.exceptions() if e["category"] == "ERP_REFUSED"} == denied
    assert all(r["erp_document"] for r in results if r["outcome"] in ("POSTED", "DUPLICATE"))

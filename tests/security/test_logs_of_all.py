"""The logs of every process, on the secured site: JSON on each line, a business event found in them, no secret in any."""

import json
import uuid
from typing import Any

import httpx2
import pytest
from secured_site import CHANNELS, SecuredSite, until
from test_refused_logins import PROCESSES, WRONG, ended, started
from test_secured_site import SIGNING, ingest, scan, state, subscribe

from local.processes import pick_port
from local.supervised import Supervised, await_all
from schemas.logs import FIRST
from tests.reference_records import item, location

pytestmark = pytest.mark.stack
MARK = "what-nobody-may-read-in-a-log"
NAMES = {"erp-connector": "erp"}
"""What a process calls itself, where the tests call it otherwise."""


def lines(process: Supervised) -> list[dict[str, Any]]:
    """What it has said, stdout and stderr: nothing but lines of JSON that have what every line has."""
    said = [json.loads(line) for line in process.log.read_text().splitlines()]
    for line in said:
        assert [*line][: len(FIRST)] == list(FIRST), line
        assert line["process"] == NAMES.get(process.name, process.name), line
    return said


def found(process: Supervised, **fields: Any) -> list[dict[str, Any]]:
    """Lines that say all of this; the last one may be half written."""
    *whole, _ = process.log.read_text().split("\n")
    likely = [line for line in whole if all(json.dumps(value) in line for value in fields.values())]
    return [line for line in map(json.loads, likely) if all(line.get(name) == fields[name] for name in fields)]


def test_a_business_event_is_found_in_every_log_it_passes(site: SecuredSite):
    """A request by its id, a refused record, a posting the ERP does not take, a webhook nobody takes; at every level."""
    erp = site.stand_in(
        "erp-server", "local.erp_server", "--port", "{port}", "--state", state(site, "erp"), health="/faults"
    )
    shop = site.stand_in(
        "shop-server", "local.shop_server", "--port", "{port}", "--state", state(site, "shop"), "--secret", SIGNING,
        health="/state",
    )  # fmt: skip
    await_all([erp, shop], 30)
    subscribe(site, f"http://127.0.0.1:{pick_port(set())}/{MARK}")  # nobody listens there
    httpx2.post(f"{erp.url}/faults", json={"error_rate": 1.0}).raise_for_status()
    keys, key = site.api_key("availability:read", "ingest:write")
    loud = {"log_level": "debug"}
    (site.directory / "erp.token").write_text("the-token-of-the-erp")
    (site.directory / "shop.token").write_text("the-token-of-the-shop")
    site.secrets |= {"erp token": "the-token-of-the-erp", "shop token": "the-token-of-the-shop"}
    commerce = {
        "commerce_shop_url": shop.url, "commerce_allow_http": "true", "commerce_allow": "127.0.0.1",
        "commerce_shop_token_file": site.directory / "shop.token", "commerce_retry_first_ms": 500, **loud,
    }  # fmt: skip
    processes = {
        "worker": site.process("worker", "worker", port="STOCKSTREAM_HTTP_PORT", **loud),
        "api": site.process(
            "api", "api", port="STOCKSTREAM_API_HEALTH_PORT", api_port=0, api_keys_file=keys, **loud
        ),
        "redis-view": site.process("redis-view", "connect", "redis", port="STOCKSTREAM_VIEW_HTTP_PORT", **loud),
        "erp": site.process(
            "erp-connector", "connect", "erp", port="STOCKSTREAM_ERP_HTTP_PORT", erp_url=f"{erp.url}/odata",
            erp_token_file=site.directory / "erp.token", **loud,
        ),
        "webhooks": site.process("webhooks", "connect", "webhooks", port="STOCKSTREAM_COMMERCE_HTTP_PORT", **commerce),
        "shop": site.process("shop", "connect", "shop", port="STOCKSTREAM_COMMERCE_HTTP_PORT", **commerce),
    }  # fmt: skip
    site.send("erp", ("erp.locations", "DC01", location("DC01")), ("erp.items", "SKU-1", item("SKU-1")))
    await_all([*processes.values()], 120)

    good, bad = scan("SKU-1", 12), {**scan("NOBODY", 1), "operator": MARK}
    bad["reference"] = {"kind": "SALES_ORDER", "number": "4711", "line": None}
    site.send("wms", ("warehouse.scans", "SKU-1", good), ("warehouse.scans", "NOBODY", bad))
    request, sent = f"request-{uuid.uuid4()}", ingest("SKU-1", 3)
    url = (site.directory / "api" / "api-http.url").read_text()
    api = httpx2.Client(base_url=url, headers={"X-API-Key": key}, timeout=20)
    taken = api.post("/v1/scans", json=sent, headers={"X-Request-Id": request})
    refused = api.get("/v1/availability/SKU-1", headers={"X-API-Key": f"{key}x"})

    assert taken.headers["X-Request-Id"] == request
    assert refused.status_code == 401
    worker = processes["worker"]
    [line] = until("the refused scan", lambda: found(worker, correlation_id=bad["correlation_id"]), 30)
    assert (line["event"], line["category"]) == ("record refused", "UNKNOWN_ITEM")
    assert line["document"] == "SALES_ORDER:4711"
    assert line["coordinate"].startswith("warehouse.scans[")

    [line] = found(processes["api"], event="request answered", request_id=request)
    assert (line["method"], line["route"], line["status"]) == ("POST", "/v1/scans", 202)
    [line] = found(processes["api"], event="record written", request_id=request)
    assert line["coordinate"] == taken.json()["items"][0]["coordinate"]
    written = line["correlation_id"]
    assert found(processes["api"], event="request answered", status=401)

    attempt = {"event": "posting attempted", "correlation_id": good["correlation_id"], "document": "STOCK:SKU-1|DC01"}
    failed = until("a posting to fail", lambda: found(processes["erp"], **attempt, outcome="UNKNOWN"), 60)
    assert failed[0]["coordinate"].startswith("erp.postings[")
    assert (failed[0]["system"], failed[0]["reason"]) == ("erp", "500: a fault of the system")
    asked = {**attempt, "event": "question unanswered"}
    until("the ERP not to say whether it has it", lambda: found(processes["erp"], **asked), 60)
    httpx2.post(f"{erp.url}/faults", json={"error_rate": 0.0}).raise_for_status()
    until("the posting to be taken", lambda: found(processes["erp"], **attempt, outcome="POSTED"), 90)

    hooks = until("a webhook to fail", lambda: found(processes["webhooks"], event="webhook attempted"), 60)
    assert hooks[0]["outcome"] == "failed"
    assert (hooks[0]["channel"], hooks[0]["subscription"]) == (CHANNELS[1], "market")
    assert {good["correlation_id"], written} & set(hooks[0]["correlation_ids"])  # of a SKU the newest is told
    until("the shop to be set", lambda: found(processes["shop"], event="quantities set", channel=CHANNELS[0]), 60)

    for process in processes.values():
        process.stop()
        assert lines(process), process.name
        assert MARK not in process.log.read_text(), process.name
    assert [] == site.secrets_said()


@pytest.mark.parametrize("what", ["password", "settings"])
def test_also_who_cannot_start_says_so_in_json(site: SecuredSite, what: str):
    """A wrong password, a setting there is not: every process, at its most talkative."""
    (site.directory / "wrong").write_text(WRONG)
    site.secrets["wrong"] = WRONG
    wrong: dict[str, Any] = {"sasl_password_file": site.directory / "wrong"}
    if what == "settings":
        wrong = {"log_level": "loud", "redis_password": WRONG}
    talk = {"log_level": "debug", **wrong}
    processes = [started(site, name, f"{what}-json-{name}", **talk) for name in PROCESSES]

    for component, (code, said) in zip(PROCESSES, ended(processes), strict=True):
        assert code in (2, 77), said
        assert said, component
        for line in map(json.loads, said):
            assert [*line][: len(FIRST)] == list(FIRST)
            assert line["process"] == NAMES.get(component, component)
    assert [] == site.secrets_said()

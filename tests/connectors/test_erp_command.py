"""`stockstream erp …`: where a posting goes, what became of a document, how the connector is."""

import re
import time
import uuid
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from rich.console import Console
from typer.testing import CliRunner

from cli.erp import erp_app
from connectors.outbound.erp.driver import FAULT_SHOWN, told_fault
from schemas.confidential import keep
from tests.connectors.erp_site import ErpSite, posting, wait
from tests.connectors.test_erp_routing import FILE


def test_the_route_of_a_posting_is_told_without_sending_it(tmp_path):
    """System, the systems asked first, and shadows; an ambiguous one ends with 1, a bad file with 2."""
    path = tmp_path / "routing.yaml"
    path.write_text(FILE)
    environment = {"STOCKSTREAM_ERP_ROUTING": str(path), "LEGACY": "secret"}
    command = ["route", "PURCHASE_ORDER:1", "--operation", "goods_receipt", "--partner", "S1", "--location", "DC01"]
    at = ["--at", "2027-01-01"]
    told = CliRunner().invoke(erp_app, [*command, *at, "--json"], env=environment)
    split = CliRunner().invoke(erp_app, [*command, *at, "--location", "DC09"], env=environment)
    unusable = CliRunner().invoke(erp_app, command, env={"STOCKSTREAM_ERP_ROUTING": str(tmp_path / "none.yaml")})

    assert {"system": "next", "former": ["legacy"], "shadow": ["legacy"]} == orjson.loads(told.stdout)
    assert (1, 2) == (split.exit_code, unusable.exit_code)


def test_an_operation_that_is_none_is_a_usage_error(tmp_path):
    """A misspelt one would match the rules for all operations; those there are are listed."""
    path = tmp_path / "routing.yaml"
    path.write_text(FILE)
    environment = {"STOCKSTREAM_ERP_ROUTING": str(path), "LEGACY": "secret"}
    command = ["route", "PURCHASE_ORDER:1", "--operation", "goods_reciept", "--location", "DC01"]
    told = CliRunner().invoke(erp_app, command, env=environment)

    assert 2 == told.exit_code
    assert all(word in told.stderr for word in ("goods_reciept", "goods_receipt", "backorder"))
    assert "" == told.stdout


@pytest.fixture
def site(stack: Any, tmp_path: Any) -> Iterator[ErpSite]:
    it = ErpSite(stack, tmp_path)
    yield it
    it.close()


@pytest.mark.stack
def test_audit_trail_and_state_are_shown(site, monkeypatch):
    """Every attempt of one document; the backlog and, once there was one, each system's last fault, which stays."""
    monkeypatch.setattr("cli.erp.out", Console(width=400))
    erp = site.erp()
    site.connector(url=erp.service, breaker_failures=2)
    document, other = site.document("P1"), site.document("P3")
    environment = {
        "STOCKSTREAM_BOOTSTRAP": site.stack.bootstrap,
        "STOCKSTREAM_REGISTRY": site.stack.registry_url,
        "STOCKSTREAM_DATA_DIR": str(site.directory / "connector"),
    }

    def system() -> dict[str, Any]:
        told = CliRunner().invoke(erp_app, ["status", "--json"], env=environment)
        return orjson.loads(told.stdout)["groups"][f"{site.app}-erp"]["systems"]["erp"]

    site.send(posting(document), posting(site.document("P2")))
    site.settle([f"{document}/GOODS_RECEIPT/1"])
    results = CliRunner().invoke(erp_app, ["results", document, "--json"], env=environment)
    strange = CliRunner().invoke(erp_app, ["results", "PURCHASE_ORDER:none"], env=environment)
    well = system()
    erp.faults(error_rate=1.0)
    since = time.time_ns() // 1_000_000
    site.send(posting(other))
    wait(lambda: system()["breaker"] == "open", "the breaker to open")
    table = CliRunner().invoke(erp_app, ["status"], env=environment)
    erp.faults(error_rate=0.0)
    site.settle([f"{other}/GOODS_RECEIPT/1"])
    again = wait(lambda: (it := system())["breaker"] == "closed" and it, "the breaker to close")

    assert [("POSTED", 1)] == [(r["outcome"], r["attempt"]) for r in orjson.loads(results.stdout)]
    assert 1 == strange.exit_code
    assert ("closed", None) == (well["breaker"], well["last_fault"])
    assert again["last_fault"]["reason"].startswith("50")
    assert since <= again["last_fault"]["at"] <= time.time_ns() // 1_000_000
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d 50[023]: ", table.stdout)


def test_a_fault_is_told_as_a_log_would_tell_it():
    """No secret that the process has read, no credential by its form, nothing without bounds."""
    secret = keep("hush-" + uuid.uuid4().hex)
    told = told_fault(f"https://u:pw@erp.example: Authorization: Bearer abcdef0123 {secret} " + "x" * 5_000)["reason"]

    assert not [word for word in (secret, "u:pw", "abcdef0123") if word in told]
    assert "erp.example" in told
    assert len(told) < FAULT_SHOWN + 50

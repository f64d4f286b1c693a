"""`stockstream erp …`: where a posting goes, what became of a document, how the connector is."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from cli.erp import erp_app
from tests.connectors.erp_site import ErpSite, posting
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


@pytest.fixture
def site(stack: Any, tmp_path: Any) -> Iterator[ErpSite]:
    it = ErpSite(stack, tmp_path)
    yield it
    it.close()


@pytest.mark.stack
def test_audit_trail_and_state_are_shown(site):
    """Every attempt of one document, and the backlog of the connector on this machine."""
    erp = site.erp()
    site.connector(url=erp.service)
    document = site.document("P1")
    site.send(posting(document), posting(site.document("P2")))
    site.settle([f"{document}/GOODS_RECEIPT/1"])
    environment = {
        "STOCKSTREAM_BOOTSTRAP": site.stack.bootstrap,
        "STOCKSTREAM_REGISTRY": site.stack.registry_url,
        "STOCKSTREAM_DATA_DIR": str(site.directory / "connector"),
    }
    results = CliRunner().invoke(erp_app, ["results", document, "--json"], env=environment)
    status = CliRunner().invoke(erp_app, ["status", "--json"], env=environment)
    strange = CliRunner().invoke(erp_app, ["results", "PURCHASE_ORDER:none"], env=environment)

    assert [("POSTED", 1)] == [(r["outcome"], r["attempt"]) for r in orjson.loads(results.stdout)]
    assert "closed" == orjson.loads(status.stdout)["groups"][f"{site.app}-erp"]["systems"]["erp"]["breaker"]
    assert 1 == strange.exit_code

"""The pages about webhooks and shop say what the code says."""

import re
from pathlib import Path

import yaml

from connectors.outbound.commerce.settings import EDGE, Commerce
from connectors.outbound.commerce.subscriptions import load
from local.shop_faults import Faults
from schemas.environment import documented
from tests.connectors.commerce_site import FIRST

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_every_setting_of_the_edge_is_documented_with_its_default():
    """docs/commerce.md misses none and invents none."""
    rows = re.findall(
        r"^\| `(STOCKSTREAM_\w+)` \| (?:`(.*?)`)? ?\| (.*) \|$", (DOCS / "commerce.md").read_text(), re.MULTILINE
    )

    assert documented(Commerce, edge=EDGE) == rows


def test_the_declaration_on_the_page_can_be_used(tmp_path, monkeypatch):
    """What people copy works."""
    [text] = re.findall(r"```yaml\n(.*?)```", (DOCS / "webhooks.md").read_text(), re.DOTALL)
    (tmp_path / "subscriptions.yaml").write_text(text)
    monkeypatch.setenv("HUB_SECRET", FIRST)

    assert "hub" in yaml.safe_load(text)["subscriptions"]
    assert "hub" in load(Commerce(subscriptions=str(tmp_path / "subscriptions.yaml")), frozenset({"webshop"}))


def test_every_fault_of_the_stand_in_is_on_the_page():
    """Whoever tests against it finds what can go wrong."""
    page = (DOCS / "commerce.md").read_text()

    assert [] == [
        name for name in Faults.__slots__ if name not in page and name not in ("lost_answer_ms", "retry_after_s")
    ]

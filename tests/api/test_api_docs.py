"""docs/api.md tells every setting, problem, scope and route there is, and the wheel brings the docs page along."""

from pathlib import Path

import yaml

from connectors.api import docs_pages, metrics
from connectors.api.problems import KINDS, anchor
from connectors.api.security import SCOPES
from connectors.api.settings import ApiSettings
from schemas.environment import documented
from tests.api.test_api_description import READING

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "api.md").read_text()


def test_every_setting_stands_in_the_docs_with_its_default_and_meaning() -> None:
    """As the settings themselves say it."""
    for name, default, meaning in documented(ApiSettings, edge="API"):
        assert f"| `{name}` | {f'`{default}`' if default else ''} | {meaning} |" in PAGE


def test_every_problem_is_explained_under_the_anchor_its_type_names() -> None:
    """GitHub makes the same anchor of the heading."""
    for title, text in KINDS.items():
        assert f"### {title}\n\n{text}\n" in PAGE
        assert anchor(title) == title.lower().replace(" ", "-")


def test_every_scope_route_and_metric_is_named() -> None:
    """Those of the reading side; the intake and reservations have pages of their own."""
    assert all(f"| `{scope}` | {text} |" in PAGE for scope, text in SCOPES.items())
    assert all(path in PAGE for path in READING)
    for metric in (metrics.REQUESTS, metrics.SECONDS):
        assert metric.describe()[0].name.removesuffix("_total") in PAGE


def test_the_files_of_the_docs_page_are_there_with_their_licence() -> None:
    """Vendored, and inside the package that the wheel takes whole."""
    assert all((docs_pages.STATIC / name).is_file() for name in docs_pages.FILES if name != "start.js")
    assert "Apache License" in (docs_pages.STATIC / "LICENSE").read_text()


def test_the_declared_channels_are_those_the_examples_name() -> None:
    """`webshop` in the docs is one a reader can try."""
    assert "webshop" in yaml.safe_load((ROOT / "channels.yaml").read_text())["channels"]

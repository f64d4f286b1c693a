"""The documents say what the code says: settings, links, commands, layout."""

import re
from pathlib import Path

import pytest

from cli.settings import rows
from tables.exceptions import CATEGORIES

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "CHANGELOG.md",
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("examples/*.md"),
        *ROOT.glob("benchmarks/*.md"),
    ]
)


def test_every_setting_is_documented_with_its_default():
    """docs/settings.md misses none and invents none."""
    page = (ROOT / "docs" / "settings.md").read_text()
    found = [
        (process, *row)
        for process, section in re.findall(r"^## `?(.*?)`?\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
        for row in re.findall(r"^\| `(STOCKSTREAM_\w+)` \| (?:`(.*?)`)? ?\| (.*) \|$", section, re.MULTILINE)
    ]

    assert rows() == found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    """Relative links of every page name files that exist."""
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())

    assert [] == [target for target in targets if not (page.parent / target).exists()]


def test_the_readme_names_every_package():
    """The layout table is the top level."""
    readme = (ROOT / "README.md").read_text()
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}

    assert packages <= set(re.findall(r"`(\w+)/`", readme))


def test_every_module_says_its_place():
    """Each module opens with a docstring of its own."""
    code = [
        p for name in ("streams", "tables", "schemas", "connectors", "local", "cli") for p in ROOT.glob(f"{name}/*.py")
    ]

    assert [] == [str(p) for p in code if not p.read_text().startswith(('"""', 'r"""'))]


def test_every_exception_category_says_how_to_mend_it():
    """Severity, owner and a remedy that is a sentence."""
    assert [] == [name for name, c in CATEGORIES.items() if not c.owner or not c.remedy.endswith((".", "it"))]

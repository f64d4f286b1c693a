"""The documentation builds as a site: every link and anchor leads somewhere, and a reader's browser fetches nothing."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mkdocs")
pytest.importorskip("material")
ROOT = Path(__file__).resolve().parents[2]
NAVIGATION = ("Channel developer", "Integration", "Platform", "Operations", "Analyst", "Maintainer")


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The site as `make docs` builds it; strict, so a warning fails it."""
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert built.returncode == 0, "\n".join(line for line in built.stderr.splitlines() if "INFO" not in line)[-3000:]
    return folder


def test_every_page_of_docs_is_in_the_site(site):
    """None is left out, wherever it stands in the navigation."""
    pages = [p.relative_to(ROOT / "docs").with_suffix(".html") for p in (ROOT / "docs").rglob("*.md")]
    pages = [page.with_name("index.html") if page.stem == "README" else page for page in pages]

    assert [] == [str(page) for page in pages if not (site / page).is_file()]


def test_the_navigation_is_by_reader(site):
    """Everybody finds a section of their own."""
    start = (site / "index.html").read_text()

    assert [] == [reader for reader in NAVIGATION if reader not in start]


def test_a_link_into_the_code_shows_the_code(site):
    """The path's links to files of the repository lead to pages of the site."""
    path = (site / "path.html").read_text()

    assert 'href="source/streams/task.py.html"' in path
    assert "class" in (site / "source/streams/task.py.html").read_text()


def test_a_reader_s_browser_fetches_nothing_from_elsewhere(site):
    """No script, style, font or image comes from another host."""
    fetched = re.compile(
        r'<(?:script|img|iframe)[^>]+src="(?:https?:)?//|<link[^>]+(?:stylesheet|preconnect)[^>]+href="(?:https?:)?//'
    )
    styles = re.compile(r"@import[^;]+//|url\((?:https?:)?//")

    assert [] == [str(p) for p in site.rglob("*.html") if fetched.search(p.read_text())]
    assert [] == [str(p) for p in site.rglob("*.css") if styles.search(p.read_text())]

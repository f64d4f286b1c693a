"""The operation pages keep up with the product: each release has its row, counted figures are those of the catalogue."""

import re
import tomllib
from pathlib import Path

from schemas.catalogue import catalogue
from streams.topics import STAGES

ROOT = Path(__file__).resolve().parents[2]
OPERATION = ROOT / "docs" / "operation"


def test_the_release_has_its_upgrade_notes():
    """A release without a row leaves an operator guessing whether it is rolling."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

    assert re.search(rf"^\| {re.escape(version)} \|", (OPERATION / "upgrade-notes.md").read_text(), re.MULTILINE)


def test_the_capacity_page_counts_the_catalogue_s_topics():
    """Topics besides channels' own, and a changelog for each stage."""
    topics = [topic for topic in catalogue().topics if "{channel}" not in topic.name]

    assert f"({len(topics)} topics + channels + {len(STAGES)} changelogs)" in (OPERATION / "capacity.md").read_text()


def test_every_operation_page_is_on_the_overview():
    """docs/operation.md leads to all of them."""
    overview = (ROOT / "docs" / "operation.md").read_text()

    assert [] == [page.name for page in OPERATION.glob("*.md") if f"operation/{page.name}" not in overview]

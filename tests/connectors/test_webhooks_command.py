"""`stockstream webhooks …` where something is missing: one line that helps, no trace."""

import pytest
from typer.testing import CliRunner

from cli.commerce import webhooks_app
from connectors.outbound.commerce import book
from connectors.outbound.commerce.compacted import Compacted
from tests.connectors.commerce_site import CommerceSite

pytestmark = pytest.mark.stack


def test_a_topic_that_is_missing_is_said_in_one_line(stack, tmp_path, monkeypatch):
    """The broker is asked for a topic that nobody made; the line says which and how to make it."""
    monkeypatch.setattr(book, "Compacted", lambda settings, codec, _, take: Compacted(settings, codec, "no.such", take))
    site = CommerceSite(stack, tmp_path)
    site.subscribe({"hub": {"url": "https://hub.example/"}})
    result = CliRunner().invoke(webhooks_app, ["list"], env=site.settings())
    site.close()

    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert "has no topic no.such: run `stockstream topics apply`" in " ".join(result.output.split())

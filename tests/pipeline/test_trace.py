"""`stockstream trace` shows the whole way of one event, and nothing of any other."""

import json
import os
import subprocess
import sys
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from site_under_test import ROOT, Site, scan

from connectors.trace_words import WORDS, words
from local.supervised import importable
from schemas.catalogue import catalogue

EXAMPLES = ROOT / "schemas" / "examples"


def traced(site: Site, correlation: str, *options: str, form: str = "--json") -> subprocess.CompletedProcess[str]:
    """The command, as people run it."""
    given = {
        "BOOTSTRAP": site.stack.bootstrap,
        "REGISTRY": site.stack.registry_url,
        "APP": site.app,
        "CHANNELS": str(ROOT / "channels.yaml"),
    }
    return subprocess.run(
        [sys.executable, "-m", "cli.main", "trace", correlation, *options, *([form] if form else [])],
        env={
            **os.environ,
            "PYTHONPATH": importable(),
            "COLUMNS": "220",
            **{f"STOCKSTREAM_{k}": v for k, v in given.items()},
        },
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


@pytest.mark.stack
def test_a_scan_is_followed_from_the_device_to_the_channels(crew: Site):
    """Scan, ledger, snapshot, delta, offers and posting, in order, each once, with times; another scan's are not there."""
    crew.start("one")
    [sku] = crew.new_items("trace", 1)
    correlation = f"trace-{uuid.uuid4()}"
    crew.scan(sku, "DC01", 7, correlation_id=correlation)
    crew.scan(sku, "DC02", 9, correlation_id=f"{correlation}0")  # begins alike
    crew.producer.flush(30)
    crew.settle()

    done = traced(crew, correlation)
    steps = json.loads(done.stdout)
    kinds = [step["record"] for step in steps]

    assert done.returncode == 0, done.stderr
    assert kinds[:2] == ["WarehouseScan", "LedgerEntry"]
    assert {"Availability", "AvailabilityDelta", "ErpPosting"} <= set(kinds)
    assert {step["topic"] for step in steps if step["record"] == "ChannelAvailability"} >= {
        "channel.webshop.availability"
    }
    assert steps[0]["what"] == f"ADJUST 7 EA of {sku} at DC01"
    assert steps[0]["since_first_ms"] == 0
    assert [step["at"] for step in steps] == sorted(step["at"] for step in steps)
    assert len({step["coordinate"] for step in steps}) == len(steps)
    assert not [step for step in steps if "DC02" in step["what"]]

    shown = traced(crew, correlation, form="").stdout
    assert steps[0]["coordinate"] in shown
    assert f"ADJUST 7 EA of {sku} at DC01" in shown


@pytest.mark.stack
def test_a_broken_record_is_followed_to_whoever_hears_of_it(crew: Site):
    """The exception about a scan of an item nobody knows carries the scan's id."""
    crew.start("one")
    correlation = f"trace-{uuid.uuid4()}"
    crew.send("warehouse.scans", "NOBODY", {**scan("NOBODY", "DC01", 1, 1), "correlation_id": correlation})
    crew.producer.flush(30)
    crew.settle()
    steps = json.loads(traced(crew, correlation).stdout)

    assert ["WarehouseScan", "ExceptionRaised"] == [step["record"] for step in steps]
    assert "UNKNOWN_ITEM" in steps[1]["what"]


@pytest.mark.stack
def test_what_is_older_or_unknown_is_said_not_to_be_there(crew: Site):
    """Exit code 1 and where to look; a time that is none is a usage error."""
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    for options in (("nobody-knows-this",), ("trace", "--since", later)):
        done = traced(crew, *options)

        assert (done.returncode, json.loads(done.stdout)) == (1, [])
        assert "look further back with --since?" in done.stderr
    for since in ("yesterday", "2026-11-21T08:00:00"):
        assert traced(crew, "x", "--since", since).returncode == 2


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*/v*/*.json")), ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_every_record_has_words(path: Path):
    """One line, for every example of every record."""
    value: dict[str, Any] = json.loads(path.read_text())
    line = words(path.parts[-3], value)

    assert line
    assert "\n" not in line
    assert "None" not in line


def test_every_record_of_the_catalogue_has_words():
    """A new record without words would end a trace that meets it."""
    assert {topic.record for topic in catalogue().topics} == set(WORDS)

"""The commands as a person or a script meets them: help, output for machines, exit codes, messages that help."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from click import Command, Group
from typer.testing import CliRunner, Result

from cli.main import app
from cli.settings import rows
from connectors import as_they_stand
from schemas import topics_admin
from schemas.catalogue import catalogue

ROOT = Path(__file__).resolve().parents[2]
NOBODY = {"STOCKSTREAM_REGISTRY": "http://127.0.0.1:9", "STOCKSTREAM_BOOTSTRAP": "127.0.0.1:9"}
PARTITIONS = 4


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(app, arguments, env={"STOCKSTREAM_CHANNELS": str(ROOT / "channels.yaml"), **environment})


def commands(command: Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command and group, as words."""
    yield path
    if isinstance(command, Group):
        for name, inner in command.commands.items():
            yield from commands(inner, (*path, name))


# ---- help and lists ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", list(commands(typer.main.get_command(app))), ids=" ".join)
def test_every_command_explains_itself(path):
    """`--help` of each answers with its own name and needs nothing that runs."""
    result = run(*path, "--help", **NOBODY)

    assert result.exit_code == 0
    assert "Usage: root " + " ".join(path) in " ".join(result.output.split())


def test_the_catalogue_is_listed_for_machines_and_for_people():
    """JSON has every topic with all that the catalogue says of it; the table has every name's record."""
    listed = json.loads(run("topics", "list", "--json").stdout)
    table = run("topics", "list")

    assert [topic["name"] for topic in listed] == [topic.name for topic in catalogue().topics]
    assert all(topic["owner"] and topic["producers"] and topic["consumers"] for topic in listed)
    assert table.exit_code == 0
    assert "dead-letters" in table.stdout


def test_every_setting_is_listed():
    """Variable, default and meaning of each, none left out."""
    listed = json.loads(run("settings", "--json").stdout)

    assert [tuple(row.values()) for row in listed] == rows()
    assert run("settings").exit_code == 0


# ---- mistakes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command", [("worker",), ("topics", "apply"), ("schemas", "check"), ("availability", "SKU-0001")]
)
def test_a_bad_setting_is_a_usage_error_that_names_the_variable(command):
    """Exit 2 before anything starts; the value is told as it was given, brackets and all."""
    result = run(*command, STOCKSTREAM_PARTITIONS="[bold]twelve")

    assert result.exit_code == 2
    assert "STOCKSTREAM_PARTITIONS='[bold]twelve' is not a whole number" in result.stderr


def test_a_retention_that_cannot_be_is_a_usage_error():
    """Exit 2 and the reason, before a broker is asked."""
    result = run("topics", "apply", STOCKSTREAM_RETENTION_DAYS="inventory.ledger=1", **NOBODY)

    assert result.exit_code == 2
    assert "STOCKSTREAM_RETENTION_DAYS: inventory.ledger=1 is too short: 7 days at least" in result.stderr


@pytest.mark.parametrize("command", [("topics", "apply"), ("schemas", "register"), ("schemas", "check")])
def test_missing_channels_name_the_setting(command, tmp_path):
    """Without the channels' declaration no command guesses which topics there should be."""
    result = run(*command, STOCKSTREAM_CHANNELS=str(tmp_path / "none.yaml"))

    assert result.exit_code == 2
    assert "set STOCKSTREAM_CHANNELS" in result.stderr


@pytest.mark.parametrize("command", [("schemas", "register"), ("schemas", "check")])
def test_a_registry_that_is_away_is_one_clear_line(command):
    """Exit 1, and what to look after; no traceback, nothing on stdout."""
    result = run(*command, **NOBODY)

    assert result.exit_code == 1
    assert "the registry does not answer" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""


@pytest.mark.parametrize("command", [("topics", "apply"), ("availability", "SKU-0001"), ("erp", "results", "SO-1")])
def test_a_broker_that_is_away_is_one_clear_line(monkeypatch, command):
    """The address and a question, not a traceback."""
    monkeypatch.setattr(topics_admin, "TIMEOUT", 1.0)
    monkeypatch.setattr(as_they_stand, "ASK_S", 1.0)

    result = run(*command, **NOBODY)

    assert result.exit_code == 1
    assert "127.0.0.1:9" in result.stderr
    assert "is a broker up there?" in result.stderr


def test_an_unknown_benchmark_is_answered_with_the_known_ones():
    """A slip of the pen is a usage error that lists what there is."""
    result = run("bench", "inventroy")

    assert result.exit_code == 2
    assert "no benchmark inventroy; there are " in result.stderr


# ---- on the real stack ------------------------------------------------------------------------------------------


@pytest.fixture
def site(bootstrap: str, registry_url: str) -> dict[str, str]:
    """Settings of an application of its own on the session's stack."""
    return {
        "STOCKSTREAM_BOOTSTRAP": bootstrap,
        "STOCKSTREAM_REGISTRY": registry_url,
        "STOCKSTREAM_PARTITIONS": str(PARTITIONS),
        "STOCKSTREAM_APP": "commands",
    }


def parsed(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.stack
def test_schemas_are_registered_and_then_found_compatible(site):
    """An installation's first two steps, each fit to be run again."""
    ids = parsed(run("schemas", "register", "--json", **site))

    assert "channel.webshop.availability" in ids
    assert ids == parsed(run("schemas", "register", "--json", **site))
    assert parsed(run("schemas", "check", "--json", **site)) == {"incompatible": []}
    assert run("schemas", "check", **site).stdout == "all compatible\n"


@pytest.mark.stack
def test_topics_are_created_once_and_verified_ever_after(site):
    """The second run has nothing to do; another partition count is refused with the way out."""
    first = parsed(run("topics", "apply", "--json", **site))
    second = run("topics", "apply", **site)
    other = run("topics", "apply", **site | {"STOCKSTREAM_PARTITIONS": "5"})
    shorter = run("topics", "apply", **site | {"STOCKSTREAM_RETENTION_DAYS": "dead-letters=90"})

    assert "commands-inventory-changelog" in first["created"]
    assert second.stdout == "all as they should be\n"
    assert other.exit_code == 1
    assert f"warehouse.scans: {PARTITIONS} partitions, wanted 5" in other.stderr
    assert f"STOCKSTREAM_PARTITIONS={PARTITIONS}" in other.stderr
    assert shorter.exit_code == 1
    assert f"dead-letters: retention.ms is {365 * 86_400_000}, wanted {90 * 86_400_000}; " in shorter.stderr
    assert "have dead-letters=365 in STOCKSTREAM_RETENTION_DAYS" in shorter.stderr


@pytest.mark.stack
def test_an_unknown_sku_is_told_as_such(site):
    """No position is exit 1 and a hint, not an empty table."""
    run("schemas", "register", **site)
    run("topics", "apply", **site)

    result = run("availability", "SKU-NONE", "--location", "DC01", **site)

    assert result.exit_code == 1
    assert "no position is known for SKU-NONE at DC01" in result.stderr

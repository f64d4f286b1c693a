"""The examples of examples/ as a channel's developer runs them: killed, started again, against a real topic."""

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from example_commands import WITHIN_S, Command, ended
from offer_history import REVISIONS, SKUS, OfferHistory

pytestmark = pytest.mark.stack


def killed(command: Command, site: dict[str, str], after_changes: int) -> None:
    """Start it and SIGKILL it; what it prints fits no pipe whole, so it is always somewhere in the middle."""
    with subprocess.Popen(command, env=site, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        changes = (line for line in process.stdout if '"change"' in line)
        for _ in range(after_changes):
            next(changes)
        process.kill()


def test_a_killed_subscriber_ends_with_exactly_the_newest_state(
    command: Command, bootstrap: str, registry_url: str, site: dict[str, str], tmp_path: Path
) -> None:
    """Repeats are ignored, gaps found and mended, deletions and a newer schema read, aborted writes never seen."""
    history = OfferHistory(bootstrap, registry_url)
    run = [*command, history.channel, "--state", str(tmp_path / "state"), "--until-idle-seconds", "1"]
    history.first_part()
    killed(run, site, after_changes=300)
    history.second_part()
    code, lines, said = ended(run, site)

    assert code == 0, said
    first, *changes, last = lines
    assert first["event"] == "resuming"
    assert 0 < sum(int(offset) for offset in first["positions"].values()) < SKUS * REVISIONS
    counts = last["counts"]
    assert last["offers"] == history.newest
    assert (counts["gap"], counts["resynchronised"], counts["deleted"], counts["unreadable"]) == (2, 2, 2, 1)
    assert counts["change"] + counts["gap"] + counts["repeat"] == history.applied + 3
    assert counts["repeat"] in {3, 4}  # the newer offer behind a gap is a repeat if resynchronising came upon it
    assert {"SKU-002", "SKU-003"} == {line["sku"] for line in changes if line["event"] == "resynchronised"}

    code, again, said = ended(run, site)

    assert (code, [line["event"] for line in again]) == (0, ["resuming", "state"]), said
    assert again[-1] == last


def test_a_subscriber_told_to_stop_ends_well(
    command: Command, bootstrap: str, registry_url: str, site: dict[str, str], tmp_path: Path
) -> None:
    """SIGTERM is an orderly end with the state written and exit code 0."""
    history = OfferHistory(bootstrap, registry_url)
    history.offer("SKU-000")
    history.producer.flush(30)
    run = [*command, history.channel, "--state", str(tmp_path / "state")]
    with subprocess.Popen(run, env=site, stdout=subprocess.PIPE, text=True) as process:
        lines = lines_of(process)
        while next(lines)["event"] != "change":
            pass
        process.send_signal(signal.SIGTERM)
        last = list(lines)[-1]

        assert process.wait(WITHIN_S) == 0
    assert last["offers"] == history.newest


def lines_of(process: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    assert process.stdout is not None
    for line in process.stdout:
        yield json.loads(line)


def test_a_wrong_channel_is_told_in_words(command: Command, site: dict[str, str], tmp_path: Path) -> None:
    """A topic that is not there ends the subscriber with its name and what to check."""
    code, _, said = ended([*command, "no-such-channel", "--state", str(tmp_path / "state")], site)

    assert code == 1
    assert "channel.no-such-channel.availability: there is no such topic; check the channel's id" in said


def test_a_registry_that_is_away_is_told_in_words(
    command: Command, bootstrap: str, registry_url: str, site: dict[str, str], tmp_path: Path
) -> None:
    """Without a schema nothing can be read: after some tries the subscriber ends and names the registry's URL."""
    history = OfferHistory(bootstrap, registry_url)
    history.offer("SKU-000")
    history.producer.flush(30)
    nowhere = "http://127.0.0.1:9/registry"
    run = [*command, history.channel, "--state", str(tmp_path / "state")]
    code, _, said = ended(run, {**site, "STOCKSTREAM_REGISTRY": nowhere})

    assert code == 1
    assert f"{nowhere}/schemas/ids/{history.old}" in said

"""The whole demo in small, on the real stack: a worker killed, everything proved."""

from pathlib import Path

import orjson
import pytest

from local.demo import run_demo

CHANNELS = Path(__file__).parents[2] / "channels.yaml"


@pytest.mark.stack
def test_a_small_demo_with_a_killed_worker_is_exact(tmp_path, capsys):
    """Some thousand events in a few seconds, SIGKILL half-way: exit code 0, and the JSON says what was compared."""
    code = run_demo(
        events=5_000, seed=3, duration=8, skus=60, as_json=True, channels=CHANNELS, directory=tmp_path / "demo"
    )
    said = capsys.readouterr()
    assert said.out, said.err
    facts = orjson.loads(said.out)

    assert [part for part in facts["proof"] if part["wrong"]] == []
    assert facts["exact"]
    assert code == 0
    assert facts["kill"]["partitions"]
    assert facts["positions"]["count"] > 100
    assert facts["latency_ms"]["all"]["count"] > 0

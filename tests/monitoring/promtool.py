"""promtool as tests call it: from the cache folder or PATH, else the test is skipped and says why."""

import subprocess
from pathlib import Path

import pytest

from local.chart_tools import find


def promtool(*arguments: str | Path, given: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run it; skip the test where it is not there."""
    found = find("promtool")
    if found is None:
        pytest.skip("promtool is neither in the cache folder (`make rules`) nor on PATH")
    return subprocess.run([found, *arguments], input=given, capture_output=True, text=True, timeout=120, check=False)


def check_metrics(text: str) -> None:
    """Fail with what `promtool check metrics` has to say of our metrics; the client library's own are not ours."""
    done = promtool("check", "metrics", given=text)
    said = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("stockstream_")]
    assert not said, said
    assert done.returncode in (0, 3), done.stderr  # 3: the library's own metrics

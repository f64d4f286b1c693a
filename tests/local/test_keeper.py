"""Servers never outlive whoever started them, however that one ends. Stand-in servers, real processes and signals."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from local.errors import StackError
from local.processes import Keeper

STUBBORN = "import signal, time\nsignal.signal(15, signal.SIG_IGN)\nprint('here', flush=True)\ntime.sleep(600)"
OWNER = """
import json, os, signal, sys, time
for ignored in (signal.SIGHUP, signal.SIGTERM):  # as a session under nohup hands it down
    signal.signal(ignored, signal.SIG_DFL)
from pathlib import Path
from local.processes import Keeper
keeper = Keeper()
log = Path(sys.argv[1])
pid = keeper.start("sleeper", [sys.executable, "-c", "import time; time.sleep(600)"], log.parent, log)
fork = os.fork() if sys.argv[2] == "fork" else None
if fork == 0:
    time.sleep(600)
print(json.dumps({"server": pid, "keeper": keeper._process.pid, "fork": fork}), flush=True)
time.sleep(600)
"""


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and waits to be reaped does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    try:
        return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def states(owner: int, pids: dict[str, int | None]) -> dict[str, str]:
    """Of each process, name, state and parent as the system has them; for who has to find out why one stayed."""
    found = {}
    for name, pid in {"owner": owner, **pids}.items():
        stat = Path(f"/proc/{pid}/stat")
        with contextlib.suppress(OSError):
            found[name] = " ".join(stat.read_text().split()[:4])
    return found


def soon(true: Callable[[], bool], within_s: float = 30) -> bool:
    end = time.monotonic() + within_s
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    return true()


@contextlib.contextmanager
def owner_of_a_server(log: Path, *, forked: bool = False) -> Iterator[tuple[Any, dict[str, int]]]:
    """A process that keeps one server, in a process group of its own as from a terminal, and the pids it told."""
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(log), "fork" if forked else ""],
        stdout=subprocess.PIPE,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    try:
        yield owner, json.loads(owner.stdout.readline())
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(owner.pid, signal.SIGKILL)
        owner.wait()
        owner.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_a_server_ends_with_its_owner(tmp_path, number):
    """A signal that ends the owner, SIGKILL too, ends the server and the keeper."""
    with owner_of_a_server(tmp_path / "log") as (owner, pids):
        assert alive(pids["server"])
        owner.send_signal(number)

        assert soon(lambda: not alive(pids["server"]))
        assert soon(lambda: not alive(pids["keeper"]))


def test_a_fork_of_the_owner_does_not_keep_the_server_alive(tmp_path):
    """A child process that inherited the owner's pipe does not hide the owner's death."""
    with owner_of_a_server(tmp_path / "log", forked=True) as (owner, pids):
        owner.kill()

        assert soon(lambda: not alive(pids["server"])), states(owner.pid, pids)
        assert alive(pids["fork"])


def test_ctrl_c_is_the_owners_to_handle(tmp_path):
    """SIGINT to the terminal's process group does not reach the servers: the owner stops its work first."""
    with owner_of_a_server(tmp_path / "log") as (_, pids):
        assert os.getpgid(pids["server"]) not in {os.getpgid(pids["keeper"]), os.getpgrp()}
        os.kill(pids["keeper"], signal.SIGINT)
        os.kill(pids["keeper"], signal.SIGTERM)

        assert not soon(lambda: not alive(pids["server"]), within_s=0.5)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="parent-death signals are Linux's")
def test_a_server_ends_with_its_keeper(tmp_path):
    """Even a SIGKILL of the keeper itself leaves nothing behind."""
    with owner_of_a_server(tmp_path / "log") as (_, pids):
        os.kill(pids["keeper"], signal.SIGKILL)

        assert soon(lambda: not alive(pids["server"]))


def test_a_server_that_ignores_sigterm_is_killed_when_its_grace_is_over(tmp_path):
    """stop() is bounded whatever the server does."""
    keeper, log = Keeper(), tmp_path / "log"
    keeper.start("stubborn", [sys.executable, "-c", STUBBORN], tmp_path, log)
    assert soon(lambda: b"here" in log.read_bytes())
    keeper.stop("stubborn", grace_s=0.2)

    assert -signal.SIGKILL == keeper.returncode("stubborn")
    keeper.close()


def test_a_stopped_server_ends_when_the_keeper_closes(tmp_path):
    """A server frozen by SIGSTOP, as fault tests do, is ended too."""
    keeper = Keeper()
    pid = keeper.start("frozen", [sys.executable, "-c", "import time; time.sleep(600)"], tmp_path, tmp_path / "log")
    os.kill(pid, signal.SIGSTOP)
    keeper.close()

    assert not alive(pid)


def test_what_cannot_be_run_is_an_error_that_names_it(tmp_path):
    """A missing executable is told as such, and the keeper goes on."""
    keeper = Keeper()
    with pytest.raises(StackError, match="no-such-server"):
        keeper.start("x", [str(tmp_path / "no-such-server")], tmp_path, tmp_path / "log")
    keeper.start("y", [sys.executable, "-c", ""], tmp_path, tmp_path / "log")

    assert soon(lambda: keeper.returncode("y") == 0)
    keeper.close()

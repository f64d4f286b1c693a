"""The owner's side of the keeper, and what all servers share: ports, waiting for readiness, a log's tail."""

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from local import keeper
from local.errors import StackError

HOST = "127.0.0.1"
# Below every system's ephemeral range: while a server is down, no client connection can be given its port.
PORTS = range(17_000, 32_000)


class Keeper:
    """Starts, signals and looks after servers through one keeper process. Safe to use from several threads."""

    def __init__(self, holding: int | None = None) -> None:
        """`holding` is an open file the keeper keeps open until its last server has ended."""
        self._lock = threading.Lock()
        self._owner = os.getpid()
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(keeper.__file__).resolve()), str(self._owner)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=() if holding is None else (holding,),
            start_new_session=True,  # Ctrl-C in the terminal is the owner's to handle
        )

    def _ask(self, **request: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            try:
                self._process.stdin.write(json.dumps(request).encode() + b"\n")
                self._process.stdin.flush()
                line = self._process.stdout.readline()
            except (OSError, ValueError):
                line = b""
        if not line:
            raise StackError("The process that keeps the local stack has ended.", "Start the stack again.")
        reply = json.loads(line)
        if "error" in reply:
            raise StackError(f"A server could not be started: {reply['error']}.", "Check that the file may be run.")
        return reply["value"]

    def start(self, name: str, argv: list[str], cwd: Path, log: Path) -> int:
        """Start a server with next to no environment (its own settings must not come from the user's); its pid."""
        kept = {k: v for k, v in os.environ.items() if k in {"PATH", "HOME", "TMPDIR", "LANG", "LD_LIBRARY_PATH"}}
        pid = self._ask(do="start", args=[name, argv, kept, str(cwd), str(log)])
        assert isinstance(pid, int)
        return pid

    def returncode(self, name: str) -> int | None:
        """Exit status of a server, negative for a signal; None while it runs."""
        code = self._ask(do="poll", name=name)
        assert code is None or isinstance(code, int)
        return code

    def stop(self, name: str, *, kill: bool = False, grace_s: float = 15.0) -> None:
        """End a server: SIGTERM, and SIGKILL after `grace_s`; SIGKILL at once with `kill`."""
        self._ask(do="signal", name=name, number=int(signal.SIGKILL if kill else signal.SIGTERM))
        end = time.monotonic() + grace_s
        while self.returncode(name) is None:
            if time.monotonic() > end:
                self._ask(do="signal", name=name, number=int(signal.SIGKILL))
                end += grace_s
            time.sleep(0.02)

    def close(self) -> None:
        """End all servers and the keeper; at most the keeper's own grace time and a little. A fork's copy does not."""
        if os.getpid() != self._owner:
            return
        with contextlib.suppress(OSError, ValueError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        try:
            self._process.wait(keeper.GRACE_S + 5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


def is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def pick_port(taken: set[int], wanted: int = 0, setting: str = "the port") -> int:
    """`wanted` if it is free, else (0) a free one not in `taken`; the port joins `taken`."""
    if wanted:
        if not is_free(wanted):
            raise StackError(
                f"Port {wanted} on {HOST} is taken by another process.",
                f"End that process, or give {setting} another value (0 takes a free port).",
            )
        taken.add(wanted)
        return wanted
    for port in random.sample(PORTS, 200):
        if port not in taken and is_free(port):
            taken.add(port)
            return port
    raise StackError(f"No free port between {PORTS.start} and {PORTS.stop}.", "End some of the processes listening.")


def tail(log: Path, lines: int = 12) -> str:
    """The last lines of a log, indented, for an error's text."""
    try:
        text = log.read_bytes()[-20_000:].decode(errors="replace")
    except OSError:
        return "    (no log)"
    return "\n".join("    " + line for line in text.splitlines()[-lines:]) or "    (the log is empty)"


def await_ready(
    what: str,
    ready: Callable[[], bool],
    returncode: Callable[[], int | None],
    log: Path,
    *,
    within_s: float,
    cancelled: threading.Event,
) -> None:
    """Return once `ready()`; StackError with the log's tail if the server ends first or `within_s` is over."""
    end = time.monotonic() + within_s
    while not ready():
        if cancelled.is_set():
            raise StackError(f"The start of {what} was broken off.", "Start the stack again.")
        code = returncode()
        if code is not None or time.monotonic() > end:
            how = f"did not answer within {within_s:.0f} s" if code is None else f"ended at its start (status {code})"
            raise StackError(
                f"{what} {how}. The end of its log:\n{tail(log)}",
                f"The whole log is {log}. A machine short of memory or time is the usual cause: free some and try "
                "again; a damaged data directory is the other: start with a new one.",
            )
        time.sleep(0.05)

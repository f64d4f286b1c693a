"""Worker processes of the demo: started, asked how they are, killed without warning, started again."""

import ctypes
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

import orjson

from local.processes import pick_port, tail

FAULT, DAMAGED = 75, 76  # a worker's exit codes: start it again; do not
RESTARTS = 5
COMMAND = ("-m", "cli.main", "worker")
PR_SET_PDEATHSIG = 1


class WorkerError(RuntimeError):
    """A worker ended and starting it again will not help."""


class WorkerProcess:
    """One worker, supervised: what it leaves by itself with is read by `look_after`."""

    def __init__(
        self, name: str, settings: Mapping[str, str], directory: Path, command: Sequence[str] = COMMAND
    ) -> None:
        self.name = name
        self._command = [sys.executable, *command]
        self.log = directory / f"{name}.log"
        self.restarts = 0
        self._port = pick_port(set())
        self._environment = {
            **os.environ,
            **settings,
            "PYTHONPATH": importable(),
            "STOCKSTREAM_DATA_DIR": str(directory / name),
            "STOCKSTREAM_HTTP_PORT": str(self._port),
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is ours to handle
                preexec_fn=_die_with_us,  # noqa: PLW1509 - one system call, no locks
            )

    def look_after(self) -> None:
        """Start the worker again if it left with a fault; raise WorkerError where that is no use."""
        if self._process is None or self._process.poll() is None:
            return
        code = self._process.returncode
        self.restarts += 1
        if code == DAMAGED or self.restarts > RESTARTS:
            raise WorkerError(f"{self.name} ended with status {code}. The end of {self.log}:\n{tail(self.log)}")
        self.start()

    @property
    def pid(self) -> int:
        """Process id; raise WorkerError when it does not run."""
        if self._process is None:
            raise WorkerError(f"{self.name} does not run")
        return self._process.pid

    def ended(self) -> int | None:
        """Exit status of a worker that left by itself, None while it runs."""
        return None if self._process is None else self._process.poll()

    def kill(self) -> None:
        """SIGKILL, as a machine would lose power; until `start` nobody starts it again."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self, grace_s: float = 10.0) -> None:
        """Ask it to leave, then make it."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def state(self) -> tuple[bool, str, list[int]]:
        """Ready or not, in its own words, and the partitions it has."""
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=1) as answer:  # noqa: S310 - our own port
                body = orjson.loads(answer.read())
                return True, body["state"], body["partitions"]
        except urllib.error.HTTPError as error:
            body = orjson.loads(error.read())
            return False, body["state"], body.get("partitions", [])
        except (OSError, ValueError):
            return False, "starting" if self._process is not None else "killed", []


def importable() -> str:
    """PYTHONPATH with which a child finds these packages, installed or not, whatever directory it runs in."""
    here = str(Path(__file__).resolve().parent.parent)
    return os.pathsep.join(part for part in (here, os.environ.get("PYTHONPATH", "")) if part)


def await_ready(workers: list[WorkerProcess], within_s: float) -> None:
    """Return once every worker is ready and each partition has its owner."""
    end = time.monotonic() + within_s
    while True:
        states = [worker.state() for worker in workers]
        if all(ready and partitions for ready, _, partitions in states):
            return
        for worker in workers:
            worker.look_after()
        if time.monotonic() > end:
            told = ", ".join(f"{w.name}: {state[1]}" for w, state in zip(workers, states, strict=True))
            raise TimeoutError(
                f"the workers were not ready within {within_s:.0f} s ({told}); see {workers[0].log.parent}"
            )
        time.sleep(0.2)


def _die_with_us() -> None:
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))

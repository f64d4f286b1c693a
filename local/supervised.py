"""Processes of the product on this machine: started, asked how they are, killed without warning, started again."""

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
from typing import Any

import orjson

from local.processes import pick_port, tail
from schemas.exit_codes import HALT

RESTARTS = 5
PR_SET_PDEATHSIG = 1


class ProcessError(RuntimeError):
    """A process ended and starting it again will not help."""


class Supervised:
    """One Python process with a health address; what it leaves by itself with is read by `look_after`.

    `command` is what follows the interpreter; `{port}` in it, or the variable named by `port_variable`, is its port.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        settings: Mapping[str, str],
        directory: Path,
        *,
        port_variable: str | None = None,
        health: str = "/readyz",
    ) -> None:
        self.name = name
        self.log = directory / f"{name}.log"
        self.restarts = 0
        self._health = health
        self._port = pick_port(set())
        self._command = [sys.executable, *(part.replace("{port}", str(self._port)) for part in command)]
        self._environment = {
            **os.environ,
            **settings,
            "PYTHONPATH": importable(),
            "STOCKSTREAM_DATA_DIR": str(directory / name),
            **({port_variable: str(self._port)} if port_variable else {}),
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
        """Start it again if it left with a fault; raise ProcessError where that is no use."""
        if self._process is None or self._process.poll() is None:
            return
        code = self._process.returncode
        self.restarts += 1
        if code == HALT or self.restarts > RESTARTS:
            raise ProcessError(f"{self.name} ended with status {code}. The end of {self.log}:\n{tail(self.log)}")
        self.start()

    @property
    def pid(self) -> int:
        """Process id; raise ProcessError when it does not run."""
        if self._process is None:
            raise ProcessError(f"{self.name} does not run")
        return self._process.pid

    def ended(self) -> int | None:
        """Exit status of a process that left by itself, None while it runs."""
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

    def answer(self) -> tuple[bool, dict[str, Any]]:
        """Ready or not, and what it says of itself."""
        try:
            with urllib.request.urlopen(f"{self.url}{self._health}", timeout=1) as answer:  # noqa: S310 - our own port
                body = orjson.loads(answer.read())
                return True, body if isinstance(body, dict) else {}
        except urllib.error.HTTPError as error:
            body = orjson.loads(error.read() or b"{}")
            return False, body if isinstance(body, dict) else {}
        except (OSError, ValueError):
            return False, {"state": "starting" if self._process is not None else "killed"}


def await_all(processes: Sequence[Supervised], within_s: float) -> None:
    """Return once every process says it is ready; raise TimeoutError with what each said last."""
    end = time.monotonic() + within_s
    while True:
        answers = [process.answer() for process in processes]
        if all(ready for ready, _ in answers):
            return
        for process in processes:
            process.look_after()
        if time.monotonic() > end:
            told = ", ".join(
                f"{p.name}: {said}" for p, (ready, said) in zip(processes, answers, strict=True) if not ready
            )
            raise TimeoutError(f"not ready within {within_s:.0f} s: {told}; see {processes[0].log.parent}")
        time.sleep(0.2)


def importable() -> str:
    """PYTHONPATH with which a child finds these packages, installed or not, whatever directory it runs in."""
    here = str(Path(__file__).resolve().parent.parent)
    return os.pathsep.join(part for part in (here, os.environ.get("PYTHONPATH", "")) if part)


def _die_with_us() -> None:
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))

"""The process that owns the stack's servers and ends them when whoever started it is gone, SIGKILL included.

Run as a script under `python -I -S`: standard library only, one thread (a parent-death signal follows the thread that
forked). Talks in JSON lines: one request on stdin, one answer on stdout; the end of stdin means the owner has died.
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

GRACE_S = 10.0  # what a server gets between SIGTERM and SIGKILL once the owner is gone
LOOK_EVERY_S = 0.25
PR_SET_PDEATHSIG = 1

Servers = dict[str, subprocess.Popen[bytes]]


def _die_with_me() -> Callable[[], None] | None:
    """What a child runs before exec, so that not even the keeper's own SIGKILL leaves it behind (Linux only)."""
    if not sys.platform.startswith("linux"):
        return None
    libc, keeper = ctypes.CDLL(None), os.getpid()

    def child() -> None:
        libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))
        if os.getppid() != keeper:
            os._exit(1)

    return child


def start(servers: Servers, name: str, argv: list[str], environment: dict[str, str], cwd: str, log: str) -> int:
    """Start one server in a process group of its own, its output appended to `log`; the answer is its pid."""
    with open(log, "ab") as out:  # noqa: PTH123
        servers[name] = subprocess.Popen(
            argv,
            env=environment,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
            preexec_fn=_die_with_me(),  # noqa: PLW1509
        )
    return servers[name].pid


def send(server: subprocess.Popen[bytes], number: int) -> None:
    """Signal the server's whole group while it is not reaped, so the number can belong to nobody else."""
    if server.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(server.pid, number)


def stop_all(servers: Servers) -> None:
    for server in servers.values():
        send(server, signal.SIGCONT)
        send(server, signal.SIGTERM)
    end = time.monotonic() + GRACE_S
    while time.monotonic() < end and any(server.poll() is None for server in servers.values()):
        time.sleep(0.02)
    for server in servers.values():
        send(server, signal.SIGKILL)
        server.wait()


def answer(servers: Servers, request: dict[str, Any]) -> Any:
    match request["do"]:
        case "start":
            return start(servers, *request["args"])
        case "signal":
            return send(servers[request["name"]], request["number"])
        case "poll":
            return servers[request["name"]].poll()
    raise ValueError(request["do"])


def serve(owner: int) -> None:
    servers: Servers = {}
    pending = b""
    try:
        # A forked child of the owner may hold our stdin open past the owner's death: its pid is looked at as well.
        while os.getppid() == owner:
            readable, _, _ = select.select([0], [], [], LOOK_EVERY_S)
            if not readable:
                for server in servers.values():
                    server.poll()
                continue
            got = os.read(0, 65536)
            if not got:
                return
            *lines, pending = (pending + got).split(b"\n")
            for line in lines:
                try:
                    reply = {"value": answer(servers, json.loads(line))}
                except OSError as error:
                    reply = {"error": str(error)}
                os.write(1, json.dumps(reply).encode() + b"\n")
    except BrokenPipeError:
        pass
    finally:
        stop_all(servers)


if __name__ == "__main__":
    # Handlers, not SIG_IGN: an ignored signal would stay ignored in the servers after exec.
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(ignored, lambda *_: None)
    serve(int(sys.argv[1]))

"""The way between a worker and everything it talks to, to be cut without either end being told.

A worker behind it lives in a network namespace of its own: all it can reach is this end of a pair of interfaces, where
its broker and registry answer. Needs root and iproute2; `Link.possible()` says whether they are there.
"""

import os
import shutil
import socket
import subprocess
import threading
import uuid
from collections.abc import Mapping

OURS, THEIRS = "10.213.77.1", "10.213.77.2"


class Link:
    """One namespace. `forward` brings services on 127.0.0.1 to it; the broker listens on OURS itself."""

    def __init__(self) -> None:
        self._answering: list[socket.socket] = []
        self.namespace = f"faults-{uuid.uuid4().hex[:6]}"
        self._ours = f"f{self.namespace[-6:]}"
        theirs = f"g{self.namespace[-6:]}"
        _ip("netns", "add", self.namespace)
        _ip("link", "add", self._ours, "type", "veth", "peer", "name", theirs)
        _ip("link", "set", theirs, "netns", self.namespace)
        _ip("addr", "add", f"{OURS}/30", "dev", self._ours)
        _ip("-n", self.namespace, "addr", "add", f"{THEIRS}/30", "dev", theirs)
        _ip("-n", self.namespace, "link", "set", "lo", "up")
        _ip("-n", self.namespace, "link", "set", theirs, "up")
        self.heal()

    @staticmethod
    def possible() -> bool:
        """Whether this machine lets us make namespaces."""
        if os.geteuid() or shutil.which("ip") is None:
            return False
        name = f"faults-{uuid.uuid4().hex[:6]}"
        made = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode == 0
        if made:
            _ip("netns", "delete", name)
        return made

    def cut(self) -> None:
        """Every packet is lost from now on; connections are not told."""
        _ip("link", "set", self._ours, "down")

    def heal(self) -> None:
        _ip("link", "set", self._ours, "up")

    def close(self) -> None:
        for listening in self._answering:
            listening.shutdown(socket.SHUT_RDWR)  # wakes whoever waits in accept
            listening.close()
        _ip("link", "delete", self._ours)
        _ip("netns", "delete", self.namespace)

    def forward(self, port: int) -> None:
        """Answer on OURS at this port with what answers on 127.0.0.1 there."""
        listening = socket.create_server((OURS, port))
        self._answering.append(listening)

        def serve() -> None:
            while True:
                try:
                    near, _ = listening.accept()
                except OSError:  # closed
                    return
                far = socket.create_connection(("127.0.0.1", port))
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=_pump, args=(one, other), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()


def _pump(one: socket.socket, other: socket.socket) -> None:
    try:
        while got := one.recv(65536):
            other.sendall(got)
        other.shutdown(socket.SHUT_WR)
    except OSError:
        one.close()
        other.close()


def _ip(*words: str, environment: Mapping[str, str] | None = None) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=10, env=environment)

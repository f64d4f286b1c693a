"""Pods of the rendered chart as processes of this machine: their command, their variables, their mounted files.

What a cluster would do and this machine cannot: a pod's own network (ports are picked here) and its own root (mounted
files lie under a folder of the pod's, and the paths in its variables are put under it).
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rendered_chart import Container, containers, of_kind

from local.supervised import Supervised, importable

PORTS = {
    "worker": "STOCKSTREAM_HTTP_PORT",
    "api": "STOCKSTREAM_API_HEALTH_PORT",
    "redis-view": "STOCKSTREAM_VIEW_HTTP_PORT",
    "erp": "STOCKSTREAM_ERP_HTTP_PORT",
    "shop": "STOCKSTREAM_COMMERCE_HTTP_PORT",
    "webhooks": "STOCKSTREAM_COMMERCE_HTTP_PORT",
}
ROOTS = ("/etc/stockstream", "/var/lib/stockstream")


class Cluster:
    """What the chart would be sent to: it has the Secrets, and starts pods."""

    def __init__(self, directory: Path, secrets: Mapping[str, Mapping[str, str]], values: str, *sets: str) -> None:
        self._directory, self._secrets = directory, secrets
        self._maps = {name: each["data"] for name, each in of_kind(values, "ConfigMap", *sets).items()}
        self._containers = list(containers(values, *sets))
        self.running: list[Supervised] = []

    def close(self) -> None:
        for process in self.running:
            process.stop()

    def setup(self) -> list[Container]:
        """The containers of the job before an installation, in their order."""
        return [each for each in self._containers if each.component == "setup"]

    def component(self, name: str) -> Container:
        return next(each for each in self._containers if each.component == name)

    def start(self, each: Container, number: int = 0, **elsewhere: str) -> Supervised:
        """Start a container; `elsewhere`: variables that have another value on this machine."""
        name = f"{each.container['name']}-{number}"
        assert each.command[0] == "stockstream"
        environment = self._mounted(each, name)
        process = Supervised(
            name,
            ("-m", "cli.main", *each.command[1:]),
            {**environment, **elsewhere},
            self._directory,
            port_variable=PORTS.get(each.component),
        )
        process.start()
        self.running.append(process)
        return process

    def execute(self, each: Container, *command: str) -> subprocess.CompletedProcess[str]:
        """What `kubectl exec` would do: a command in a container, with its variables and files."""
        given = self._mounted(each, f"{each.container['name']}-exec")
        return subprocess.run(
            [sys.executable, "-m", "cli.main", *command],
            env={**os.environ, **given, "PYTHONPATH": importable()},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def _mounted(self, each: Container, name: str) -> dict[str, str]:
        """The variables of a container whose files were written under a folder of that name."""
        root = self._directory / name
        self._mount(each, root)
        return {variable: _under(root, value) for variable, value in each.environment.items()}

    def _mount(self, each: Container, root: Path) -> None:
        """Write the files a pod finds; raise KeyError for a Secret, ConfigMap or key that the cluster does not have."""
        for path, (place, key) in each.sources().items():
            kind, _, name = place.partition("/")
            held = self._maps[name] if kind == "configMap" else self._secrets[name]
            for file in held if key == "*" else [key]:
                target = root / path.replace("*", file).lstrip("/")
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(held[file])


def _under(root: Path, value: str) -> str:
    return f"{root}{value}" if value.startswith(ROOTS) else value


def json_of(process: Supervised, path: str) -> Any:
    """What a process answers on its health port."""
    import urllib.request  # noqa: PLC0415

    with urllib.request.urlopen(f"{process.url}{path}", timeout=5) as answer:
        body = answer.read().decode()
    return json.loads(body) if body.startswith("{") else body

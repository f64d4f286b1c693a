"""`stockstream up`: the local stack, topics, schemas, workers, the Redis view and the API, until Ctrl-C."""

import os
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import yaml
from rich.console import Console

from local.errors import StackError
from local.processes import pick_port
from local.stack import LocalStack
from local.supervised import ProcessError, Supervised, await_all
from local.worker_process import COMMAND, WorkerProcess, await_ready
from schemas.access import librdkafka
from schemas.environment import SettingError
from schemas.registry import RegistryError, register_all
from schemas.retention import retention
from schemas.topics_admin import BrokerUnreachable, TopicMismatch, apply
from streams.settings import Settings
from streams.topics import STAGES, changelog
from tables.channels import ChannelsError, parse

LOCAL_PARTITIONS = 4
LOOK_S = 1.0
AUTHENTICATION = {"STOCKSTREAM_API_KEYS_FILE", "STOCKSTREAM_API_JWT_ISSUER", "STOCKSTREAM_API_DEVELOPMENT"}
FAILURES = (
    OSError, SettingError, ChannelsError, StackError, RegistryError, TopicMismatch, BrokerUnreachable, ProcessError,
)  # fmt: skip
"""What ends `up` with a message; a wait that ran out (TimeoutError) is an OSError."""


@dataclass(frozen=True, slots=True)
class Site:
    """What a running stack offers."""

    stack: LocalStack
    channels: list[str]
    app: str
    partitions: int

    def prepare(self, chosen: Settings | None = None) -> None:
        """Schemas and topics, created or verified. The settings say how to get in, how many replicas and kept how long.

        Raise SettingError for what cannot be.
        """
        chosen = replace(chosen or Settings(), bootstrap=self.stack.bootstrap, registry=self.stack.registry_url)
        conf, days = librdkafka(chosen), retention(chosen.retention_days)
        register_all(chosen, self.channels)
        apply(
            conf,
            partitions=self.partitions,
            replication=chosen.replication,
            channels=self.channels,
            changelogs=[changelog(self.app, stage) for stage in STAGES],
            retention=days,
        )

    def worker(
        self, name: str, directory: Path, channels: Path, *, command: Sequence[str] = COMMAND, **settings: object
    ) -> WorkerProcess:
        """A worker of this site, not started yet."""
        environment = self._environment(channels, partitions=self.partitions, **settings)
        return WorkerProcess(name, environment, directory, command)

    def edge(
        self,
        name: str,
        command: Sequence[str],
        directory: Path,
        channels: Path,
        *,
        port_variable: str,
        **settings: object,
    ) -> Supervised:
        """A connector or the API of this site, not started yet; `command` is what follows `stockstream`."""
        environment = self._environment(channels, **settings)
        return Supervised(name, ("-m", "cli.main", *command), environment, directory, port_variable=port_variable)

    def _environment(self, channels: Path, **settings: object) -> dict[str, str]:
        environment = {
            "bootstrap": self.stack.bootstrap,
            "registry": self.stack.registry_url,
            "redis": self.stack.redis_url,
            "app": self.app,
            "channels": channels.resolve(),
            **settings,
        }
        return {f"STOCKSTREAM_{key.upper()}": str(value) for key, value in environment.items()}


def run_up(chosen: Settings, given: frozenset[str], *, workers: int, as_json: bool) -> int:
    """Run until Ctrl-C; parts whose settings are given are used instead of local ones. Returns the exit code."""
    console = Console(stderr=True)
    directory, channels = chosen.directory, Path(chosen.channels)
    try:
        ids = [channel.id for channel in parse(yaml.safe_load(channels.read_text())).channels]
        with ExitStack() as running:
            stack = running.enter_context(
                LocalStack(
                    directory / "stack",
                    bootstrap=chosen.bootstrap if "bootstrap" in given else None,
                    registry=chosen.registry if "registry" in given else None,
                    redis=chosen.redis if "redis" in given else None,
                    progress=console,
                )
            )
            partitions = chosen.partitions if "partitions" in given else LOCAL_PARTITIONS
            site = Site(stack, ids, chosen.app, partitions)
            site.prepare(chosen)
            crew = [site.worker(f"worker-{number + 1}", directory, channels) for number in range(workers)]
            for worker in crew:
                running.callback(worker.stop)
                worker.start()
            port, around = _around(site, directory, channels)
            for process in around:
                running.callback(process.stop)
                process.start()
            await_ready(crew, within_s=120)
            await_all(around, within_s=60)
            _print(site, crew, port, as_json=as_json)
            while not threading.Event().wait(LOOK_S):
                for process in (*crew, *around):
                    process.look_after()
    except KeyboardInterrupt:
        return 0
    except FAILURES as error:
        console.print("error:", error, style="red", markup=False, highlight=False)
    return 1


def _around(site: Site, directory: Path, channels: Path) -> tuple[int, list[Supervised]]:
    """The API's port, and the view and the API themselves: without authentication unless some is set, on loopback."""
    port = int(os.environ.get("STOCKSTREAM_API_PORT", "0")) or pick_port(set())
    settings: dict[str, Any] = {"api_port": port}
    if not os.environ.keys() & AUTHENTICATION:
        settings["api_development"] = "true"
    view = site.edge(
        "redis-view", ("connect", "redis"), directory, channels, port_variable="STOCKSTREAM_VIEW_HTTP_PORT"
    )
    api = site.edge("api", ("api",), directory, channels, port_variable="STOCKSTREAM_API_HEALTH_PORT", **settings)
    return port, [view, api]


def _print(site: Site, crew: list[WorkerProcess], port: int, *, as_json: bool) -> None:
    endpoints = {
        "bootstrap": site.stack.bootstrap,
        "registry": site.stack.registry_url,
        "redis": site.stack.redis_url,
        "api": f"http://127.0.0.1:{port}/docs",
        **{worker.name: worker.url for worker in crew},
    }
    if as_json:
        sys.stdout.write(orjson.dumps(endpoints).decode() + "\n")
    else:
        sys.stdout.write("".join(f"{name:<10} {url}\n" for name, url in endpoints.items()) + "Ctrl-C stops it.\n")
    sys.stdout.flush()

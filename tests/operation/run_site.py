"""A site on a broker of its own: its processes, its commands, and what came of it."""

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson

from local.observer import Observer
from local.processes import pick_port
from local.stack import LocalStack
from local.supervised import Supervised, await_all, importable
from local.up import Site
from local.wire import Wire
from local.worker_process import WorkerProcess, await_ready

ROOT = Path(__file__).resolve().parents[2]
CHANNELS = ROOT / "channels.yaml"
NAMES = ["webshop", "marketplace"]
WITHIN_S = 90.0
RELEASE = ("-m", "cli.main")


def until(what: str, condition: Callable[[], Any], within_s: float = WITHIN_S) -> Any:
    """The condition's first true value; TimeoutError says what was waited for."""
    end = time.monotonic() + within_s
    while not (value := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"waited {within_s:.0f} s for {what}")
        time.sleep(0.2)
    return value


class RunSite:
    """One application on one stack, prepared by the commands an operator gives."""

    def __init__(
        self, stack: LocalStack, directory: Path, app: str, *, partitions: int = 3, **settings: object
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.stack, self.directory, self.app, self.partitions = stack, directory, app, partitions
        self.settings = {"session_timeout_ms": 6_000, **settings}
        self.site = Site(stack, NAMES, app, partitions)
        self.wire = Wire(stack.registry_url)
        self.workers: dict[str, WorkerProcess] = {}
        self.edges: dict[str, Supervised] = {}
        self.api_url = ""

    def close(self) -> None:
        for process in (*self.workers.values(), *self.edges.values()):
            process.stop()

    # ---- commands -------------------------------------------------------------------------------------------------

    @property
    def environment(self) -> dict[str, str]:
        """What an operator of this site has in the environment."""
        said = {
            "bootstrap": self.stack.bootstrap,
            "registry": self.stack.registry_url,
            "redis": self.stack.redis_url,
            "app": self.app,
            "partitions": self.partitions,
            "channels": CHANNELS,
            **{name: value for name, value in self.settings.items() if name in ("clock", "erp_epoch")},
        }
        return {f"STOCKSTREAM_{name.upper()}": str(value) for name, value in said.items()}

    def env_file(self) -> Path:
        """The file another site's `compare`, `mirror` and `handover` are given."""
        path = self.directory / f"{self.app}.env"
        path.write_text("".join(f"{name}={value}\n" for name, value in self.environment.items()))
        return path

    def command(
        self, *words: object, ok: tuple[int, ...] = (0,), within_s: float = 180.0, release: Sequence[str] = RELEASE
    ) -> tuple[int, str, str]:
        """`stockstream WORDS`: exit code, stdout, stderr."""
        done = subprocess.run(
            [sys.executable, *release, *map(str, words)],
            env=self._clean() | self.environment,
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=within_s,
            check=False,
        )
        assert done.returncode in ok, f"{words}: {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.returncode, done.stdout, done.stderr

    @staticmethod
    def _clean() -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("STOCKSTREAM_")}
        return {**kept, "PYTHONPATH": importable()}

    def set_up(self) -> None:
        """The two commands before the first start."""
        self.command("schemas", "register")
        self.command("topics", "apply")

    # ---- processes ------------------------------------------------------------------------------------------------

    def start_workers(self, *names: str, wait: bool = True, release: Sequence[str] = RELEASE) -> None:
        """`release` is what follows the interpreter to get at this or another release's commands."""
        given = {name: value for name, value in self.settings.items() if not name.startswith("erp_")}
        for name in names:
            worker = self.site.worker(name, self.directory, CHANNELS, command=(*release, "worker"), **given)
            worker.start()
            self.workers[name] = worker
        if wait:
            await_ready(list(self.workers.values()), within_s=WITHIN_S)

    def stop_workers(self, *names: str) -> None:
        for name in names or tuple(self.workers):
            self.workers.pop(name).stop(grace_s=60)

    def start_edge(
        self, name: str, *command: str, variable: str, release: Sequence[str] = RELEASE, **settings: object
    ) -> Supervised:
        edge = Supervised(
            name,
            (*release, *command),
            {**self.environment, **{f"STOCKSTREAM_{key.upper()}": str(value) for key, value in settings.items()}},
            self.directory,
            port_variable=f"STOCKSTREAM_{variable}",
        )
        edge.start()
        self.edges[name] = edge
        await_all([edge], WITHIN_S)
        return edge

    def start_erp_connector(
        self, service: str, name: str = "erp-connector", release: Sequence[str] = RELEASE
    ) -> Supervised:
        return self.start_edge(
            name, "connect", "erp", variable="ERP_HTTP_PORT", release=release,
            erp_url=service, erp_rate=5_000, erp_session_timeout_ms=6_000, erp_commit_interval_ms=100,
        )  # fmt: skip

    def start_view(self, name: str = "redis-view", release: Sequence[str] = RELEASE) -> None:
        self.start_edge(name, "connect", "redis", variable="VIEW_HTTP_PORT", release=release)

    def start_api(self, name: str = "api", release: Sequence[str] = RELEASE) -> None:
        """The API, and whoever asks from now on asks this one."""
        port = pick_port(set())
        self.start_edge(
            name, "api", variable="API_HEALTH_PORT", release=release, api_port=port, api_development="true"
        )  # fmt: skip
        self.api_url = f"http://127.0.0.1:{port}"

    def stop_edge(self, name: str) -> None:
        self.edges.pop(name).stop(grace_s=30)

    # ---- what came of it --------------------------------------------------------------------------------------------

    def settle(self, *, erp: bool = False, within_s: float = WITHIN_S) -> None:
        """Wait until every input is consumed, and the ERP has what there is for it, and both stay so."""
        observer = Observer(self.stack.bootstrap, self.app, {f"{self.app}-erp": ("erp.postings",)} if erp else {})
        quiet, ends = 0, dict[tuple[str, int], int]()

        def still() -> bool:
            nonlocal quiet, ends
            for process in (*self.workers.values(), *self.edges.values()):
                process.look_after()
            now = observer.ends()
            quiet = 0 if observer.waiting() or now != ends else quiet + 1
            ends = now
            time.sleep(0.5)
            return quiet >= 4

        try:
            until(f"{self.app} to be still", still, within_s)
        finally:
            observer.close()

    def read(self, topic: str) -> list[tuple[str, dict[str, Any]]]:
        """Key and value of every committed record, each partition in order."""
        observer = Observer(self.stack.bootstrap, self.app)
        try:
            return [(each.key, self.wire.decode(each.value)) for each in observer.read(topic) if each.value]
        finally:
            observer.close()

    def snapshots(self) -> dict[str, dict[str, Any]]:
        return dict(self.read("availability.snapshots"))

    def asked(self, sku: str) -> dict[str, Any]:
        """What the API says of a SKU."""
        with urllib.request.urlopen(f"{self.api_url}/v1/availability/{sku}", timeout=20) as answer:
            return orjson.loads(answer.read())

"""The local stack: a real broker, schema registry and Redis with nothing installed but this package.

    with LocalStack() as stack:
        print(stack.bootstrap, stack.registry_url, stack.redis_url)

What is given by setting replaces its local part. The servers end with the block, with Ctrl-C, and with this process.
"""

import fcntl
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Protocol, Self

from rich.console import Console

from local import kafka, redis_server, registry
from local.cache import need_room
from local.downloads import Downloads
from local.errors import StackError
from local.kafka import Kafka
from local.processes import Keeper, await_ready, pick_port, tail
from local.progress import Report, Say, report_for
from local.redis_server import RedisServer
from local.registry import Registry

__all__ = ["LocalStack", "Ports", "StackError"]

DATA_BYTES = 500_000_000  # below this free a run of the demonstration would fill the disk
KEEPER_GONE_WITHIN_S = 15.0


@dataclass(frozen=True, slots=True)
class Ports:
    """Fixed ports of the local parts; 0 takes a free one."""

    kafka: int = 0
    controller: int = 0
    registry: int = 0
    redis: int = 0


class _Server(Protocol):
    def prepare(self) -> None: ...
    def command(self) -> list[str]: ...
    def ready(self) -> bool: ...


TITLES = {"kafka": "Kafka", "registry": "The schema registry", "redis": "Redis"}
LIMITS_S = {"kafka": kafka.READY_WITHIN_S, "registry": registry.READY_WITHIN_S, "redis": redis_server.READY_WITHIN_S}


class LocalStack:
    """Broker, registry and Redis on 127.0.0.1; endpoints are "" for what is not needed or not started yet.

    `directory` holds data and logs and may be used again; without one, a temporary directory that is removed on a
    clean exit. `progress` is a Rich console, a function taking a line, or a `local.progress.Report`. Every failure is
    a StackError that says what to do.
    """

    def __init__(
        self,
        directory: Path | None = None,
        *,
        bootstrap: str | None = None,
        registry: str | None = None,
        redis: str | None = None,
        need_registry: bool = True,
        need_redis: bool = True,
        ports: Ports | None = None,
        progress: Report | Console | Say | None = None,
    ) -> None:
        self._temporary = directory is None
        self.directory = Path(tempfile.mkdtemp(prefix="stockstream-") if directory is None else directory).resolve()
        self.bootstrap = bootstrap or ""
        self.registry_url = (registry or "").rstrip("/")
        self.redis_url = redis or ""
        self.logs: dict[str, Path] = {}
        self.pids: dict[str, int] = {}
        self._local = {
            "kafka": not bootstrap,
            "registry": need_registry and not registry,
            "redis": need_redis and not redis,
        }
        self._ports = ports or Ports()
        self._taken = {port for port in (self._ports.kafka, self._ports.controller, self._ports.registry) if port}
        self._report = report_for(progress)
        self._servers: dict[str, _Server] = {}
        self._cancelled = threading.Event()
        self._keeper: Keeper | None = None
        self._lock: IO[str] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop(keep_directory=kind is not None and kind is not KeyboardInterrupt)

    def start(self) -> None:
        """Start all parts at the same time and return when all answer; ends what was started if one does not."""
        try:
            self._occupy()
            steps = [step for name, step in self._steps().items() if self._local[name]]
            # Not the pool as a block: it would wait for its threads before they are told to break off.
            pool = ThreadPoolExecutor(max(1, len(steps)), thread_name_prefix="stack")
            try:
                self._await([pool.submit(step) for step in steps])
            finally:
                self._cancelled.set()
                pool.shutdown()
                self._cancelled.clear()
        except BaseException:
            self.stop(keep_directory=True)
            raise

    def stop(self, *, keep_directory: bool = False) -> None:
        """End all parts (about 2 s, at most 15); a temporary directory goes unless it is to be kept. May be repeated."""
        self._cancelled.set()
        if self._keeper is not None:
            self._keeper.close()
            self._keeper = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None
        self.pids.clear()
        if self._temporary and not keep_directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    def stop_broker(self, kill: bool = False) -> None:
        """End the broker, with SIGKILL if `kill`; `start_broker` brings it back with its port and data."""
        self._stop_part("kafka", kill=kill)

    def start_broker(self) -> None:
        self._run("kafka")

    def stop_registry(self, kill: bool = False) -> None:
        """End the registry, with SIGKILL if `kill`; `start_registry` brings it back with its port and data."""
        self._stop_part("registry", kill=kill)

    def start_registry(self) -> None:
        self._run("registry")

    def stop_redis(self, kill: bool = False) -> None:
        """End Redis, with SIGKILL if `kill`; `start_redis` brings it back with its port and data."""
        self._stop_part("redis", kill=kill)

    def start_redis(self) -> None:
        self._run("redis")

    def _steps(self) -> dict[str, Callable[[], None]]:
        return {"kafka": self._kafka, "registry": self._registry, "redis": self._redis}

    def _kafka(self) -> None:
        jars = Downloads(self._report, self._cancelled).kafka()
        while True:
            port = pick_port(self._taken, self._ports.kafka, "the broker's port")
            controller = pick_port(self._taken, self._ports.controller, "the controller's port")
            broker = Kafka(self.directory, port, controller, jars)
            if self._first_run("kafka", broker, fixed=self._ports.kafka):
                self.bootstrap = broker.bootstrap
                return

    def _registry(self) -> None:
        home = Downloads(self._report, self._cancelled).apicurio()
        while True:
            server = Registry(self.directory, pick_port(self._taken, self._ports.registry, "the registry's port"), home)
            if self._first_run("registry", server, fixed=self._ports.registry):
                self.registry_url = server.url
                return

    def _redis(self) -> None:
        while True:
            server = RedisServer(self.directory, pick_port(self._taken, self._ports.redis, "Redis' port"))
            if self._first_run("redis", server, fixed=self._ports.redis):
                self.redis_url = server.url
                return

    def _first_run(self, name: str, server: _Server, *, fixed: int) -> bool:
        """Start a server; False if another process took its freely chosen port in between, so try the next."""
        self._servers[name] = server
        self.logs[name] = self.directory / "logs" / f"{name}.log"
        server.prepare()
        try:
            self._run(name)
        except StackError:
            if not fixed and "in use" in tail(self.logs[name]) and not self._cancelled.is_set():
                self.logs[name].rename(self.logs[name].with_suffix(".port-taken.log"))
                return False
            raise
        return True

    def _run(self, name: str) -> None:
        keeper, server = self._mine(name)
        if name in self.pids and keeper.returncode(name) is None:
            raise StackError(f"{TITLES[name]} runs already.", "Stop it first.")
        began = time.monotonic()
        self.pids[name] = keeper.start(name, server.command(), self.directory, self.logs[name])
        await_ready(
            TITLES[name],
            server.ready,
            lambda: keeper.returncode(name),
            self.logs[name],
            within_s=LIMITS_S[name],
            cancelled=self._cancelled,
        )
        self._report.say(f"{TITLES[name]} is up ({time.monotonic() - began:.1f} s)")

    def _stop_part(self, name: str, *, kill: bool) -> None:
        keeper, _ = self._mine(name)
        keeper.stop(name, kill=kill)
        self.pids.pop(name, None)

    def _mine(self, name: str) -> tuple[Keeper, _Server]:
        if self._keeper is None or name not in self._servers:
            raise StackError(f"{TITLES[name]} is no part of this stack, or not started.", "Start it by this stack.")
        return self._keeper, self._servers[name]

    def _occupy(self) -> None:
        """Make the directory ours alone; the keeper holds the lock too, until the last server of a dead owner ended."""
        self._cancelled.clear()
        try:
            (self.directory / "logs").mkdir(parents=True, exist_ok=True)
            self._lock = (self.directory / "lock").open("a+")
        except OSError as error:
            raise StackError(f"{self.directory} cannot be written: {error.strerror}.", "Give another one.") from error
        end = time.monotonic() + KEEPER_GONE_WITHIN_S
        while True:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if _owner_lives(self._lock) or time.monotonic() > end:
                    raise StackError(
                        f"Another local stack uses {self.directory}.", "End it, or give another directory."
                    ) from None
                time.sleep(0.1)
        self._lock.truncate(0)
        self._lock.write(str(os.getpid()))
        self._lock.flush()
        need_room(self.directory, DATA_BYTES, "the local stack's data", "Free some space, or give another directory.")
        self._keeper = Keeper(holding=self._lock.fileno())

    def _await(self, starts: list[Future[None]]) -> None:
        done, others = wait(starts, return_when=FIRST_EXCEPTION)
        if any(start.exception() for start in done):
            self._cancelled.set()
            wait(others)
        for start in done:
            start.result()


def _owner_lives(lock: IO[str]) -> bool:
    lock.seek(0)
    text = lock.read()
    try:
        os.kill(int(text), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True

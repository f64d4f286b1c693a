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
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import IO, Protocol, Self, TypeVar

from rich.console import Console

from local import kafka, redis_server, registry
from local.cache import need_room
from local.certificates import Authority
from local.downloads import APICURIO, KAFKA, Downloads
from local.errors import StackError
from local.kafka import Kafka, SecuredListeners
from local.processes import HOST, Keeper, await_ready, pick_port, tail
from local.progress import Report, Say, report_for
from local.quick_start import Rehearsal
from local.redis_server import RedisServer
from local.registry import Registry
from local.token_issuer import TokenIssuer

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
    def command(self, options: Sequence[str] = ()) -> list[str]: ...
    def ready(self) -> bool: ...


S = TypeVar("S", bound=_Server)

TITLES = {"kafka": "Kafka", "registry": "The schema registry", "redis": "Redis"}
LIMITS_S = {"kafka": kafka.READY_WITHIN_S, "registry": registry.READY_WITHIN_S, "redis": redis_server.READY_WITHIN_S}


class LocalStack:
    """Broker, registry and Redis on 127.0.0.1; endpoints are "" for what is not needed or not started yet.

    `directory` holds data and logs and may be used again; without one, a temporary directory that is removed on a
    clean exit. `progress` is a Rich console, a function taking a line, or a `local.progress.Report`. Every failure is
    a StackError that says what to do. `secured` adds listeners with TLS, SCRAM or OAUTHBEARER (`secured_bootstrap`) and
    client certificates (`mutual_bootstrap`) on which only what an ACL allows is allowed; `authority` issues
    certificates, `issuer` tokens.
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
        secured: bool = False,
        progress: Report | Console | Say | None = None,
    ) -> None:
        self._temporary = directory is None
        self.directory = Path(tempfile.mkdtemp(prefix="stockstream-") if directory is None else directory).resolve()
        self.bootstrap = bootstrap or ""
        self.registry_url = (registry or "").rstrip("/")
        self.redis_url = redis or ""
        self.secured_bootstrap = self.mutual_bootstrap = ""
        self.authority: Authority | None = None
        self.issuer: TokenIssuer | None = None
        self._secured = secured
        self.logs: dict[str, Path] = {}
        self.pids: dict[str, int] = {}
        self._local = {
            "kafka": not bootstrap,
            "registry": need_registry and not registry,
            "redis": need_redis and not redis,
        }
        self._ports = ports or Ports()
        self._taken = {port for port in astuple(self._ports) if port}
        self._report = report_for(progress)
        self._servers: dict[str, _Server] = {}
        self._options: dict[str, list[str]] = {}
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
        except BaseException as error:
            self.stop(keep_directory=not isinstance(error, KeyboardInterrupt))
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
        if self._temporary and keep_directory:
            self._report.say(f"The stack's logs are kept in {self.directory / 'logs'}")
        elif self._temporary:
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
        free = Ports()

        def broker(directory: Path, ports: Ports) -> Kafka:
            port = pick_port(self._taken, ports.kafka, "the broker's port")
            controller = pick_port(self._taken, ports.controller, "the controller's port")
            return Kafka(directory, port, controller, jars)

        def ours() -> Kafka:
            plain = broker(self.directory, self._ports)
            return replace(plain, secured=self._listeners()) if self._secured else plain

        options = self._rehearsal().options(f"kafka-{KAFKA}", lambda directory: broker(directory, free))
        started = self._first_run("kafka", ours, options, self._ports.kafka)
        self.bootstrap = started.bootstrap

    def _listeners(self) -> SecuredListeners:
        self.authority = Authority(self.directory / "certificates")
        port, mutual = (pick_port(self._taken, 0, "an encrypted port") for _ in range(2))
        self.secured_bootstrap, self.mutual_bootstrap = f"{HOST}:{port}", f"{HOST}:{mutual}"
        self.issuer = TokenIssuer(self.directory / "certificates")
        keystore = self.authority.issue("broker").both
        return SecuredListeners(port, mutual, keystore, self.authority.ca, self.issuer.jwks)

    def _registry(self) -> None:
        home = Downloads(self._report, self._cancelled).apicurio()

        def server(directory: Path, wanted: int) -> Registry:
            return Registry(directory, pick_port(self._taken, wanted, "the registry's port"), home)

        options = self._rehearsal().options(f"apicurio-{APICURIO}", lambda directory: server(directory, 0))
        wanted = self._ports.registry
        self.registry_url = self._first_run("registry", lambda: server(self.directory, wanted), options, wanted).url

    def _redis(self) -> None:
        wanted = self._ports.redis

        def server() -> RedisServer:
            return RedisServer(self.directory, pick_port(self._taken, wanted, "Redis' port"))

        self.redis_url = self._first_run("redis", server, [], wanted).url

    def _rehearsal(self) -> Rehearsal:
        assert self._keeper is not None
        return Rehearsal(self._keeper, self._report, self._cancelled)

    def _first_run(self, name: str, make: Callable[[], S], options: list[str], fixed: int) -> S:
        """Start a server; when another process took its freely chosen port in between, try on another."""
        self.logs[name] = self.directory / "logs" / f"{name}.log"
        self._options[name] = options
        while True:
            server = make()
            self._servers[name] = server
            server.prepare()
            try:
                self._run(name)
            except StackError:
                if fixed or "in use" not in tail(self.logs[name]) or self._cancelled.is_set():
                    raise
                self.logs[name].replace(self.logs[name].with_suffix(".port-taken.log"))
            else:
                return server

    def _run(self, name: str) -> None:
        keeper, server = self._mine(name)
        if name in self.pids and keeper.returncode(name) is None:
            raise StackError(f"{TITLES[name]} runs already.", "Stop it first.")
        began = time.monotonic()
        self.pids[name] = keeper.start(name, server.command(self._options[name]), self.directory, self.logs[name])
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

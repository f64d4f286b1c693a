"""Java's ahead-of-time caches for the servers: made once by a rehearsed start, they halve the work of each later one."""

import hashlib
import shutil
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from local.cache import cache_directory, only_one
from local.errors import StackError
from local.maven import java
from local.processes import Keeper, await_ready
from local.progress import Report

READY_WITHIN_S = 90.0
WRITTEN_WITHIN_S = 90.0
# Loaded and linked classes make the gain; Java 25's cached call adapters add little, and a mismatch of names on load.
CLASSES_ONLY = ("-XX:+UnlockDiagnosticVMOptions", "-XX:-AOTAdapterCaching", "-XX:-AOTStubCaching")
KEPT = 2  # caches of one server, for as many Python environments


class JavaServer(Protocol):
    def prepare(self) -> None: ...
    def command(self, options: Sequence[str] = ()) -> list[str]: ...
    def ready(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """Who runs a rehearsed start, who hears of it, and what breaks it off."""

    keeper: Keeper
    report: Report
    cancelled: threading.Event

    def options(self, name: str, make: Callable[[Path], JavaServer]) -> list[str]:
        """Java options that use the cache of server `name`, making it first if missing; none if it cannot be made.

        `make` gives the server for a directory, on free ports.
        """
        cache = cache_directory() / f"{name}-{_this_java()}.aot"
        if not cache.exists():
            with only_one(cache_directory() / f"{name}.aot.lock", self.cancelled):
                if not cache.exists():
                    self.report.say(f"{name}: rehearsing a start, once, so that later ones are quick")
                    self._rehearse(name, make, cache)
        # A cache that does not fit is left unused by Java without a word.
        return [*CLASSES_ONLY, f"-XX:AOTCache={cache}", "-Xlog:aot*=off", "-Xlog:cds*=off"] if cache.exists() else []

    def _rehearse(self, name: str, make: Callable[[Path], JavaServer], cache: Path) -> None:
        directory = Path(tempfile.mkdtemp(prefix=f"{cache.stem}.part-", dir=cache.parent))
        role, part, log = f"{name}-rehearsal", directory / "cache.aot", directory / "log"
        try:
            server = make(directory)
            server.prepare()
            self.keeper.start(role, server.command([*CLASSES_ONLY, f"-XX:AOTCacheOutput={part}"]), directory, log)
            await_ready(
                name,
                server.ready,
                lambda: self.keeper.returncode(role),
                log,
                within_s=READY_WITHIN_S,
                cancelled=self.cancelled,
            )
            self.keeper.stop(role, grace_s=WRITTEN_WITHIN_S)  # Java writes the cache at its end
            if part.exists():
                for old in sorted(cache.parent.glob(f"{name}-*.aot"), key=_written)[: 1 - KEPT]:
                    old.unlink()
                part.replace(cache)
        except StackError:
            if self.cancelled.is_set():
                raise
            self.keeper.stop(role, kill=True)
        finally:
            shutil.rmtree(directory, ignore_errors=True)


def _this_java() -> str:
    """Tells one installed Java from another: a cache fits only the runtime image it was made with."""
    image = java().parents[1] / "lib" / "modules"
    stat = image.stat()
    return hashlib.sha256(f"{image} {stat.st_size} {stat.st_mtime_ns}".encode()).hexdigest()[:12]


def _written(cache: Path) -> float:
    return cache.stat().st_mtime

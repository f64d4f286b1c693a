"""A Redis of a test's own, to be stopped, emptied and replaced without disturbing others."""

import subprocess
from pathlib import Path

import redis

from local.processes import pick_port
from local.redis_server import RedisServer


class RedisUnderTest:
    """One address; behind it one server after the other."""

    def __init__(self, directory: Path, *options: str) -> None:
        self._directory, self._options = directory, options
        self.port = pick_port(set())
        self._generation = 0
        self._process: subprocess.Popen[bytes] | None = None
        self.url = self.server.url

    @property
    def server(self) -> RedisServer:
        return RedisServer(self._directory / f"redis-{self._generation}", self.port)

    def start(self) -> None:
        self.server.prepare()
        with (self._directory / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(self.server.command(self._options), stdout=log, stderr=log)

    def replace(self) -> None:
        """Start an empty one in its place."""
        self.stop()
        self._generation += 1
        self.start()

    def stop(self, *, kill: bool = False) -> None:
        if self._process is not None:
            self._process.kill() if kill else self._process.terminate()
            self._process.wait(20)
            self._process = None

    def client(self) -> redis.Redis:
        return redis.Redis(host="127.0.0.1", port=self.port, decode_responses=True, socket_timeout=10)

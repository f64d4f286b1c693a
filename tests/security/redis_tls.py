"""A Redis that asks for a password."""

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import redis

from local.processes import pick_port
from local.redis_server import RedisServer


@contextlib.contextmanager
def redis_with_a_password(directory: Path, password: str) -> Iterator[int]:
    """Its port, once it answers."""
    server = RedisServer(directory / "redis", pick_port(set()))
    server.prepare()
    with (directory / "redis-server.txt").open("wb") as log:
        process = subprocess.Popen(server.command(("--requirepass", password)), stdout=log, stderr=log)
    client = redis.Redis(port=server.port, password=password, socket_timeout=2)
    try:
        end = time.monotonic() + 20
        while True:
            with contextlib.suppress(redis.RedisError):
                if client.ping():
                    break
            if time.monotonic() > end:
                raise TimeoutError("waited 20 s for Redis")
            time.sleep(0.1)
        yield server.port
    finally:
        client.close()
        process.kill()
        process.wait(10)

"""A Redis of one test's own, which the test may hurt."""

import signal
import subprocess
from pathlib import Path

import redis

from local.redis_server import executable
from tests.api.api_site import until


class OwnRedis:
    """A Redis of the test's own, to be taken away."""

    def __init__(self, directory: Path, port: int) -> None:
        self._command = [str(executable()), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(directory)]
        self._command += ["--save", "", "--appendonly", "yes"]
        self.url = f"redis://127.0.0.1:{port}/0"
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        client = redis.Redis.from_url(self.url)
        until(lambda: _answers(client), bool)

    def pause(self) -> None:
        """It stays connected and says nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait(10)


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False

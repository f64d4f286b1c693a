"""Worker processes: a supervised process that also says which partitions it has."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from local.supervised import Supervised

COMMAND = ("-m", "cli.main", "worker")


class WorkerProcess(Supervised):
    """One worker."""

    def __init__(
        self, name: str, settings: Mapping[str, str], directory: Path, command: Sequence[str] = COMMAND
    ) -> None:
        super().__init__(name, command, settings, directory, port_variable="STOCKSTREAM_HTTP_PORT")

    def state(self) -> tuple[bool, str, list[int]]:
        """Ready or not, in its own words, and the partitions it has."""
        ready, said = self.answer()
        return ready, str(said.get("state", "starting")), said.get("partitions", [])


def await_ready(workers: list[WorkerProcess], within_s: float) -> None:
    """Return once every worker is ready and each partition has its owner."""
    end = time.monotonic() + within_s
    while True:
        states = [worker.state() for worker in workers]
        if all(ready and partitions for ready, _, partitions in states):
            return
        for worker in workers:
            worker.look_after()
        if time.monotonic() > end:
            told = ", ".join(f"{w.name}: {state[1]}" for w, state in zip(workers, states, strict=True))
            raise TimeoutError(
                f"the workers were not ready within {within_s:.0f} s ({told}); see {workers[0].log.parent}"
            )
        time.sleep(0.2)

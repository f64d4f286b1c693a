"""A circuit breaker for one system: after faults in a row it lets nothing through, then a few probes, then all again."""

import asyncio
import time
from collections.abc import Callable
from enum import IntEnum


class State(IntEnum):
    """The value of the state gauge."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


class Breaker:
    """Counts technical faults. One caller waits in `admitted`, then says `enter`, and each attempt ends with a verdict.

    `failures` faults in a row open it, for `open_s` at first and twice as long after each probe that fails, up to
    `most_s`. Then up to `probes` attempts at once may show whether the system is back: one success closes it.
    """

    def __init__(
        self,
        *,
        failures: int,
        open_s: float,
        most_s: float,
        probes: int,
        tell: Callable[[State], None] = lambda _: None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._failures, self._first_s, self._most_s = failures, open_s, max(most_s, open_s)
        self._probes, self._tell, self._now = probes, tell, now
        self._in_a_row = 0
        self._open_s = open_s
        self._until = 0.0
        self._probing = 0
        self._changed = asyncio.Event()
        self._state = State.CLOSED
        tell(self._state)

    @property
    def state(self) -> State:
        """Where it stands now; an open breaker whose time is over is half-open."""
        if self._state is State.OPEN and self._now() >= self._until:
            self._become(State.HALF_OPEN)
        return self._state

    def admits(self) -> bool:
        """Whether an attempt may start now."""
        state = self.state
        return state is State.CLOSED or (state is State.HALF_OPEN and self._probing < self._probes)

    async def admitted(self) -> None:
        """Wait until an attempt may start."""
        while not self.admits():
            self._changed.clear()
            left = self._until - self._now() if self._state is State.OPEN else None
            try:
                async with asyncio.timeout(None if left is None else max(left, 0.001)):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def enter(self) -> None:
        """An attempt starts."""
        if self._state is State.HALF_OPEN:
            self._probing += 1

    def succeeded(self) -> None:
        """The system answered, be it with a refusal."""
        self._in_a_row, self._open_s = 0, self._first_s
        self._become(State.CLOSED)

    def failed(self) -> None:
        """The system did not answer, or with a fault of its own."""
        self._in_a_row += 1
        if self._state is State.HALF_OPEN:
            self._open_s = min(self._open_s * 2, self._most_s)
            self._open()
        elif self._state is State.CLOSED and self._in_a_row >= self._failures:
            self._open()

    def left(self) -> None:
        """An attempt ended without a verdict: it was busy, or broken off."""
        if self._state is State.HALF_OPEN:
            self._probing = max(0, self._probing - 1)
            self._changed.set()

    def _open(self) -> None:
        self._until = self._now() + self._open_s
        self._become(State.OPEN)

    def _become(self, state: State) -> None:
        if state is not self._state:
            self._state, self._probing = state, 0
            self._tell(state)
        self._changed.set()

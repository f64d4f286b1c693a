"""How far each feed has come, told at most once in a while. Nothing is lost by it: what waits goes out with the sweep."""

from collections.abc import Mapping

from tables.outcome import Output

Mark = tuple[str, str]
"""Source and location."""


class Watermarks:
    """In memory only: after a restart the next event of a feed tells again, and the feeds stage takes maxima."""

    def __init__(self, interval: int) -> None:
        self._interval = interval
        self._told: dict[Mark, int] = {}
        self._pending: dict[Mark, int] = {}

    def note(self, newest: Mapping[Mark, int], now: int, outputs: list[Output]) -> None:
        """Take the newest event times of one chunk; append what may be told now."""
        for mark, seen in newest.items():
            at = max(seen, self._pending.get(mark, seen))
            if now - self._told.get(mark, now - self._interval) >= self._interval:
                self._tell(mark, at, now, outputs)
            else:
                self._pending[mark] = at

    def sweep(self, now: int, outputs: list[Output]) -> None:
        """Append what has waited long enough."""
        for mark in [mark for mark in self._pending if now - self._told[mark] >= self._interval]:
            self._tell(mark, self._pending[mark], now, outputs)

    def _tell(self, mark: Mark, at: int, now: int, outputs: list[Output]) -> None:
        source, location = mark
        self._pending.pop(mark, None)
        self._told[mark] = now
        event = {"kind": "EVENTS", "source": source, "location": location, "event_time": at, "recorded_at": now}
        outputs.append(("feed.events", f"{source}|{location}", event))

"""How an instance of the view is: in Redis for readers, in /readyz, in the metrics, on the terminal's line."""

import asyncio
import math
import os
import secrets
import socket
import time
from contextlib import suppress
from typing import Any, Final

from connectors import view_keys as keys
from connectors.away import Away
from connectors.heartbeat import beat, going_round
from connectors.outbound.redis_view import metrics
from connectors.outbound.redis_view.line import Line
from connectors.outbound.redis_view.store import NotTheView, Store
from connectors.outbound.redis_view.view import View
from connectors.process import Process
from schemas.clock import clock, wall_ms
from schemas.instruments import OTHER, Bounded

EVERY_S: Final = 1.0
ENDS_GOOD_FOR_S: Final = 5.0
"""The lag is unknown when the ends of the logs were last learned longer ago."""
GRACE_S: Final = 3.0
"""An instance that takes over partitions stays live this long: they are read to their end within moments."""
STRIKE_OFF_EVERY: Final = 60
COUNT_EVERY: Final = 5


def instance_name() -> str:
    """Tells instances apart, also those of one host and of one process number after a restart."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"


class Report:
    """Tells every second; also the first to notice, on a quiet day, that Redis has lost the view."""

    def __init__(self, process: Process, view: View, store: Store, name: str) -> None:
        self._process, self._view, self._store, self._name = process, view, store, name
        self._line = Line()
        self._live_at = -math.inf
        self._clock = clock(process.settings.clock)
        self._group = Bounded(500)

    async def run(self) -> None:
        """Report until cancelled."""
        with going_round("the view's report"):
            await self._run()

    async def _run(self) -> None:
        turn = 0
        try:
            while True:
                beat()
                await self._once(strike_off=turn % STRIKE_OFF_EVERY == 0)
                if turn % COUNT_EVERY == 0:
                    await self._count_exceptions()
                turn += 1
                await asyncio.sleep(EVERY_S)
        finally:
            self._line.hide()

    async def follow_ends(self) -> None:
        """Learn the ends of the logs every second, until cancelled."""
        with going_round("the look at the ends of the logs"):
            while True:
                beat()
                with suppress(Away):
                    places = self._view.places
                    for partition, high in (await self._view.reader.ends(sorted(places.opened))).items():
                        if place := places.opened.get(partition):
                            place.high = max(place.high, high)
                    places.known_at = time.monotonic()
                await asyncio.sleep(EVERY_S)

    async def _once(self, *, strike_off: bool) -> None:
        state = self._state()
        if self._view.away is None and self._view.joined and self._store.epoch:
            try:
                if not await self._store.sign_of_life(self._name, state, self._view.partitions):
                    state["state"] = "rebuilding"
                if strike_off:
                    await self._store.strike_off()
            except NotTheView as other:
                self._view.start_over(other)
                state["state"] = "rebuilding"
            except Away as away:
                self._view.tell(away)
                state["state"] = str(away)
        self._tell(state)

    async def _count_exceptions(self) -> None:
        """What is open and for how long, in the whole site: every instance tells the same."""
        if self._view.away is not None or not self._store.epoch:
            return
        try:
            found = await self._store.open_exceptions()
        except Away as away:
            self._view.tell(away)
            return
        counts: dict[str, int] = {}
        ages: dict[str, float] = {}
        now = self._clock()
        for name, number, oldest in found:
            told = name if self._group(name) == name else keys.group(OTHER, OTHER, OTHER)
            counts[told] = counts.get(told, 0) + number
            ages[told] = max(ages.get(told, 0), 0 if oldest is None else (now - oldest) / 1000)
        metrics.OPEN_EXCEPTIONS.clear()
        metrics.OLDEST_EXCEPTION.clear()
        for told, number in counts.items():
            labels = told.split("|", 2)
            metrics.OPEN_EXCEPTIONS.labels(*labels).set(number)
            metrics.OLDEST_EXCEPTION.labels(*labels).set(ages[told])

    def _state(self) -> dict[str, Any]:
        """What is said of this instance; see keys.instance_field."""
        places, now = self._view.places, time.monotonic()
        if self._view.joined and places.live:
            self._live_at = now
        live = now - self._live_at < GRACE_S
        known = places.known_at is not None and now - places.known_at < ENDS_GOOD_FOR_S
        left = places.seconds_left(now)
        return {
            "state": "live" if live else "catching up",
            "percent": math.floor(places.ratio() * 1000) / 10,
            "at": wall_ms(),
            "lag": places.lag if known and (live or not places.unopened) else None,
            "partitions": len(places.all),
            "seconds_left": None if left is None else round(left, 1),
        }

    def _tell(self, state: dict[str, Any]) -> None:
        metrics.PARTITIONS.set(state["partitions"])
        metrics.REBUILT.set(state["percent"] / 100)
        metrics.LAG.set(math.nan if state["lag"] is None else state["lag"])
        details = {"instance": self._name, **{name: value for name, value in state.items() if name != "state"}}
        if self._view.away is not None:
            away, since = self._view.away
            text = f"{away.what} is away since {since.isoformat(timespec='seconds')}"
            self._process.waiting(text, why=away.why, **details)
            self._line.show(text, 0.0)
        elif not self._view.joined:
            self._process.waiting("joining the group", **details)
        elif state["state"] == "live":
            self._process.ready(**details)
            self._line.hide()
        else:
            text = f"{state['state']}, {state['percent']} %"
            if state["seconds_left"] is not None:
                text += f", {state['seconds_left']:.0f} s left"
            self._process.waiting(text, **details)
            self._line.show(text, state["percent"] / 100)

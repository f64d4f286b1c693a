"""The streams of one process together: how many are open, and the one reader of each channel's topic."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from connectors.api.fanout import ChannelReader, Render
from connectors.api.problems import Problem
from connectors.api.settings import ApiSettings
from connectors.decoding import Decoding


class Streams:
    """Places for streams, bounded in all and for each caller."""

    def __init__(self, settings: ApiSettings) -> None:
        self._settings = settings
        self._open: Counter[str] = Counter()
        self._readers: dict[str, ChannelReader] = {}
        self._replays = 0

    @property
    def open(self) -> int:
        """How many are open."""
        return self._open.total()

    @contextmanager
    def one_more(self, caller: str) -> Iterator[None]:
        """Count a stream while it is open; raise Problem 503 or 429."""
        if self._open.total() >= self._settings.stream_clients:
            raise Problem(503, "Busy", "too many open streams here", headers={"Retry-After": "5"})
        each = self._settings.stream_clients_each
        if self._open[caller] >= each:
            raise Problem(429, "Too many requests", f"up to {each} open streams a client", headers={"Retry-After": "5"})
        self._open[caller] += 1
        try:
            yield
        finally:
            self._open[caller] -= 1
            if not self._open[caller]:
                del self._open[caller]

    @contextmanager
    def one_more_replay(self) -> Iterator[None]:
        """Count a stream while it reads up from its cursor, which takes a consumer of its own; raise Problem 503."""
        if self._replays >= self._settings.stream_replays:
            raise Problem(503, "Busy", "too many streams are being resumed", headers={"Retry-After": "2"})
        self._replays += 1
        try:
            yield
        finally:
            self._replays -= 1

    async def reader(self, topic: str, decoding: Decoding, render: Render) -> ChannelReader:
        """The topic's reader, started by the first who asks; raise KafkaException."""
        reader = self._readers.get(topic)
        if reader is None:
            reader = self._readers[topic] = ChannelReader(self._settings, topic, decoding, render)
        await reader.start()
        return reader

    async def stop(self) -> None:
        for reader in self._readers.values():
            await reader.stop()

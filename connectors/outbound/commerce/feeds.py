"""How the feeds stand, for all that is pushed; follows `feeds.status`."""

from typing import Any, Final

from connectors.outbound.commerce.compacted import Compacted
from connectors.outbound.commerce.effective import Statuses
from connectors.outbound.commerce.settings import Commerce
from schemas.codec import Codec
from schemas.records import FeedStatus
from tables.fallback import worst_by_location

TOPIC: Final = "feeds.status"


class Feeds:
    """Statuses by location, replaced as a whole when one changes."""

    def __init__(self, settings: Commerce, codec: Codec) -> None:
        self._feeds: dict[str, FeedStatus] = {}
        self._at: dict[str, int] = {}
        self._changed = False
        self._topic = Compacted(settings, codec, TOPIC, self._take_in)
        self.close = self._topic.close
        self.now = Statuses()

    def _take_in(self, key: str, value: Any, _: int) -> None:
        gone = self._feeds.pop(key, None)
        if value is not None:
            self._feeds[key] = value
            self._at[value["location"]] = max(value["computed_at"], self._at.get(value["location"], 0))
        elif gone is not None:  # a feed that is no more: judged anew, at no time that anybody wrote down
            self._at[gone["location"]] += 1
        self._changed = True

    async def open(self) -> None:
        """Read all there is; nothing is pushed before."""
        await self._topic.open()
        self._settle()

    async def follow(self, wait_s: float = 0.05) -> None:
        """Take in what has come since."""
        await self._topic.follow(wait_s)
        self._settle()

    def _settle(self) -> None:
        if self._changed:
            self.now, self._changed = Statuses(worst_by_location(self._feeds.values()), dict(self._at)), False

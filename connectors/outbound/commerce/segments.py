"""The segment of every item, for subscriptions that want only some; follows `erp.items`."""

from typing import Any, Final

from connectors.outbound.commerce.compacted import Compacted
from connectors.outbound.commerce.settings import Commerce
from schemas.codec import Codec

TOPIC: Final = "erp.items"


class Segments:
    """Segments by SKU; None for an item nobody has told of yet."""

    def __init__(self, settings: Commerce, codec: Codec) -> None:
        self._by_sku: dict[str, str] = {}
        self._topic = Compacted(settings, codec, TOPIC, self._take_in)
        self.follow, self.close = self._topic.follow, self._topic.close
        self._opened = False

    def _take_in(self, key: str, value: Any, _: int) -> None:
        if value is None:
            self._by_sku.pop(key, None)
        else:
            self._by_sku[key] = str(value["segment"])

    async def open(self) -> None:
        """Read all items, once: only when a subscription asks for segments."""
        if not self._opened:
            await self._topic.open()
            self._opened = True

    def of(self, sku: str) -> str | None:
        return self._by_sku.get(sku)

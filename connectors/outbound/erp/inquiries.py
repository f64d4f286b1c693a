"""Questions to the ERP by idempotency key, many in one request: whoever asks takes others along that will have to."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from connectors.outbound.erp import metrics
from connectors.outbound.erp.adapter import Adapter, Answer, Unanswered
from connectors.outbound.erp.lanes import Entry
from connectors.outbound.erp.throttle import INQUIRY, Throttle

TOGETHER: Final = 50
"""Most keys of one question."""


class Inquiries:
    """Asks for postings of one system; `answered` hears of each one that need not be asked for any more."""

    def __init__(
        self, system: str, adapter: Adapter, throttle: Throttle, total_s: float, answered: Callable[[Entry], None]
    ) -> None:
        self._answered = answered
        self._system, self._adapter, self._throttle, self._total_s = system, adapter, throttle, total_s
        self._expected: dict[int, Entry] = {}
        self._underway: dict[int, asyncio.Future[None]] = {}

    def expect(self, entry: Entry) -> None:
        """Say that this posting will have to be asked for."""
        self._expected[id(entry)] = entry

    def forget(self, entry: Entry) -> None:
        """Not any more."""
        self._expected.pop(id(entry), None)

    async def ask(self, entry: Entry) -> None:
        """Set `found` to the ERP's answer, or `ask` to False where it has none; raise Unanswered."""
        while entry.ask and entry.found is None:
            going = self._underway.get(id(entry))
            if going is None:
                await self._question(entry)
            else:
                await asyncio.wait({going})

    async def _question(self, first: Entry) -> None:
        self._expected.pop(id(first), None)
        entries = [first]
        for key in list(self._expected)[: TOGETHER - 1]:
            other = self._expected.pop(key)
            if other.ask and other.found is None and not other.dropped:
                entries.append(other)
        going = asyncio.get_running_loop().create_future()
        self._underway |= {id(entry): going for entry in entries}
        try:
            await self._throttle.spend(INQUIRY)
            self._tell(entries, await self._answers([entry.posting["idempotency_key"] for entry in entries]))
        except BaseException:
            self._expected |= {id(entry): entry for entry in entries[1:]}
            raise
        finally:
            for entry in entries:
                del self._underway[id(entry)]
            going.set_result(None)

    async def _answers(self, keys: list[str]) -> Mapping[str, Answer]:
        try:
            async with asyncio.timeout(self._total_s):
                return await self._adapter.inquiry(keys)
        except TimeoutError:
            raise Unanswered(f"no answer to an inquiry within {self._total_s:g} s", taken=False) from None

    def _tell(self, entries: list[Entry], answers: Mapping[str, Answer]) -> None:
        for entry in entries:
            entry.found = answers.get(entry.posting["idempotency_key"])
            entry.ask = entry.found is not None
            self._answered(entry)
            metrics.INQUIRIES.labels(self._system, "not found" if entry.found is None else "found").inc()

"""What a transaction turned away or raised, told in the log once it is committed: a line a record, floods counted."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

from schemas.logs import AtMost
from schemas.trace_context import from_kafka
from tables.log_words import SAY

LOG: Final = logging.getLogger("refusals")
LOG.addFilter(AtMost())
MOST: Final = 100
"""Records of one transaction that are told at all; how many more there were is told too."""


def listened_to() -> bool:
    """Whether anybody reads such lines; nothing is gathered otherwise."""
    return LOG.isEnabledFor(logging.INFO)


class TurnedAway:
    """Gathered while a transaction's records are folded, told after its commit, or never if it fails."""

    __slots__ = ("_lines", "_more")

    def __init__(self) -> None:
        self._lines: list[tuple[str, dict[str, Any]]] = []
        self._more = 0

    def note(self, topic: str, record: Mapping[str, Any], headers: Sequence[tuple[str, bytes]] = ()) -> None:
        """Keep what a line would say: names and places, nothing of what the record itself says."""
        say = SAY.get(topic)
        if say is None:
            return
        if len(self._lines) >= MOST:
            self._more += 1
            return
        event, fields = say(record)
        if headers and (context := from_kafka(headers)) is not None:
            fields["trace_id"] = context.trace_id
        self._lines.append((event, {name: each for name, each in fields.items() if each}))

    def tell(self) -> None:
        """The transaction is committed."""
        for event, fields in self._lines:
            LOG.info(event, extra=fields)
        if self._more:
            LOG.info("more records were turned away in the same transaction", extra={"left_out": self._more})

"""What a connector turned away or raised, told in the log once the broker has the record: a line a record, floods counted."""

import logging
from collections.abc import Mapping
from typing import Any, Final

from schemas.logs import AtMost
from tables.log_words import SAY

LOG: Final = logging.getLogger("refusals")
LOG.addFilter(AtMost())


def tell(topic: str, record: Mapping[str, Any]) -> None:
    """A record of this topic is written; says nothing of one that is neither exception nor dead letter."""
    if LOG.isEnabledFor(logging.INFO) and (say := SAY.get(topic)) is not None:
        event, fields = say(record)
        LOG.info(event, extra={name: each for name, each in fields.items() if each})

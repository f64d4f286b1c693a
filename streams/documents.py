"""The loop shared by the stages whose key is a document: load its row, fold, finish once a step, pack.

No Kafka, no Faust: rows and decoded entries in, an outcome out.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import orjson

from schemas.records import Envelope
from tables.outcome import Entry, Outcome, Output, check_order, pack_row, unpack_row

Row = TypeVar("Row")
Fold = Callable[[Row, Any, list[Output]], None]
"""Takes one event into the row; may say what concerns that event alone."""
Finish = Callable[[Row, str, Any, Outcome], int]
"""Row, key, last event: says what changed over the whole step and returns the row's due time (ms, 0: none)."""


_WEIGHT = {"CLOCK": 0, "POSTED": 1, "PROMISED": 1}
_FACT = 2


def tick(key: str, now: int) -> Envelope:
    """The envelope of a clock entry: time as a fact in the log (now: ms)."""
    return {
        "event_id": f"clock/{key}/{now}",
        "occurred_at": now,
        "recorded_at": now,
        "source": "CLOCK",
        "coordinate": f"clock@{now}",
        "correlation_id": "",
    }


def fold_documents(
    rows: Mapping[bytes, bytes],
    entries: Sequence[Entry],
    empty: Callable[[], Row],
    fold: Fold[Row],
    finish: Finish[Row],
) -> Outcome:
    """Fold entries of one partition in offset order; outputs by document come once, however many entries it had."""
    outcome = Outcome()
    outputs = outcome.outputs
    held: dict[str, tuple[Row, int, Any]] = {}
    for offset, key, value in entries:
        event = value
        known = held.get(key)
        if known is not None:
            row, last, _ = known
        else:
            stored = rows.get(key.encode())
            if stored is None:
                row, last = empty(), -1
            else:
                payload, last, _ = unpack_row(stored)
                row = orjson.loads(payload)
        check_order(key, offset, last)
        fold(row, event, outputs)
        if known is not None and _WEIGHT.get(event["kind"], _FACT) < _WEIGHT.get(known[2]["kind"], _FACT):
            event = known[2]  # outputs name the fact that caused them, not the answer or passing of time beside it
        held[key] = (row, offset, event)
    for key, (row, offset, event) in held.items():
        due = finish(row, key, event, outcome)
        payload = orjson.dumps(row, option=orjson.OPT_SORT_KEYS)
        outcome.rows[key.encode()] = pack_row(payload, offset, due)
    return outcome

"""What the ERP is told of a purchase order's acknowledgements: by line the quantities, dates and substitutes promised.

Absolute: the newest posting replaces the ones before. Pure derivation from the order's facts and its ladder.
"""

from collections.abc import Mapping
from typing import Any, Final

from tables.acknowledgement import (
    BACKORDERED,
    FIRM,
    HEADER_ACCEPTS,
    HEADER_REJECTS,
    PARTIAL,
    UNANSWERED,
    ZERO,
    Schedule,
)
from tables.ladder import Ladder
from tables.placing import Line

STEP: Final = "PURCHASE_ORDER_UPDATE"
UNREFUSED, REFUSED, HELD = "IA", "IR", "IH"
"""X12 668 codes that stand for an acknowledgement without lines: all accepted, all rejected, all on hold."""


def updates(row: Mapping[str, Any], ladder: Ladder) -> list[list[Any]]:
    """Posting lines [line, sku, location, quantity, date, note, substitute] of every line the supplier has answered.

    A line has one for each date it is promised for; the note is the acknowledgement's X12 668 code, the date null where
    the supplier named none.
    """
    ship_to = row["order"]["ship_to"]
    lines: list[list[Any]] = []
    for line in ladder.lines.values():
        if line.reply is not UNANSWERED:
            lines += _promises(line, _schedules(row, line), ship_to)
    return lines


def _schedules(row: Mapping[str, Any], line: Line) -> list[Schedule]:
    """What was said of the line; the acknowledgement of the whole order as if it had said it of each."""
    ack, header = row["acks"].get(line.line), row["header"]
    if ack is not None and (header is None or ack[:2] >= header[:2]):
        schedules: list[Schedule] = ack[3]
        return schedules
    code = UNREFUSED if header[2] in HEADER_ACCEPTS else REFUSED if header[2] in HEADER_REJECTS else HELD
    return [[code, None, None, None]]


def _promises(line: Line, schedules: list[Schedule], ship_to: str) -> list[list[Any]]:
    reply = line.reply
    firm, tentative = iter(reply.firm), iter(reply.tentative)
    promised: list[list[Any]] = []
    refused: str | None = None
    for code, _, date, _ in schedules:
        if code in ZERO or (code == BACKORDERED and date is None):
            refused = refused or code
            continue
        quantity, day = next(firm if code in FIRM or code in (PARTIAL, BACKORDERED) else tentative)
        substitute = reply.substitute if code == "IS" else None
        promised.append([line.line, line.sku, ship_to, quantity, day, code, substitute])
    if refused is not None and not promised:
        promised.append([line.line, line.sku, ship_to, 0, None, refused, None])
    return promised

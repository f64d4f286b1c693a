"""What an acknowledged line promises: the effect of each X12 668 code (855 ACK01) and of 855 header codes (587).

Pure arithmetic on one line; which acknowledgement is in force is the supply fold's business.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

FIRM = frozenset({"IA", "AR", "AA", "IP", "IC", "IQ", "DR", "IS", "AC"})
TENTATIVE = frozenset({"IE", "SP", "IF", "IH", "IW"})
ZERO = frozenset({"ID", "IR", "R1", "R2", "R3", "R4", "R5", "R6", "R7", "R8"})
PARTIAL, BACKORDERED = "BP", "IB"

HEADER_ACCEPTS = frozenset({"AT", "AK", "AD"})  # BAK02 without lines: every line as ordered
HEADER_REJECTS = frozenset({"RJ", "RD", "RV"})
HEADER_HOLDS = frozenset({"AH"})
HEADER_EFFECTS = HEADER_ACCEPTS | HEADER_REJECTS | HEADER_HOLDS

Schedule = list[Any]
"""One ack line as rows keep it: status, quantity or null, arrival date or null, sku offered or null."""
Amounts = list[tuple[int, int | None]]
"""Quantity and arrival date; null: the requested date."""


class Answer(NamedTuple):
    """What the supplier says of one line, in base units. What it leaves open of the order stays ordered."""

    firm: Amounts
    tentative: Amounts
    zero: int
    substitute: str | None = None


UNANSWERED = Answer([], [], 0)


def answer(schedules: Sequence[Schedule], ordered: int, *, backorder_in_ack: bool) -> Answer:
    """Add up the schedules one acknowledgement gives for one line.

    A schedule without a quantity takes what the others leave of the order. A refusal that stands alone refuses the
    line whatever quantity it names. An unknown code promises nothing: it is tentative.
    """
    alone = len(schedules) == 1
    if alone and schedules[0][0] in FIRM:  # by far the most
        status, quantity, date, offered = schedules[0]
        amount = ordered if quantity is None else quantity
        return Answer([(amount, date)], [], 0, offered if status == "IS" else None)
    amounts = [_amount(schedule, ordered, alone=alone, backorder_in_ack=backorder_in_ack) for schedule in schedules]
    rest = max(0, ordered - sum(amount for amount in amounts if amount is not None))
    firm: Amounts = []
    tentative: Amounts = []
    zero, substitute = 0, None
    for (status, _, date, offered), known in zip(schedules, amounts, strict=True):
        amount = rest if known is None else known
        if known is None:
            rest = 0
        if status in FIRM or status == PARTIAL or (status == BACKORDERED and date is not None):
            firm.append((amount, date))
            if status == "IS" and substitute is None:
                substitute = offered
        elif status in ZERO or status == BACKORDERED:
            zero += amount
        else:
            tentative.append((amount, date))
    return Answer(firm, tentative, zero, substitute)


def header_answer(ack_type: str, ordered: int) -> Answer:
    """An acknowledgement without lines acts on the whole order."""
    if ack_type in HEADER_ACCEPTS:
        return Answer([(ordered, None)], [], 0)
    if ack_type in HEADER_REJECTS:
        return Answer([], [], ordered)
    return Answer([], [(ordered, None)], 0)


def _amount(schedule: Schedule, ordered: int, *, alone: bool, backorder_in_ack: bool) -> int | None:
    """The quantity a schedule is about, or None for what the others leave."""
    status, quantity, date, _ = schedule
    if status == PARTIAL:  # ACK02: what is accepted, or with some partners what is not
        if quantity is None:
            return 0
        return max(0, ordered - quantity) if backorder_in_ack else int(quantity)
    if status in ZERO or status == BACKORDERED:
        refused = status in ZERO or date is None
        names_amount = bool(quantity) and (not alone or (status == BACKORDERED and backorder_in_ack) or not refused)
        return int(quantity) if names_amount else None
    return None if quantity is None else int(quantity)

"""What sales orders want of a position beyond what it holds for them, and when the orders are told they can have it.

Such demand is in no promise. Orders are served by requested date (none first), then by number, then by line: a line has
its date when the promise covers it and all that stands before it.
"""

from collections.abc import Sequence
from typing import Any

from schemas.records import Claim, LedgerEntry, OrderPromisedLine
from tables.claims import BACKORDERED
from tables.order_events import order_event
from tables.outcome import Output
from tables.promise import Dated

Backorder = list[Any]
"""Wanted parts (line, quantity, requested date) and lines as last told (line, quantity, date), as the row has them."""
Backorders = dict[str, Backorder]
"""By reference of the claim."""
Told = list[list[Any]]

_ORDER = "SALES_ORDER:"


def backordered(known: Backorders | None, reference: str, claim: Claim) -> Backorders | None:
    """Fold what an order says now that it lacks; what it was told stays until `changed` has looked at it."""
    parts = [
        [p["line"], p["quantity"], p["date"]] for p in claim["parts"] if p["state"] == BACKORDERED if p["quantity"] > 0
    ]
    if known is not None and reference in known:
        known[reference][0] = parts
    elif parts and reference.startswith(_ORDER):
        known = known or {}
        known[reference] = [parts, []]
    return known


def changed(backorders: Backorders, today: int, atp: int, schedule: Sequence[Dated]) -> list[tuple[str, Told]]:
    """What must be told, by reference; it then counts as told, and orders that lack nothing are forgotten.

    `atp` is today's promise, `schedule` the later dates at which it rises.
    """
    dates = _covered(backorders, today, atp, schedule)
    news: list[tuple[str, Told]] = []
    for reference, backorder in list(backorders.items()):
        lines = dates.get(reference, [])
        if lines != backorder[1]:
            news.append((reference, lines))
            backorder[1] = lines
        if not lines:
            del backorders[reference]
    return news


def _covered(backorders: Backorders, today: int, atp: int, schedule: Sequence[Dated]) -> dict[str, Told]:
    queue = sorted(
        (date is not None, date or 0, reference, line, quantity)
        for reference, (parts, _) in backorders.items()
        for line, quantity, date in parts
    )
    answer: dict[str, Told] = {}
    wanted = 0
    for _, _, reference, line, quantity in queue:
        wanted += quantity
        date = today if wanted <= atp else next((day for day, later in schedule if wanted <= later), None)
        lines = answer.setdefault(reference, [])
        known = next((known for known in lines if known[0] == line), None)
        if known is None:
            lines.append([line, quantity, date])
        else:  # two parts of one line: the later date is that of all of it
            known[1:] = known[1] + quantity, date
    for reference, lines in answer.items():
        told = {line: date for line, _, date in backorders[reference][1]}
        for known in lines:
            before = told.get(known[0])
            if known[2] == today and before is not None and before < today:
                known[2] = before  # a day that has come and still holds is no news
    return answer


def promised(key: str, revision: int, reference: str, lines: Told, entry: LedgerEntry) -> Output:
    """Tell an order when its backordered lines at `sku|location` can be had; `revision` is the position's."""
    sku, _, location = key.partition("|")
    told: list[OrderPromisedLine] = [
        {"line": line, "quantity": quantity, "date": date} for line, quantity, date in lines
    ]
    number = reference.removeprefix(_ORDER)
    event_id = f"promised/{key}/{revision}/{number}"
    return order_event("PROMISED", number, entry, event_id, promised={"sku": sku, "location": location, "lines": told})

"""Available-to-promise: what may still be sold, by date. Pure arithmetic on buckets; knows nothing of documents.

Formulas: cumulative ATP with look-ahead, A[t] = min over s >= t of P[s], and discrete ATP, both from the classical
master-schedule definitions (bucket 0 holds the stock on hand; receipts and issues are in base units).
"""

from collections.abc import Iterable, Sequence
from itertools import accumulate

Dated = tuple[int, int]
"""A date (days since the epoch) and a quantity in base units."""


def projected(opening: int, receipts: Sequence[int], issues: Sequence[int]) -> list[int]:
    """Projected balance P[t] = opening + the receipts less the issues of all buckets up to t."""
    changes = [receipt - issue for receipt, issue in zip(receipts, issues, strict=True)]
    return [opening + balance for balance in accumulate(changes)]


def look_ahead(balances: Sequence[int]) -> list[int]:
    """Cumulative ATP with look-ahead, A[t] = min over s >= t of P[s]; signed, so a shortage shows."""
    return list(accumulate(reversed(balances), min))[::-1]


def discrete(opening: int, receipts: Sequence[int], issues: Sequence[int]) -> list[int]:
    """Discrete ATP: what each receipt has left after the issues up to the next receipt; 0 where nothing arrives.

    The first bucket counts the opening stock as its receipt.
    """
    answer = [0] * len(receipts)
    holder = 0
    for bucket, (receipt, issue) in enumerate(zip(receipts, issues, strict=True)):
        if bucket == 0 or receipt > 0:
            holder = bucket
            answer[holder] = receipt + (opening if bucket == 0 else 0)
        answer[holder] -= issue
    return answer


def promise(
    opening: int, supply: Iterable[Dated], demand: Iterable[Dated], today: int, safety_stock: int
) -> tuple[int, list[Dated]]:
    """Look-ahead ATP on dates: the signed promise of today and the floored one of each later date where it changes.

    Supply must be placed at today or later; demand before today counts today. The signed value is before safety
    stock, the later ones are max(0, A[date] - safety stock), the first compared with today's floored value.
    """
    changes: dict[int, int] = {today: 0}
    for date, quantity in supply:
        changes[date] = changes.get(date, 0) + quantity
    for date, quantity in demand:
        placed = max(date, today)
        changes[placed] = changes.get(placed, 0) - quantity
    dates = sorted(changes)
    balances = [opening + balance for balance in accumulate(changes[date] for date in dates)]
    ahead = look_ahead(balances)
    schedule: list[Dated] = []
    value = max(0, ahead[0] - safety_stock)
    for date, signed in zip(dates[1:], ahead[1:], strict=True):
        if (later := max(0, signed - safety_stock)) != value:
            schedule.append((date, later))
            value = later
    return ahead[0], schedule

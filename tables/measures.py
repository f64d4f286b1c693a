"""What document stages measure of the business when they finish a row: pure; rows are read, never changed."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from schemas import metrics
from tables.ladder import Ladder
from tables.ledger_entry import Told
from tables.outcome import Measure

DAY_MS: Final = 86_400_000


def arrival(row: Mapping[str, Any], told: Mapping[str, Any]) -> list[Measure]:
    """Of a shipment whose goods and notice are both here for the first time (told: what was said of it before)."""
    notice, noticed, unloaded = row["notice"], row["noticed"], row["unloaded"]
    if notice is None or noticed is None or unloaded is None or _any_received(told) or not _any_received(row["told"]):
        return []
    late = unloaded < noticed
    measures: list[Measure] = [(metrics.NOTICES, (notice["supplier"], "late" if late else "in_time"), 1)]
    if not late:
        measures.append((metrics.ASN_SECONDS, (notice["ship_to"],), (unloaded - noticed) / 1000))
    return measures


def _any_received(told: Mapping[str, Any]) -> bool:
    return any(line[3] for version in told.values() for line in version[3])


def rungs(row: Mapping[str, Any]) -> int:
    """How far a purchase order's papers are: 0 it is not known, 1 it is, 2 it is acknowledged as well."""
    if row["order"] is None:
        return 0
    return 2 if row["acks"] or row["header"] else 1


def climbed(row: Mapping[str, Any], before: int) -> list[Measure]:
    """Of a purchase order that came in, or was acknowledged, for the first time in this step (`before`: its rung)."""
    order, now = row["order"], rungs(row)
    measures: list[Measure] = []
    if before == 0 and now:
        measures.append((metrics.ORDERS, (order["supplier"],), 1))
    if before < 2 <= now:
        measures.append((metrics.ACKNOWLEDGED, (order["supplier"],), 1))
        at = min(answer[0] for answer in (*row["acks"].values(), row["header"]) if answer)
        if at >= order["ordered_at"]:
            measures.append((metrics.ACK_SECONDS, (order["supplier"],), (at - order["ordered_at"]) / 1000))
    return measures


def lines_in(row: Mapping[str, Any], told: Told, ladder: Ladder) -> list[Measure]:
    """Of lines from which nothing is expected any more because it is here: in time for the date promised, or late."""
    order = row["order"]
    if order is None or order["status"] != "OPEN":
        return []
    finished = _expected(told.values()) - _expected(ladder.claims.values())
    today = row["clock"] // DAY_MS
    measures: list[Measure] = []
    for name in sorted(finished):
        line = ladder.lines.get(name)
        if line is None or line.received < line.ordered - line.reply.zero or not line.received:
            continue
        dates = [date for _, date in line.reply.firm if date is not None]
        promised = max(dates, default=line.requested)
        outcome = "on_time" if today <= promised else "late"
        measures.append((metrics.LINES_RECEIVED, (order["supplier"], outcome), 1))
    return measures


def _expected(claims: Iterable[Any]) -> set[str]:
    return {part[0] for claim in claims for part in claim[3]}

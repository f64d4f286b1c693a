"""Translates warehouse scans: codes looked up, quantities in base units, then what the scan type makes of it.

This runs for every scan, so look-ups are cached; the caches hold until the reference data change.
"""

from typing import Final

from tables.exceptions import raised
from tables.intake_rules import IntakeRules
from tables.outcome import Output
from tables.reference import Reference
from tables.reference_checks import check_name
from tables.refusal import Refused
from tables.scan_checks import (
    Scan,
    check_sign,
    in_base,
    quantity_refused,
    reference_too_long,
    scan_name,
    scan_subject,
    time_refused,
)
from tables.scan_entries import BUILD, transfer_out
from tables.units import QUANTITY_LIMIT, Ratio

CACHE_LIMIT: Final = 1_000_000
EACH: Final = Ratio(1, 1)
SAME_MOMENT_MS: Final = 5_000


class Scans:
    """Translates scans. One for each task; the reference is shared."""

    def __init__(self, reference: Reference, rules: IntakeRules) -> None:
        self._reference, self._rules = reference, rules
        self._generation = reference.generation
        self._items: dict[tuple[str, str, str], tuple[str, Ratio, bool]] = {}
        self._places: dict[tuple[str, str], str] = {}
        self._counted_until = 0  # time after the newest count that was stamped ahead

    def refresh(self) -> None:
        """Forget what was looked up when the reference data have changed since; call it before each chunk."""
        if self._generation != self._reference.generation or len(self._items) > CACHE_LIMIT:
            self._items.clear()
            self._places.clear()
            self._generation = self._reference.generation

    def translate(self, scan: Scan, coordinate: str, now: int, arrived: int, outputs: list[Output]) -> str:
        """Append what the scan becomes; return its location. Raise Refused, then outputs may hold a part of it."""
        occurred, quantity, kind = scan["occurred_at"], scan["quantity"], scan["scan_type"]
        if not -self._rules.past_ms <= occurred - arrived <= self._rules.future_ms:
            raise time_refused(scan, arrived, self._rules)
        named = scan["reference"]
        if len(named["number"]) > Refused.MOST or len(named["line"] or "") > Refused.MOST:
            raise reference_too_long(scan)
        if quantity <= 0 or scan["corrects"] is not None:
            check_sign(scan, kind, quantity)
        place = self._places.get((scan["source"], scan["location"])) or self._place(scan, scan["location"])
        code = scan["item"]
        known = self._items.get((code["scheme"], code["code"], scan["uom"]))
        sku, ratio, active = known or self._item(scan)
        if ratio is not EACH:
            quantity = in_base(scan, sku, quantity, ratio)
        elif not -QUANTITY_LIMIT < quantity < QUANTITY_LIMIT:
            raise quantity_refused(scan, "is out of all proportion")
        if occurred > arrived:
            scan = self._in_time(scan, kind, arrived)
        if kind == "TRANSFER_OUT":
            transfer_out(scan, quantity, sku, place, self._target(scan), coordinate, now, outputs)
        else:
            BUILD[kind](scan, quantity, sku, place, coordinate, now, outputs)
        if not active and kind == "RECEIPT":
            outputs.append(inactive_item(scan, sku, place, coordinate, now))
        return place

    def _in_time(self, scan: Scan, kind: str, arrived: int) -> Scan:
        """A scan by a clock that is ahead, as of its arrival: a count from the future would swallow what happens until
        then, and a movement from there would be taken off again after a count that has seen it.

        Arrived in the same moment, what comes after a count is later than it.
        """
        at = self._counted_until if 0 <= self._counted_until - arrived <= SAME_MOMENT_MS else arrived
        if kind == "COUNT":
            self._counted_until = at + 1
        return {**scan, "occurred_at": at}

    def _item(self, scan: Scan) -> tuple[str, Ratio, bool]:
        code = scan["item"]
        item = self._reference.item(code["scheme"], code["code"], None)
        ratio = self._reference.unit(item, scan["uom"])
        found = item.sku, EACH if ratio == EACH else ratio, item.active
        self._items[code["scheme"], code["code"], scan["uom"]] = found
        return found

    def _place(self, scan: Scan, code: str) -> str:
        place = self._reference.location(code, scan["source"])
        if not place.active:
            raise Refused(
                "CLOSED_LOCATION", ("location", place.code), f"{scan_name(scan)} at {place.code}, which is closed"
            )
        check_name("source", scan["source"])
        if len(self._places) < CACHE_LIMIT:
            self._places[scan["source"], code] = place.code
        return place.code

    def _target(self, scan: Scan) -> str:
        """Where a transfer goes."""
        code: str | None = scan["to_location"]
        if not code:
            raise Refused("MISSING_FIELD", scan_subject(scan), f"{scan_name(scan)} names no to_location")
        return self._places.get((scan["source"], code)) or self._place(scan, code)


def inactive_item(scan: Scan, sku: str, place: str, coordinate: str, now: int) -> Output:
    """The goods are there, so they are booked; somebody has to decide what becomes of them."""
    record = raised(
        "INACTIVE_ITEM",
        ("position", f"{sku}|{place}"),
        f"{scan_name(scan)}: {sku} is inactive and was received at {place}",
        coordinate=coordinate,
        raised_at=now,
        correlation_id=scan["correlation_id"],
        once_per_subject=True,
    )
    return "exceptions", record["exception_id"], record

"""Canonical events by hand, and a stage driven the way the task runner drives it: list in, list out."""

from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any

import orjson

from tables.outcome import Entry, Outcome, unpack_row

DAY = 86_400_000
TODAY = 20_000
NOON = TODAY * DAY + DAY // 2


class Stage:
    """One stage and its table. `take` folds events as one chunk, `each` as one chunk an event."""

    def __init__(self, step: Callable[[Mapping[bytes, bytes], Sequence[Entry]], Outcome]) -> None:
        self._step, self._offsets = step, count()
        self.rows: dict[bytes, bytes] = {}
        self.outputs: list[tuple[str, str, Mapping[str, Any]]] = []

    def take(self, *events: tuple[Any, ...]) -> list[tuple[str, str, Mapping[str, Any]]]:
        outcome = self._step(self.rows, [Entry(next(self._offsets), *event[-2:]) for event in events])
        for key, row in outcome.rows.items():
            assert row is not None
            self.rows[key] = row
        self.outputs += outcome.outputs
        return outcome.outputs

    def each(self, *events: tuple[Any, ...]) -> list[tuple[str, str, Mapping[str, Any]]]:
        return [output for event in events for output in self.take(event)]

    def payload(self, key: str) -> bytes:
        return unpack_row(self.rows[key.encode()])[0]

    def row(self, key: str) -> dict[str, Any]:
        return orjson.loads(self.payload(key))

    def due(self, key: str) -> int:
        return unpack_row(self.rows[key.encode()])[2]

    def claims(self) -> dict[str, dict[str, Any]]:
        """The last claim written for each `sku|location` and document that still claims something.

        Without the reservations taken over: that a document came to be known is written only where the claim changes.
        """
        last = {
            f"{key} {record['reference']}": {k: v for k, v in record["claim"].items() if k != "reservations"}
            for topic, key, record in self.outputs
            if topic == "inventory.ledger" and record["claim"] is not None
        }
        return {key: claim for key, claim in last.items() if claim["parts"] or claim["settled"]}

    def expected(self, key: str) -> list[tuple[str, str, str | None, int, int]]:
        """State, line, shipment, quantity and date of everything claimed at `sku|location`, over all documents."""
        return [
            (part["state"], part["line"], part["shipment"], part["quantity"], part["date"])
            for name, claim in self.claims().items()
            if name.startswith(f"{key} ")
            for part in claim["parts"]
        ]

    def postings(self, step: str | None = None) -> list[Mapping[str, Any]]:
        """Everything posted to the ERP, of one step only where one is named."""
        return [r for topic, _, r in self.outputs if topic == "erp.postings" and step in (None, r["step"])]

    def posted(self, step: str) -> dict[tuple[str, str, str, str], int]:
        """What a step's postings and reversals add up to, by line, SKU, location and disposition."""
        sums: dict[tuple[str, str, str, str], int] = {}
        for record in self.postings():
            if record["step"].removesuffix("_REVERSAL") == step:
                for line in record["lines"]:
                    place = (line["line"], line["sku"], line["location"], line["disposition"])
                    sums[place] = sums.get(place, 0) + line["quantity"]
        return {place: quantity for place, quantity in sums.items() if quantity}

    def facts(self, key: str) -> dict[str, Any]:
        """The row without its book of postings, whose revisions tell the order in which facts came."""
        return {name: value for name, value in self.row(key).items() if name != "books"}

    def open(self) -> dict[str, str]:
        """Subject by category of every exception that is raised and not resolved."""
        return {record["category"]: record["subject"]["id"] for record in self._open().values()}

    def _open(self) -> dict[str, Mapping[str, Any]]:
        found: dict[str, Mapping[str, Any]] = {}
        for topic, key, record in self.outputs:
            if topic == "exceptions":
                found[key] = record
            elif topic == "exceptions.resolutions":
                assert found.pop(key)["category"] == record["category"]
        return found


_numbers = count()


def envelope(kind: str, at: int = NOON, event_id: str | None = None) -> dict[str, Any]:
    number = next(_numbers)
    name = event_id or f"e{number}"
    return {
        "event_id": name,
        "occurred_at": at,
        "recorded_at": max(at, NOON),
        "source": "TEST",
        "coordinate": f"in[0]@{number}",
        "correlation_id": f"c-{name}",
        "kind": kind,
    }


# ---- supply -----------------------------------------------------------------------------------------------------


def _supply(kind: str, po: str, at: int = NOON, event_id: str | None = None, **content: Any) -> tuple[str, Any]:
    blank = {"order": None, "ack": None, "shipped": None, "received": None, "inspected": None, "posted": None}
    return po, {**envelope(kind, at, event_id), "po_number": po, **blank, **content}


def po_line(line: str, sku: str, quantity: int, date: int = TODAY + 5, over: int = 0, under: int = 0) -> dict[str, Any]:
    return {
        "line": line,
        "sku": sku,
        "quantity": quantity,
        "requested_date": date,
        "tolerance_over": over,
        "tolerance_under": under,
    }


def ordered(
    *lines: Any,
    po: str = "P",
    revision: int = 1,
    status: str = "OPEN",
    ship_to: str = "W1",
    unannounced: bool | None = None,
) -> tuple[str, Any]:
    order = {
        "revision": revision,
        "supplier": "ACME",
        "ship_to": ship_to,
        "ordered_at": NOON,
        "status": status,
        "lines": list(lines),
        "ship_days": 2,
        "overdue_fence_days": 7,
        "overdue_offset_days": 1,
        "posts_without_notice": unannounced,
    }
    return _supply("ORDERED", po, order=order)


def ack_line(
    line: str, status: str, quantity: int | None = None, date: int | None = None, substitute: str | None = None
) -> dict[str, Any]:
    return {
        "line": line,
        "status": status,
        "sku": None,
        "quantity": quantity,
        "date": date,
        "substitute_sku": substitute,
        "note": None,
    }


def acknowledged(
    *lines: Any, po: str = "P", at: int = NOON, kind: str = "AC", flag: bool = False, event_id: str | None = None
) -> tuple[str, Any]:
    ack = {
        "supplier": "ACME",
        "ack_type": kind,
        "po_revision": None,
        "backorder_in_ack": flag,
        "document": "855-1",
        "lines": list(lines),
    }
    return _supply("ACKNOWLEDGED", po, at, event_id, ack=ack)


def shipped(
    *lines: tuple[Any, ...],
    po: str = "P",
    shipment: str = "S1",
    state: str = "IN_TRANSIT",
    location: str = "W1",
    date: int = TODAY + 2,
    at: int = NOON,
) -> tuple[str, Any]:
    """Lines are (line, sku, quantity, received) and, where there is any, what is held by disposition."""
    version = {
        "shipment_id": shipment,
        "state": state,
        "location": location,
        "date": date,
        "lines": [
            {
                "line": line[0],
                "sku": line[1],
                "quantity": line[2],
                "received": line[3],
                "held": line[4] if len(line) > 4 else None,
                "notified_at": NOON,
            }
            for line in lines
        ],
    }
    return _supply("SHIPPED", po, at, shipped=version)


def received(
    sku: str,
    quantity: int,
    line: str | None = None,
    location: str = "W1",
    po: str = "P",
    disposition: str | None = None,
    at: int = NOON,
) -> tuple[str, Any]:
    content = {"line": line, "sku": sku, "location": location, "quantity": quantity, "disposition": disposition}
    return _supply("RECEIVED", po, at, received=content)


def inspected(
    sku: str,
    quantity: int,
    line: str | None = None,
    location: str = "W1",
    po: str = "P",
    moved: tuple[str, str] = ("quality_hold", "available"),
) -> tuple[str, Any]:
    content = _inspection(sku, quantity, line, location, moved)
    return _supply("INSPECTED", po, inspected=content)


def _inspection(sku: str, quantity: int, line: str | None, location: str, moved: tuple[str, str]) -> dict[str, Any]:
    return {
        "line": line,
        "sku": sku,
        "location": location,
        "quantity": quantity,
        "disposition": moved[0],
        "to_disposition": moved[1],
    }


# ---- the ERP ----------------------------------------------------------------------------------------------------


def answer(posting: Mapping[str, Any], outcome: str = "POSTED", reason: str | None = None) -> tuple[str, Any]:
    """What the ERP said of a posting, as its document hears it."""
    kind, _, number = posting["document"].partition(":")
    said = {
        "step": posting["step"],
        "revision": posting["revision"],
        "outcome": outcome,
        "erp_document": None if outcome == "REFUSED" else "4900000001",
        "reason": reason,
    }
    if kind == "PURCHASE_ORDER":
        return _supply("POSTED", number, posted=said)
    return _order("POSTED", number, posted=said)


# ---- shipments --------------------------------------------------------------------------------------------------


def _shipment(kind: str, at: int = NOON, event_id: str | None = None, shipment: str = "S1", **content: Any) -> Any:
    blank = {"notice": None, "milestone": None, "received": None, "inspected": None}
    return shipment, {**envelope(kind, at, event_id), "shipment_id": shipment, **blank, **content}


def notice(
    *lines: tuple[str, str, str, int],
    purpose: str = "ORIGINAL",
    eta: int | None = TODAY + 2,
    ship_to: str = "W1",
    document: str = "856-1",
    at: int = NOON,
    shipment: str = "S1",
) -> tuple[str, Any]:
    content = {
        "supplier": "ACME",
        "purpose": purpose,
        "carrier": "FAST",
        "tracking": None,
        "ship_to": ship_to,
        "shipped_at": NOON,
        "estimated_arrival": None if eta is None else eta * DAY,
        "lines": [
            {
                "po_number": po,
                "po_line": line,
                "sku": sku,
                "quantity": quantity,
                "shipped_to_date": None,
                "sscc": None,
                "lot": None,
                "expires": None,
            }
            for po, line, sku, quantity in lines
        ],
        "document": document,
    }
    return _shipment("NOTICE", at, shipment=shipment, notice=content)


def milestone(status: str, at: int = NOON, eta: int | None = None, event_id: str | None = None) -> tuple[str, Any]:
    content = {
        "carrier": "FAST",
        "status": status,
        "reason": None,
        "place": None,
        "estimated_arrival": None if eta is None else eta * DAY,
        "document": "214-1",
    }
    return _shipment("MILESTONE", at, event_id, milestone=content)


def unloaded(
    sku: str,
    quantity: int,
    location: str = "W1",
    disposition: str = "available",
    corrects: str | None = None,
    at: int = NOON,
    shipment: str = "S1",
) -> tuple[str, Any]:
    content = {
        "sku": sku,
        "location": location,
        "quantity": quantity,
        "disposition": disposition,
        "line": None,
        "corrects": corrects,
    }
    return _shipment("RECEIVED", at, shipment=shipment, received=content)


def judged(
    sku: str,
    quantity: int,
    location: str = "W1",
    moved: tuple[str, str] = ("quality_hold", "available"),
    shipment: str = "S1",
) -> tuple[str, Any]:
    """Goods of the shipment that inspection moved."""
    return _shipment("INSPECTED", shipment=shipment, inspected=_inspection(sku, quantity, None, location, moved))


# ---- orders -----------------------------------------------------------------------------------------------------


def _order(kind: str, number: str, **content: Any) -> tuple[str, Any]:
    blank = {"order": None, "scan": None, "reserved": None, "promised": None, "posted": None}
    return number, {**envelope(kind), "order_number": number, **blank, **content}


def so_line(
    line: str,
    sku: str,
    allocated: int,
    location: str | None = "W1",
    date: int | None = None,
    status: str = "OPEN",
    quantity: int | None = None,
) -> dict[str, Any]:
    return {
        "line": line,
        "sku": sku,
        "location": location,
        "quantity": allocated if quantity is None else quantity,
        "allocated": allocated,
        "requested_ship_date": date,
        "status": status,
    }


def sold(*lines: Any, order: str = "O", revision: int = 1, status: str = "OPEN", priority: int = 1) -> tuple[str, Any]:
    document = {
        "revision": revision,
        "channel": "web",
        "status": status,
        "priority": priority,
        "ordered_at": NOON,
        "lines": list(lines),
    }
    return _order("ORDERED", order, order=document)


def scan(
    kind: str,
    sku: str,
    quantity: int,
    line: str | None = None,
    location: str = "W1",
    order: str = "O",
    moved: tuple[str | None, str | None] = (None, None),
) -> tuple[str, Any]:
    """`moved`: the disposition it left or came into, and for INSPECTED the one it came into."""
    content = {
        "line": line,
        "sku": sku,
        "location": location,
        "quantity": quantity,
        "disposition": moved[0],
        "to_disposition": moved[1],
    }
    return _order(kind, order, scan=content)


def reserved(
    sku: str, quantity: int, location: str = "W1", line: str | None = None, order: str = "O", reservation: str = "A.1"
) -> tuple[str, Any]:
    content = {
        "reservation_id": reservation,
        "channel": "web",
        "line": line,
        "sku": sku,
        "location": location,
        "quantity": quantity,
    }
    return _order("RESERVED", order, reserved=content)


def promised(sku: str, *lines: tuple[str, int, int | None], location: str = "W1", order: str = "O") -> tuple[str, Any]:
    """Lines are (line, quantity, date)."""
    content = {
        "sku": sku,
        "location": location,
        "lines": [{"line": line, "quantity": quantity, "date": date} for line, quantity, date in lines],
    }
    return _order("PROMISED", order, promised=content)

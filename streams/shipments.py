"""The shipments stage: shipment.events by shipment → receipts in the ledger, shipped supply by purchase order."""

from collections.abc import Mapping, Sequence
from typing import Any

from schemas.records import ShipmentEvent, SupplyEvent
from streams.documents import fold_documents, tick
from tables import measures, shipment
from tables.conditions import settle
from tables.outcome import Entry, Outcome, Output
from tables.shipment_exceptions import conditions
from tables.shipment_lines import attribute

TOPIC = "shipment.events"
SUPPLY = "supply.events"


def step(rows: Mapping[bytes, bytes], entries: Sequence[Entry]) -> Outcome:
    """Fold shipment events; receipts are written one by one, what a purchase order must know once a step."""
    return fold_documents(rows, entries, shipment.empty, shipment.fold, _finish)


def clock(key: str, now: int) -> Output:
    """A shipment's row never asks for one; the entry folds to nothing (now: ms)."""
    event: ShipmentEvent = {
        **tick(key, now),
        "kind": "CLOCK",
        "shipment_id": key,
        "notice": None,
        "milestone": None,
        "received": None,
        "inspected": None,
    }
    return (TOPIC, key, event)


def _finish(row: shipment.Row, key: str, event: ShipmentEvent, outcome: Outcome) -> int:
    outputs = outcome.outputs
    attribution = attribute(row["notice"], row["received"])
    told, now = row["told"], shipment.purchase_orders(row, attribution)
    if told != now:
        for po_number, version in now.items():
            if told.get(po_number) != version:
                outputs.append(_shipped(key, po_number, version, event))
        gone = sorted(told.keys() - now.keys())
        outputs.extend(_shipped(key, po_number, [*told[po_number][:3], [], None], event) for po_number in gone)
        row["told"] = now
        outcome.measures += measures.arrival(row, told)
    notice = row["notice"]
    partner = (notice["carrier"] or notice["supplier"]) if notice else None
    row["open"] = settle(row["open"], conditions(row, key, attribution), event, partner, outputs)
    return 0


def _shipped(shipment_id: str, po_number: str, version: Sequence[Any], event: ShipmentEvent) -> Output:
    state, location, date, lines, noticed = version
    record: SupplyEvent = {
        "event_id": f"{event['coordinate']}/{shipment_id}/{po_number}",
        "occurred_at": event["occurred_at"],
        "recorded_at": event["recorded_at"],
        "source": event["source"],
        "coordinate": event["coordinate"],
        "correlation_id": event["correlation_id"],
        "kind": "SHIPPED",
        "po_number": po_number,
        "order": None,
        "ack": None,
        "shipped": {
            "shipment_id": shipment_id,
            "state": state,
            "location": location,
            "date": date,
            "lines": [
                {
                    "line": line,
                    "sku": sku,
                    "quantity": quantity,
                    "received": received,
                    "held": held or None,
                    "notified_at": noticed,
                }
                for line, sku, quantity, received, held in lines
            ],
        },
        "received": None,
        "inspected": None,
        "posted": None,
    }
    return (SUPPLY, po_number, record)

"""The ingest routes as OpenAPI describes them: bodies read by hand, so that each item is answered by itself."""

from typing import Any, Final

from connectors.api.inbound_records import Kind
from connectors.api.shapes import FieldError, Shape


class TakenScan(Shape):
    event_id: str
    status: int
    coordinate: str | None = None
    detail: str | None = None


class TakenItem(Shape):
    """202: in the log at `coordinate`. 422, 403: see `errors`. 503: not acknowledged; send it again, it counts once."""

    index: int
    status: int
    event_id: str | None = None
    coordinate: str | None = None
    path: str | None = None
    scans: list[TakenScan] | None = None
    errors: list[FieldError] | None = None
    detail: str | None = None


class Taken(Shape):
    """What became of each item, in their order."""

    accepted: int
    items: list[TakenItem]


MULTI_STATUS: Final[dict[int | str, dict[str, Any]]] = {
    207: {"model": Taken, "description": "Some items are taken, others are not: see each item's status."}
}


def body_of(kind: Kind) -> dict[str, Any]:
    """The request body of a route: one object, a list, or {items}."""
    one = _inlined(kind.model.model_json_schema())
    many = {"type": "array", "items": one, "minItems": 1}
    batch = {"type": "object", "properties": {"items": many}, "required": ["items"], "additionalProperties": False}
    return _body({"anyOf": [one, batch, many]}, {"one": {"value": EXAMPLES[kind.name]}})


def _body(schema: dict[str, Any], examples: dict[str, Any]) -> dict[str, Any]:
    return {
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema, "examples": examples}}}
    }


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema without references: those of pydantic would be looked up in the whole description."""
    definitions = schema.pop("$defs", {})

    def inline(part: Any) -> Any:
        if isinstance(part, dict):
            if "$ref" in part:
                return inline(
                    {**definitions[part["$ref"].rpartition("/")[2]], **{k: v for k, v in part.items() if k != "$ref"}}
                )
            return {name: inline(value) for name, value in part.items()}
        return [inline(value) for value in part] if isinstance(part, list) else part

    inlined: dict[str, Any] = inline(schema)
    return inlined


EXAMPLES: Final[dict[str, dict[str, Any]]] = {
    "scans": {
        "event_id": "70bc9f44-433f-58b9-8df4-f4d8a3299af3",
        "scan_type": "RECEIPT",
        "item": {"scheme": "SKU", "code": "SKU-0001"},
        "location": "DC01",
        "quantity": 24,
        "uom": "EA",
        "reference": {"kind": "PURCHASE_ORDER", "number": "450001", "line": "10"},
        "occurred_at": "2026-11-20T10:00:00Z",
        "source": "WMS-DC01",
    },
    "asns": {
        "event_id": "0c0f6f3a-5b02-5a53-9a1b-7d2b5f0c9e11",
        "supplier": "ACME",
        "shipment_id": "SH-77",
        "ship_from": "ACME-PLANT",
        "ship_to": "DC01",
        "shipped_at": "2026-11-20T10:00:00Z",
        "lines": [
            {"po_number": "450001", "po_line": "10", "item": {"scheme": "VENDOR_PART", "code": "AC-8050"},
             "quantity": 24, "uom": "EA"},
        ],
    },
    "acks": {
        "event_id": "05c49168-134a-588a-a57a-c518544e0727",
        "supplier": "ACME",
        "po_number": "450001",
        "ack_type": "AC",
        "acknowledged_at": "2026-11-20T10:00:00Z",
        "lines": [
            {"line": "10", "item": {"scheme": "VENDOR_PART", "code": "AC-8050"}, "status": "BP", "quantity": 30,
             "uom": "EA", "date_kind": "068", "date": "2026-12-01"},
        ],
    },
    "milestones": {
        "event_id": "6f0f3c62-2f0e-5dd3-b3f5-6e5a6d4c0b77",
        "carrier": "FASTFREIGHT",
        "shipment_id": "SH-77",
        "status": "X6",
        "occurred_at": "2026-11-21T08:00:00Z",
        "estimated_arrival": "2026-11-23T12:00:00Z",
    },
    "heartbeats": {"source": "WMS-DC01", "location": "DC01"},
}  # fmt: skip
EPCIS_BODY: Final = _body(
    {"type": "object", "description": "An EPCISDocument of EPCIS 2.0, or one of its events."},
    {
        "receiving": {
            "value": {
                "type": "ObjectEvent",
                "action": "OBSERVE",
                "eventID": "urn:uuid:374d95fc-9457-4a51-bd6a-0bba133845a8",
                "eventTime": "2026-11-20T11:00:00.000+01:00",
                "eventTimeZoneOffset": "+01:00",
                "bizStep": "receiving",
                "disposition": "in_progress",
                "bizLocation": {"id": "urn:epc:id:sgln:0614141.00777.0"},
                "quantityList": [{"epcClass": "urn:epc:class:lgtin:4012345.012345.998877", "quantity": 200}],
                "bizTransactionList": [{"type": "po", "bizTransaction": "urn:epcglobal:cbv:bt:5012345678900:450001"}],
            }
        }
    },
)

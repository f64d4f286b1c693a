"""Carrier status codes (X12 1650, 214 AT701) and what each says of a shipment."""

IN_TRANSIT, DELIVERED, HELD, DELAYED = "IN_TRANSIT", "DELIVERED", "HELD", "DELAYED"
REFUSED, RETURNED, CANCELLED = "REFUSED", "RETURNED", "CANCELLED"

DAMAGED_CODE = "A9"
"""Damage is a finding beside the state: the goods still travel."""

STATES = {
    **dict.fromkeys(("AF", "CP", "AM", "X6", "P1", "X4", "XB", "X3"), IN_TRANSIT),
    **dict.fromkeys(("X1", "X5", "D1", "AV"), DELIVERED),
    **dict.fromkeys(("K1", "PR", "BC"), HELD),
    **dict.fromkeys(("SD", "AH", "AP", "AI"), DELAYED),
    "A7": REFUSED,
    "A3": RETURNED,
    "CA": CANCELLED,
}
"""State by code. A code that is absent (AG, X2, AB, AC, B6, C1: a date, not an event) leaves the state as it is."""

LOST = frozenset({REFUSED, RETURNED, CANCELLED})
"""States in which nothing more is expected of the shipment than was received."""

EXCEPTIONS = {
    DELAYED: "SHIPMENT_DELAYED",
    REFUSED: "SHIPMENT_REFUSED",
    RETURNED: "SHIPMENT_RETURNED",
    CANCELLED: "SHIPMENT_CANCELLED",
}

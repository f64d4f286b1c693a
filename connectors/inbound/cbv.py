"""Words of the Core Business Vocabulary 2.0 and what they say of stock: business steps, dispositions, documents."""

import re
from typing import Final, NamedTuple

from schemas.records import Disposition, ReferenceKind, ScanType

_WORD: Final = re.compile(r"(?:.*(?:BizStep-|Disp-|BTT-|:bizstep:|:disp:|:btt:))?([a-z][a-z_]*)", re.DOTALL)


def word(text: str) -> str:
    """`receiving` of receiving, cbv:BizStep-receiving, https://ref.gs1.org/cbv/BizStep-receiving or the 1.x URN.

    Anything else comes back as it is.
    """
    found = _WORD.fullmatch(text)
    return found[1] if found else text


class Step(NamedTuple):
    """What a business step becomes, and the actions of an ObjectEvent it makes sense with."""

    scan_type: ScanType
    actions: frozenset[str] = frozenset({"OBSERVE"})
    sign: int = 1
    """-1: what the scan takes off."""
    undoes: bool = False
    """It takes an earlier event back, which has to be named."""


_IN: Final = frozenset({"OBSERVE", "ADD"})
_OUT: Final = frozenset({"OBSERVE", "DELETE"})
INSPECTING: Final = "inspecting"
STEPS: Final[dict[str, Step]] = {
    "receiving": Step("RECEIPT", _IN),
    "accepting": Step("RECEIPT", _IN),
    "storing": Step("PUTAWAY", _IN),
    "stocking": Step("PUTAWAY", _IN),
    INSPECTING: Step("RELEASE"),  # or HOLD: the disposition says which
    "holding": Step("HOLD"),
    "picking": Step("PICK"),
    "packing": Step("PACK", _IN),
    "loading": Step("SHIP", _OUT),
    "shipping": Step("SHIP", _OUT),
    "departing": Step("SHIP", _OUT),
    "cycle_counting": Step("COUNT"),
    "stock_taking": Step("COUNT"),
    "destroying": Step("ADJUST", _OUT, sign=-1),
    "unpacking": Step("PACK", _OUT, sign=-1, undoes=True),
    "void_shipping": Step("SHIP", sign=-1, undoes=True),
}
"""Steps that move or count stock, or tell an order how far it is."""

QUIET: Final[dict[str, str]] = {
    "arriving": "arrival books nothing; send receiving when the goods are taken in",
    "unloading": "unloading books nothing; send receiving when the goods are taken in",
    "staging_outbound": "staging books nothing; send shipping, loading or departing when the goods leave",
    "transporting": "a carrier's progress is a milestone; send it to /v1/milestones",
    "collecting": "collecting books nothing; send receiving or shipping",
    "consigning": "consigning changes the owner, not the stock; send shipping",
    "entering_exiting": "a door books nothing; send receiving or shipping",
    "reserving": "stock is held through /v1/reservations",
    "retail_selling": "a sale is an order's; send shipping with the order's number",
    "commissioning": "commissioning makes identifiers, not stock; send receiving, or stock_taking to state a stock",
    "decommissioning": "decommissioning ends identifiers, not stock; send destroying",
    "creating_class_instance": "a lot that is made is not yet stock; send receiving",
    "repackaging": "repackaging books nothing; send a count where quantities have changed",
}
"""Steps that are known and book nothing, and what to send instead."""

_DISPOSITIONS: Final[dict[Disposition, tuple[str, ...]]] = {
    "available": ("sellable_accessible", "available", "conformant"),
    "quality_hold": (
        "sellable_not_accessible", "unavailable", "non_conformant", "non_sellable_other", "needs_replacement", "recalled",
        "no_pedigree_match", "mismatch_class", "mismatch_instance", "mismatch_quantity", "evidence",
    ),
    "damaged": ("damaged",),
    "returned": ("returned",),
    "expired": ("expired",),
}  # fmt: skip
DISPOSITIONS: Final = {text: ours for ours, words in _DISPOSITIONS.items() for text in words}
"""What may be sold is only what the vocabulary calls so; what is withheld for whatever reason waits in quality_hold."""
NEUTRAL: Final = frozenset(
    {
        "active", "in_progress", "in_transit", "container_closed", "container_open", "completeness_verified",
        "completeness_inferred", "destroyed", "disposed",
    }
)  # fmt: skip
"""Dispositions that say where goods are on their way, not whether they may be sold."""

PREVIOUS_EVENT: Final = "upevt"
REFERENCES: Final[dict[ScanType, tuple[tuple[str, ReferenceKind], ...]]] = {
    "RECEIPT": (("desadv", "ASN"), ("po", "PURCHASE_ORDER")),
    "PUTAWAY": (("desadv", "ASN"), ("po", "PURCHASE_ORDER"), ("poc", "SALES_ORDER")),
    "HOLD": (("desadv", "ASN"), ("po", "PURCHASE_ORDER"), ("poc", "SALES_ORDER")),
    "RELEASE": (("desadv", "ASN"), ("po", "PURCHASE_ORDER"), ("poc", "SALES_ORDER")),
    "PICK": (("poc", "SALES_ORDER"), ("po", "SALES_ORDER")),
    "PACK": (("poc", "SALES_ORDER"), ("po", "SALES_ORDER")),
    "SHIP": (("poc", "SALES_ORDER"), ("po", "SALES_ORDER"), ("desadv", "SHIPMENT")),
    "RETURN": (("poc", "SALES_ORDER"), ("po", "SALES_ORDER")),
}
"""Business transactions that a scan type takes as its document, the first one found: the order that goods come in on
is a purchase order of ours, the one they leave on is a sales order."""

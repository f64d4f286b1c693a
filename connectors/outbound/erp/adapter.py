"""What an ERP has to be able to do, in business words. An ERP's own API is one small file that implements `Adapter`.

An adapter makes one attempt: retries, order, pace and the audit trail are the connector's. It tells three things apart:
the ERP took it (Answer POSTED or DUPLICATE), the ERP refused it for a business reason (Answer REFUSED), and nobody knows
or nothing came of it (Unanswered).
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from schemas.records import ErpPosting

REASON_MOST: Final = 2_000
"""Characters of what an ERP says that go on into results, exceptions and logs."""


def shortened(reason: str) -> str:
    """As much of it as others will bear."""
    return reason if len(reason) <= REASON_MOST else f"{reason[: REASON_MOST - 1]}…"


@dataclass(frozen=True, slots=True)
class Answer:
    """What an ERP said to a posting."""

    outcome: Literal["POSTED", "DUPLICATE", "REFUSED"]
    erp_document: str | None = None
    reason: str | None = None
    """Why not, in the ERP's words: its code and its text."""
    totals: Mapping[str, int] | None = None
    """Where the ERP tells: what the document has come to, by `line|sku|location|disposition`, in base units."""


class Unanswered(Exception):
    """A technical fault: no word of the ERP's on the posting.

    `taken` says that the ERP may have taken it all the same: it is asked before the posting is sent again.
    `retry_after_s` is how long the ERP wants to be left alone. `healthy` faults say nothing against the system (429).
    """

    def __init__(self, reason: str, *, taken: bool, retry_after_s: float | None = None, healthy: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.taken, self.retry_after_s, self.healthy = shortened(reason), taken, retry_after_s, healthy


@dataclass(frozen=True, slots=True)
class Stock:
    """What an ERP has of one SKU at one location, by disposition, in base units."""

    sku: str
    location: str
    by_disposition: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class InvoiceStatus:
    """What became of a document's invoices."""

    document: str
    numbers: Sequence[str]
    quantity: int


class Adapter(Protocol):
    """One ERP. Every method but `close` raises Unanswered for a technical fault."""

    async def goods_receipt(self, posting: ErpPosting) -> Answer:
        """Stock comes in for a purchase order; negative quantities take back."""

    async def shipment_confirm(self, posting: ErpPosting) -> Answer:
        """Stock left for a sales order; negative quantities take back."""

    async def purchase_order_update(self, posting: ErpPosting) -> Answer:
        """The supplier's dates, quantities and substitutes, absolute."""

    async def inventory_adjustment(self, posting: ErpPosting) -> Answer:
        """Stock changed outside any document, signed."""

    async def invoice_release(self, posting: ErpPosting) -> Answer:
        """What was shipped may be invoiced; negative quantities take back."""

    async def credit(self, posting: ErpPosting) -> Answer:
        """Returned goods are credited and come into stock; negative quantities take back."""

    async def backorder(self, posting: ErpPosting) -> Answer:
        """Lines that wait, with the date they can be promised for, absolute."""

    async def inquiry(self, keys: Sequence[str]) -> Mapping[str, Answer]:
        """Which of these idempotency keys the ERP has taken, with the answer it gave; the others are left out."""

    async def holds(self, document: str) -> bool:
        """Whether the ERP has taken any posting of the document."""

    async def availability_query(self, sku: str, location: str) -> Stock:
        """What the ERP has."""

    async def invoice_status(self, document: str) -> InvoiceStatus:
        """What the ERP has invoiced of a sales order."""

    async def close(self) -> None:
        """Let go of connections."""


Operation = Callable[[Adapter, ErpPosting], Awaitable[Answer]]

OPERATIONS: Final[Mapping[str, Operation]] = {
    "goods_receipt": lambda adapter, posting: adapter.goods_receipt(posting),
    "shipment_confirm": lambda adapter, posting: adapter.shipment_confirm(posting),
    "purchase_order_update": lambda adapter, posting: adapter.purchase_order_update(posting),
    "inventory_adjustment": lambda adapter, posting: adapter.inventory_adjustment(posting),
    "invoice_release": lambda adapter, posting: adapter.invoice_release(posting),
    "credit": lambda adapter, posting: adapter.credit(posting),
    "backorder": lambda adapter, posting: adapter.backorder(posting),
}
"""The operations a posting may ask for."""

OWNERS: Final[Mapping[str, str]] = {
    "goods_receipt": "buyer",
    "purchase_order_update": "buyer",
    "shipment_confirm": "customer-service",
    "backorder": "customer-service",
    "invoice_release": "finance",
    "credit": "finance",
    "inventory_adjustment": "inventory-control",
}
"""Who works a refusal, by operation."""

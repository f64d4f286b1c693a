"""Idempotency keys of one site told from another's: the ERP knows keys, and two sites count revisions each for itself."""

from schemas.records import ErpPosting


def in_epoch(posting: ErpPosting, epoch: str) -> ErpPosting:
    """The posting as this site brings it in: its key, and the key it takes back from, end with the site's epoch."""
    if epoch:
        posting["idempotency_key"] = key_in(posting["idempotency_key"], epoch)
        if posting["reverses"] is not None:
            posting["reverses"] = key_in(posting["reverses"], epoch)
    return posting


def key_in(key: str, epoch: str) -> str:
    """Document, step, revision, and the epoch beside the revision: `PURCHASE_ORDER:7/GOODS_RECEIPT/1@green`."""
    return f"{key}@{epoch}" if epoch else key

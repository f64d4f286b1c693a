"""The audit trail of one document, read from its partition of erp.posting-results, for people at a terminal."""

from connectors.as_they_stand import whole
from connectors.decoding import Decoding
from connectors.outbound.erp.results import RESULTS
from connectors.outbound.erp.settings import Settings
from schemas.records import ErpPostingResult


def read_results(settings: Settings, document: str) -> list[ErpPostingResult]:
    """Every attempt known, oldest first; raise TimeoutError, KafkaException, or Away for the registry."""
    decoding, key = Decoding(settings), document.encode()
    found: list[ErpPostingResult] = []
    for run in whole(settings, RESULTS, "erp-audit"):
        ours = [record for record in run if record.key == key]
        found += [result for _, result in decoding.decoded_here(ours) if result is not None]
    return sorted(found, key=lambda result: result["answered_at"])

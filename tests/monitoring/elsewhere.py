"""Metrics that a site which is well brings no sample of, and the tests that read a value of each."""

from typing import Final

from schemas.metrics import ACK_SECONDS, ASN_SECONDS, series

PARTNERS, FILES = "no documents of suppliers: monitoring/test_business_measures.py", "no system takes files"
ELSEWHERE: Final[dict[str, str]] = {
    **dict.fromkeys(("stockstream_purchase_orders_total", "stockstream_purchase_orders_acknowledged_total"), PARTNERS),
    **dict.fromkeys(series(ACK_SECONDS), PARTNERS),
    **dict.fromkeys(series(ASN_SECONDS), PARTNERS),
    **dict.fromkeys(("stockstream_order_lines_received_total", "stockstream_ship_notices_total"), PARTNERS),
    "stockstream_stock_divergence_units_total": "no snapshot differs: monitoring/test_worker_metrics.py",
    "stockstream_undecodable_total": "nothing of ours is unreadable: monitoring/test_counters.py",
    "stockstream_view_repositioned_total": "Redis loses nothing: connectors/test_redis_view_faults.py",
    "stockstream_erp_files_total": f"{FILES}: connectors/test_erp_takeover.py",
    "stockstream_erp_acknowledged_total": f"{FILES}: connectors/test_erp_acknowledgements.py",
    "stockstream_erp_compared_total": "no shadow: connectors/test_erp_comparison.py",
    "stockstream_erp_inquiries_total": "nothing is in doubt: connectors/test_erp_takeover.py",
    "stockstream_api_ingest_items_total": "nothing comes in over HTTP: api/test_ingest_api.py",
}
"""What is missing, why, and the test that reads a value of each."""

"""The dashboard of buyers and the partner desk: do suppliers answer, announce and deliver as they said."""

from typing import Final

from monitoring.counters import increase
from monitoring.objectives import ERRORS
from monitoring.panels import Choice, Dashboard, Panel, Query, Row

WHO: Final = 'partner=~"$partner"'
_ACKNOWLEDGED: Final = (
    f"{increase('stockstream_purchase_orders_acknowledged_total', '7d', 'partner', match=WHO)}\n/\n"
    f"{increase('stockstream_purchase_orders_total', '7d', 'partner', match=WHO)}"
)

_THEIRS: Final = (
    'category=~"LINE_REJECTED|ACK_.*|SUBSTITUTION|OVER_.*|SHORT_RECEIPT|RECEIPT_WITHOUT_NOTICE|SUPPLY_OVERDUE|LATE_NOTICE'
    '|SHIPMENT_.*|UNKNOWN_P.*"'
)

PARTNERS: Final = Dashboard(
    "stockstream-partners",
    "Stockstream: partners",
    "Suppliers' acknowledgements, ship notices and deliveries against what they promised.",
    (
        Row(
            "Service levels, 3 days",
            (
                Panel(
                    "Lines late",
                    "Order lines received in full after the date promised (else requested). 10 % is what is agreed.",
                    (Query(f'{ERRORS}3d{{slo="partner_delivery", {WHO}}}', "{{partner}}"),),
                    "percentunit", "bargauge", height=10, watch=0.1, bad=0.3, most=1,
                ),
                Panel(
                    "Answers after more than a day",
                    "First acknowledgements later than a day after the order.",
                    (Query(f'{ERRORS}3d{{slo="partner_acknowledgement", {WHO}}}', "{{partner}}"),),
                    "percentunit", "bargauge", height=10, watch=0.1, bad=0.3, most=1,
                ),
                Panel(
                    "Goods before their notice",
                    "Shipments whose ship notice came after the goods.",
                    (Query(f'{ERRORS}3d{{slo="partner_notice", {WHO}}}', "{{partner}}"),),
                    "percentunit", "bargauge", height=10, watch=0.1, bad=0.3, most=1,
                ),
            ),
        ),
        Row(
            "Acknowledgements",
            (
                Panel(
                    "Orders acknowledged, 7 days",
                    "First acknowledgements for every order that came in.",
                    (Query(_ACKNOWLEDGED, "{{partner}}"),),
                    "percentunit", width=12,
                ),
                Panel(
                    "Time to acknowledge",
                    "Median and 95 % over a day.",
                    (
                        Query(f"histogram_quantile(0.5, sum by (le, partner) (rate(stockstream_acknowledgement_seconds_bucket{{{WHO}}}[1d])))", "{{partner}} 50%"),
                        Query(f"histogram_quantile(0.95, sum by (le, partner) (rate(stockstream_acknowledgement_seconds_bucket{{{WHO}}}[1d])))", "{{partner}} 95%"),
                    ),
                    "s", width=12, watch=86_400,
                ),
            ),
        ),
        Row(
            "Deliveries",
            (
                Panel(
                    "Lines received, a day",
                    "In full, in time or late.",
                    (Query(increase("stockstream_order_lines_received_total", "1d", "partner", "outcome", match=WHO), "{{partner}} {{outcome}}"),),
                    width=8, stack=True,
                ),
                Panel(
                    "Announced shipments, a day",
                    "Before the goods, or after.",
                    (Query(increase("stockstream_ship_notices_total", "1d", "partner", "outcome", match=WHO), "{{partner}} {{outcome}}"),),
                    width=8, stack=True,
                ),
                Panel(
                    "Notice to first receipt",
                    "Over a day, by location shipped to.",
                    (Query("histogram_quantile(0.5, sum by (le, location) (rate(stockstream_asn_receipt_seconds_bucket[1d])))", "{{location}} 50%"),),
                    "s", width=8,
                ),
            ),
        ),
        Row(
            "Their exceptions",
            (
                Panel(
                    "Raised",
                    "What suppliers' and carriers' documents cause, in a day.",
                    (Query(increase("stockstream_exceptions_raised_total", "1d", "category", match=_THEIRS), "{{category}}"),),
                    width=12, stack=True,
                ),
                Panel(
                    "Open",
                    "With buyers, transport and the partner desk.",
                    (Query('max by (owner, category) (stockstream_exceptions_open{owner=~"buyer|transport|partner-desk"})', "{{owner}}: {{category}}"),),
                    width=12, stack=True,
                ),
            ),
        ),
    ),
    (Choice("partner", "Partner", "stockstream_purchase_orders_total", "partner"),),
)  # fmt: skip

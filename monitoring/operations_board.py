"""The dashboard of those who run warehouses and channels: is stock fresh, right and told in time, and who has to act."""

from typing import Final

from monitoring.counters import increase
from monitoring.objectives import ERRORS
from monitoring.panels import Choice, Dashboard, Panel, Query, Row, quantile, rate

HERE: Final = 'location=~"$location"'
_OLDEST: Final = "stockstream_exceptions_oldest_seconds"

OPERATIONS: Final = Dashboard(
    "stockstream-operations",
    "Stockstream: operations",
    "Freshness of warehouses, time to the channels, exceptions and their owners, reservations, stock against the ERP.",
    (
        Row(
            "Promises",
            (
                Panel(
                    "Time not fresh, 1 h",
                    "Share of the last hour in which a feed of the warehouse was late or stale. 1 % is the month's budget.",
                    (Query(f'{ERRORS}1h{{slo="feed_freshness", {HERE}}}', "{{location}}"),),
                    "percentunit", "bargauge", watch=0.01, bad=0.144, most=1,
                ),
                Panel(
                    "Changes later than 2.5 s, 1 h",
                    "Share of changes that took longer than 2.5 s from intake to the commit that tells channels.",
                    (Query(f'{ERRORS}1h{{slo="intake_to_channel", {HERE}}}', "{{location}}"),),
                    "percentunit", "bargauge", watch=0.01, bad=0.144, most=1,
                ),
                Panel(
                    "Exceptions open",
                    "All that wait for somebody, as the Redis view has them.",
                    (Query("sum (max by (category, owner) (stockstream_exceptions_open))", "open"),),
                    kind="stat", width=4, watch=50, bad=500,
                ),
                Panel(
                    "Oldest of severity HIGH",
                    "Exceptions of severity HIGH are worked within eight hours.",
                    (Query(f'max ({_OLDEST}{{severity=~"HIGH|CRITICAL"}})', "oldest"),),
                    "s", "stat", width=4, watch=14_400, bad=28_800,
                ),
            ),
        ),
        Row(
            "Feeds",
            (
                Panel(
                    "Age of feeds",
                    "Time since the newest sign of life, an event or a heartbeat. Late after 15 min, stale after 1 h.",
                    (Query(f"max by (source, location) (stockstream_feed_age_seconds{{{HERE}}})", "{{source}} at {{location}}"),),
                    "s", width=12, watch=900, bad=3_600,
                ),
                Panel(
                    "Status of feeds",
                    "As channels' fallback rules see them.",
                    (Query(f"max by (source, location) (stockstream_feed_status{{{HERE}}})", "{{source}} at {{location}}"),),
                    kind="bargauge", width=6, watch=1, bad=2, most=2,
                    mappings=(("0", "fresh", "green"), ("1", "late", "orange"), ("2", "stale", "red")),
                ),
                Panel(
                    "Intake to channels, 99 %",
                    "From intake of a record to the commit of the availability it changed.",
                    (Query(quantile(0.99, "stockstream_end_to_end_seconds", "location", match=HERE), "{{location}}"),),
                    "s", width=6, watch=1, bad=2.5,
                ),
            ),
        ),
        Row(
            "Exceptions",
            (
                Panel(
                    "Open, by owner and category",
                    "What waits for whom.",
                    (Query("sort_desc(max by (owner, category, severity) (stockstream_exceptions_open) > 0)"),),
                    kind="table", width=8, height=9,
                ),
                Panel(
                    "Oldest, by owner",
                    "Age of the oldest open exception of each owner.",
                    (Query(f"max by (owner) ({_OLDEST})", "{{owner}}"),),
                    "s", width=8, height=9, watch=28_800, bad=86_400,
                ),
                Panel(
                    "Raised",
                    "New exceptions by category.",
                    (Query(rate("stockstream_exceptions_raised_total", "category"), "{{category}}"),),
                    "ops", width=8, height=9, stack=True,
                ),
            ),
        ),
        Row(
            "Stock and promises",
            (
                Panel(
                    "Promises changed, and told",
                    "Changes of ATP, and deltas that were material: the rest is what channels need not hear.",
                    (
                        Query(rate("stockstream_atp_changes_total"), "ATP changes"),
                        Query(rate("stockstream_outputs_total", match='topic="availability.deltas"'), "deltas"),
                        Query(rate("stockstream_outputs_total", match='topic=~"channel.*"'), "channel offers"),
                    ),
                    "ops",
                ),
                Panel(
                    "Divergence from snapshots",
                    "Base units by which the ERP's and the WMS's snapshots differed from the ledger, in an hour.",
                    (Query(increase("stockstream_stock_divergence_units_total", "1h", "location", match=HERE), "{{location}}"),),
                ),
                Panel(
                    "Reservations decided",
                    "By state; REFUSED by reason is beside it.",
                    (Query(rate("stockstream_reservation_decisions_total", "action", "state"), "{{action}} → {{state}}"),),
                    "ops", stack=True,
                ),
                Panel(
                    "Reservations refused",
                    "By channel and reason. INSUFFICIENT is business; the others are somebody's configuration or timing.",
                    (Query(rate("stockstream_reservation_decisions_total", "channel", "reason", match='reason!=""'), "{{channel}}: {{reason}}"),),
                    "ops", stack=True,
                ),
                Panel(
                    "Answers about reservations",
                    "What the API told callers, pending ones included.",
                    (Query(rate("stockstream_api_reservation_answers_total", "action", "outcome"), "{{action}} → {{outcome}}"),),
                    "ops", stack=True,
                ),
                Panel(
                    "Announced to received, median",
                    "Time from ship notice to first receipt, over a day.",
                    (Query(f"histogram_quantile(0.5, sum by (le, location) (rate(stockstream_asn_receipt_seconds_bucket{{{HERE}}}[1d])))", "{{location}}"),),
                    "s",
                ),
            ),
        ),
    ),
    (Choice("location", "Location", "stockstream_feed_status", "location"),),
)  # fmt: skip

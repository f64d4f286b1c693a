"""What the demo tells at its end: figures, the kill's effect, and the proof."""

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from local.edges import SHOP_CHANNEL, WEBHOOK_CHANNEL
from local.evidence import Evidence
from local.figures import event_counts, latencies, longest_gaps, percentiles
from local.journal import read_journal
from local.oracle import judge
from local.proof import (
    Report,
    check_bad,
    check_chain,
    check_channel,
    check_documents,
    check_erp_stock,
    check_posted,
    check_reservations,
    check_shop,
    check_told,
    check_view,
    compare,
)
from schemas.records import ChannelAvailability
from streams.topics import partition_of
from tables.fallback import fallback, worst_by_location

if TYPE_CHECKING:
    from local.demo import Run

DAY = 86_400_000
PARTITIONS = 4  # of the demo
KILL_SHOWS_MS = 30_000  # how long after the kill its effect is looked for
CATCH_UP_MS = 3_000  # after the silence, what had gathered is worked off


@dataclass(frozen=True, slots=True)
class Summary:
    facts: dict[str, Any]  # all of it, for --json
    reports: list[Report]

    @property
    def exact(self) -> bool:
        return all(report.exact for report in self.reports)


def summarise(run: "Run", evidence: Evidence) -> Summary:
    """Judge the run and work out its figures."""
    journal = list(read_journal(*run.journals))
    today = run.simulation.end // DAY
    answer = judge(journal, today)
    reports = [
        compare(answer, evidence.snapshots, today),
        check_chain("chain of deltas", [(record.key, delta) for record, delta in evidence.deltas], "atp"),
        check_told([(record.key, delta) for record, delta in evidence.deltas], evidence.snapshots),
        *(check_chain(f"chain of {name}", offers, "quantity") for name, offers in evidence.offers.items()),
        *(
            check_channel(name, evidence.rules[name], dict(offers), evidence.snapshots, answer.segment)
            for name, offers in evidence.offers.items()
        ),
        check_bad(answer, evidence.exceptions, evidence.dead_letters, evidence.resolutions),
        check_posted(evidence.postings, evidence.erp),
        check_documents(answer, evidence.erp),
        check_erp_stock(answer, evidence.erp),
        check_view(evidence.snapshots, evidence.view),
        check_shop(f"shop of {SHOP_CHANNEL}", _effective(evidence, SHOP_CHANNEL), evidence.shop["inventory"]),
        check_shop(
            f"webhooks of {WEBHOOK_CHANNEL}",
            dict(evidence.offers[WEBHOOK_CHANNEL]),
            {sku: heard["quantity"] for sku, heard in _heard(evidence).items()},
        ),
        check_shop(
            f"webhooks of {WEBHOOK_CHANNEL}, effective",
            _effective(evidence, WEBHOOK_CHANNEL),
            {sku: heard["effective"] for sku, heard in _heard(evidence).items()},
        ),
        check_reservations(evidence.replies),
    ]
    labels, marks = event_counts(journal)
    sent_ms = {record.coordinate: record.sent_ms for record in journal if record.topic == "warehouse.scans"}
    stamped = [(record.timestamp, delta) for record, delta in evidence.deltas]
    gaps = longest_gaps(
        [(_task(delta["sku"]), record.timestamp) for record, delta in evidence.deltas],
        run.killed_ms,
        min(run.killed_ms + KILL_SHOWS_MS, run.settled_ms),
    )
    around_kill = (run.killed_ms - 1_000, run.killed_ms + max(gaps.values(), default=0) + CATCH_UP_MS)
    changes = sum(snapshot["revision"] for snapshot in evidence.snapshots.values())
    facts: dict[str, Any] = {
        "exact": all(report.exact for report in reports),
        "proof": [
            {
                "part": report.name,
                "compared": report.compared,
                "wrong": report.wrong,
                "differences": [difference._asdict() for difference in report.differences],
            }
            for report in reports
        ],
        "events": {
            "acknowledged": len(journal),
            "accepted": answer.accepted,
            "duplicates": answer.duplicates,
            "bad": len(answer.quarantined) + len(answer.undecodable),
            "by_type": labels,
            "disturbances": marks,
        },
        "positions": {
            "count": len(answer.positions),
            "supply_lines": sum(len(position["expected"]) for position in answer.positions.values()),
            "ledger_entries": evidence.ledger_entries,
        },
        "deltas": {
            "changes": changes,
            "snapshots": evidence.snapshot_count,
            "deltas": len(evidence.deltas),
            "because": dict(Counter(delta["material_because"] for _, delta in evidence.deltas).most_common()),
            "channels": {name: len(offers) for name, offers in evidence.offers.items()},
        },
        "exceptions": {
            "raised": len(evidence.exceptions),
            "resolved": len(evidence.resolutions),
            "dead_letters": len(evidence.dead_letters),
            "by_category": dict(Counter(e["category"] for e in evidence.exceptions).most_common()),
            "by_owner": dict(Counter(e["owner"] for e in evidence.exceptions).most_common()),
        },
        "latency_ms": {
            "all": percentiles(latencies(stamped, sent_ms)),
            "away_from_the_kill": percentiles(latencies(stamped, sent_ms, around_kill)),
        },
        "throughput": {
            "production_s": run.production_s,
            "events_per_s": round(len(journal) / run.production_s) if run.production_s else 0,
            "settled_after_s": round((run.settled_ms - run.produced_ms) / 1_000, 2),
        },
        "kill": {
            "partitions": run.killed_partitions,
            "longest_silence_ms": {str(partition): gap for partition, gap in sorted(gaps.items())},
            "unplanned_restarts": run.restarts,
        },
        "erp": {
            "postings": len(evidence.postings),
            "by_step": dict(Counter(posting["step"] for _, posting in evidence.postings).most_common()),
            "sent_twice_and_caught": sum(evidence.erp["duplicates_attempted"].values()),
        },
        "reservations": run.shopped,
        "feeds": {key: feed["status"] for key, feed in sorted(evidence.feeds.items())},
        "files": str(run.directory),
    }
    return Summary(facts, reports)


def _effective(evidence: Evidence, channel: str) -> dict[str, ChannelAvailability]:
    """The newest offers of a channel, by its rule for feeds that are late or stale as they are now."""
    statuses: list[Any] = list(evidence.feeds.values())
    worst, rule = worst_by_location(statuses), evidence.declared[channel]
    newest: dict[str, Any] = dict(evidence.offers[channel])
    return {sku: fallback(offer, worst, rule.fallback, rule.low_at) for sku, offer in newest.items()}


def _heard(evidence: Evidence) -> dict[str, Any]:
    """What the shop's webhook receiver knows, by SKU."""
    heard: dict[str, Any] = evidence.shop["heard"].get(WEBHOOK_CHANNEL, {})
    return heard


def _task(sku: str) -> int:
    """The task a position belongs to: the ledger is partitioned by SKU (the deltas themselves by their whole key)."""
    return partition_of(sku.encode(), PARTITIONS)


def render(summary: Summary) -> Group:
    """The summary for a terminal."""
    facts = summary.facts
    events, deltas, exceptions, latency = facts["events"], facts["deltas"], facts["exceptions"], facts["latency_ms"]
    saved = 100 * (1 - deltas["deltas"] / max(1, deltas["changes"]))
    kill, throughput = facts["kill"], facts["throughput"]
    lines = Table.grid(padding=(0, 2))
    lines.add_column(style="bold")
    lines.add_row("Events", f"{events['acknowledged']:,} acknowledged: " + _listed(events["by_type"], 14))
    lines.add_row("Disturbances", _listed(events["disturbances"], 20))
    lines.add_row(
        "Positions", f"{facts['positions']['count']:,} with {facts['positions']['supply_lines']:,} supply lines, from "
        f"{facts['positions']['ledger_entries']:,} ledger entries",
    )  # fmt: skip
    lines.add_row("Deltas", f"{deltas['deltas']:,} for {deltas['changes']:,} changes: materiality saved {saved:.0f} %")
    lines.add_row("Channels", _listed(deltas["channels"], 10))
    lines.add_row(
        "Exceptions", f"{exceptions['raised']:,} raised, {exceptions['resolved']:,} resolved, "
        f"{exceptions['dead_letters']:,} dead letters",
    )  # fmt: skip
    lines.add_row("  by category", _listed(exceptions["by_category"], 30))
    lines.add_row("  by owner", _listed(exceptions["by_owner"], 20))
    lines.add_row("Scan to delta", _percentiles(latency["all"]))
    lines.add_row("  without the kill", _percentiles(latency["away_from_the_kill"]))
    lines.add_row(
        "Throughput", f"{throughput['events_per_s']:,} events/s over {throughput['production_s']:.0f} s; at rest "
        f"{throughput['settled_after_s']:.1f} s later",
    )  # fmt: skip
    silences = ", ".join(f"{partition}: {gap / 1_000:.1f} s" for partition, gap in kill["longest_silence_ms"].items())
    lines.add_row("Kill", f"partitions {kill['partitions']} changed hands; longest silence by partition {silences}")
    if kill["unplanned_restarts"]:
        lines.add_row("", f"workers left by themselves and were started again {kill['unplanned_restarts']} times")
    erp, reservations = facts["erp"], facts["reservations"]
    lines.add_row(
        "ERP", f"{erp['postings']:,} postings, {erp['sent_twice_and_caught']:,} caught by their key as sent before: "
        + _listed(erp["by_step"], 12),
    )  # fmt: skip
    lines.add_row(
        "Reservations", f"{_listed(reservations['outcomes'], 8)}; answered in "
        f"p50 {reservations['p50_ms']:.0f} ms, p99 {reservations['p99_ms']:.0f} ms",
    )  # fmt: skip
    lines.add_row("Files", facts["files"])
    return Group(lines, Text(), _proof(summary))


def _proof(summary: Summary) -> Group:
    table = Table("the proof", "compared", "wrong", box=None)
    for report in summary.reports:
        style = "green" if report.exact else "red"
        table.add_row(report.name, f"{report.compared:,}", Text(f"{report.wrong:,}", style=style))
    found = [
        Text(f"  {difference.key} {difference.field}: expected {difference.expected}, found {difference.found}")
        for report in summary.reports
        for difference in report.differences
    ]
    verdict = Text("EXACT", style="bold green") if summary.exact else Text("NOT EXACT", style="bold red")
    return Group(table, *found, verdict)


def _listed(counts: dict[str, int], most: int) -> str:
    shown = [f"{name} {count:,}" for name, count in list(counts.items())[:most]]
    return ", ".join(shown) + (" …" if len(counts) > most else "")


def _percentiles(values: dict[str, float]) -> str:
    return f"p50 {values['p50']:.0f} ms, p95 {values['p95']:.0f} ms, p99 {values['p99']:.0f} ms of {values['count']:,} deltas"

"""A plain account of adjustments held against everything a site published about them; names every kind of difference.

The account is additions in a dict, apart from anything the product does. It fits sites whose only movements are scans
of type ADJUST.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from local.observer import Observer
from local.proof import check_chain
from schemas.codec import Codec
from streams.topics import changelog
from tables.position import Position

LISTED = 5  # differences named of each kind


def differences(
    observer: Observer, codec: Codec, app: str, account: Mapping[str, int], channels: Sequence[str]
) -> list[str]:
    """How snapshots, changelog, ledger, postings and the chains of deltas and offers differ from quantities by key.

    Keys are `sku|location`; SKUs that the account does not name are other people's. Empty for an exact site.
    """
    mine = {key.partition("|")[0] for key in account}
    found: list[str] = []

    def read(topic: str) -> Iterator[tuple[str, Any]]:
        decode = codec.decoder(topic)
        for record in observer.read(topic):
            if record.value:
                yield record.key, decode(record.value)

    def compare(name: str, told: Mapping[str, int]) -> None:
        wrong = [key for key in sorted(account.keys() | told.keys()) if account.get(key) != told.get(key)]
        found.extend(f"{name}: {key}: {told.get(key)}, not {account.get(key)}" for key in wrong[:LISTED])

    def once(name: str, seen: Counter[str]) -> None:
        twice = [key for key, count in seen.items() if count > 1]
        found.extend(f"{name}: {key} {seen[key]} times" for key in twice[:LISTED])

    snapshots = {f"{a['sku']}|{a['location']}": a["on_hand"] for _, a in read("availability.snapshots")}
    compare("snapshots", _of(mine, snapshots))
    rows = {record.key: record.value for record in observer.read(changelog(app, "inventory"))}
    kept = {key: row for key, row in rows.items() if row and not key.endswith("|*")}
    compare("changelog", {key: Position.load(row).on_hand() for key, row in _of(mine, kept).items()})
    ledger, events = Counter[str](), Counter[str]()
    for key, entry in read("inventory.ledger"):
        if entry["kind"] == "ADJUST":
            ledger[key] += entry["quantity"]
            events[entry["event_id"]] += 1
    compare("ledger", _of(mine, ledger))
    once("ledger", events)
    posted, postings = Counter[str](), Counter[str]()
    for _, posting in read("erp.postings"):
        postings[posting["idempotency_key"]] += 1
        for line in posting["lines"]:
            posted[f"{line['sku']}|{line['location']}"] += line["quantity"]
    compare("postings", _of(mine, posted))
    once("postings", postings)
    deltas = ((f"{d['sku']}|{d['location']}", d) for _, d in read("availability.deltas"))
    reports = [check_chain("deltas", deltas, "atp")]
    for channel in channels:
        offers = ((o["sku"], o) for _, o in read(f"channel.{channel}.availability"))
        reports.append(check_chain(f"offers of {channel}", offers, "quantity"))
    for report in reports:
        found.extend(
            f"{report.name}: {d.key}: {d.field}: {d.found}, not {d.expected}" for d in report.differences[:LISTED]
        )
    return found


def _of(mine: set[str], told: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in told.items() if key.partition("|")[0] in mine}

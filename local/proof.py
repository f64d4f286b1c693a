"""The proof of a run: what the judge says must be true, against what the product published. Names every difference."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from local.oracle import Answer, promise, safety_stock

FIELDS = (
    "on_hand", "disposition", "allocated", "safety_stock", "expected", "atp", "atp_signed", "schedule", "next_receipt",
)  # fmt: skip
DOCUMENTS = ("goods_receipt", "shipment_confirm", "invoice_release", "credit")
LISTED = 25  # differences named in a report; all are counted
QUARANTINES = {
    "NULL_KEY", "OVERSIZED", "INVALID_QUANTITY", "INVALID_CODE", "MISSING_FIELD", "TIME_IN_FUTURE", "TIME_TOO_OLD",
    "UNKNOWN_ITEM", "UNKNOWN_LOCATION", "UNKNOWN_UOM", "UNKNOWN_PARTNER", "INEXACT_CONVERSION", "CLOSED_LOCATION",
    "INACTIVE_ITEM", "INVALID_REFERENCE", "BASE_UNIT_CHANGED",
}  # fmt: skip
"""Categories by which intake keeps a record out."""


class Difference(NamedTuple):
    key: str
    field: str
    expected: Any
    found: Any


@dataclass(slots=True)
class Report:
    """One part of the proof: how much was compared, how much of it is wrong, and the first of what is wrong."""

    name: str
    compared: int = 0
    wrong: int = 0
    differences: list[Difference] = field(default_factory=list)

    @property
    def exact(self) -> bool:
        return not self.wrong

    def note(self, key: str, what: str, expected: Any, found: Any) -> None:
        """Count a difference, and keep it while there is room."""
        self.wrong += 1
        if len(self.differences) < LISTED:
            self.differences.append(Difference(key, what, expected, found))


def compare(answer: Answer, snapshots: Mapping[str, Mapping[str, Any]], today: int) -> Report:
    """Every position: stock by disposition, allocations, expected supply, the promise. Keys are `sku|location`."""
    report = Report("positions")
    nothing: Mapping[str, Any] = {"disposition": {}, "parts": [], "demand": []}
    for key in sorted(answer.positions.keys() | snapshots.keys()):
        report.compared += 1
        expected = answer.positions.get(key) or promise(nothing, safety_stock(answer.safety_stock, key), today)
        found = snapshots.get(key)
        if found is None:
            report.note(key, "snapshot", "one", None)
            continue
        for name in FIELDS:
            if _plain(name, expected[name]) != _plain(name, found[name]):
                report.note(key, name, expected[name], found[name])
    return report


def _plain(name: str, value: Any) -> Any:
    if name == "disposition":
        return {disposition: quantity for disposition, quantity in value.items() if quantity}
    if name == "expected":
        return sorted(tuple("" if part[k] is None else part[k] for k in sorted(part)) for part in value)
    if name == "schedule":
        return [(bucket["date"], bucket["atp"]) for bucket in value]
    return value


def check_chain(name: str, stream: Iterable[tuple[str, Mapping[str, Any]]], figure: str) -> Report:
    """The client's rule over a stream of changes by key: no gap, no repeat, each starts from where the last ended.

    A record is a repeat when its revision is not above the client's, and shows a gap when its previous revision is.
    """
    report = Report(name)
    mine: dict[str, tuple[int, int]] = {}
    for key, record in stream:
        report.compared += 1
        revision, quantity = mine.get(key, (0, 0))
        if record["revision"] <= revision:
            report.note(key, "repeat", f"above {revision}", record["revision"])
        if record["previous_revision"] > revision:
            report.note(key, "gap", f"at most {revision}", record["previous_revision"])
        if record[f"previous_{figure}"] != quantity:
            report.note(key, f"previous_{figure}", quantity, record[f"previous_{figure}"])
        mine[key] = record["revision"], record[figure]
    return report


def check_told(deltas: Iterable[tuple[str, Mapping[str, Any]]], snapshots: Mapping[str, Mapping[str, Any]]) -> Report:
    """Whoever follows only the deltas knows at the end which positions have something to promise."""
    report = Report("deltas against snapshots")
    last = {key: delta["atp"] for key, delta in deltas}
    for key, snapshot in snapshots.items():
        report.compared += 1
        if (last.get(key, 0) > 0) != (snapshot["atp"] > 0):
            report.note(key, "last delta's atp", snapshot["atp"], last.get(key))
    return report


def check_channel(
    channel: str,
    rule: Mapping[str, Any],
    told: Mapping[str, Mapping[str, Any]],
    snapshots: Mapping[str, Mapping[str, Any]],
    segments: Mapping[str, str],
) -> Report:
    """The last offer of each SKU: sellable when, and only when, the locations it is sold from have more than the buffer.

    Between material changes an offer may trail the sum by less than the channel's steps; crossing zero never waits.
    `rule` is the channel's part of channels.yaml.
    """
    report = Report(f"channel {channel}")
    atp: dict[str, int] = defaultdict(int)
    for key, snapshot in snapshots.items():
        sku, _, location = key.rpartition("|")
        if location in rule["sourcing"]:
            atp[sku] += snapshot["atp"]
    buffers = rule.get("buffer", 0)
    for sku in sorted(atp):
        segment = segments.get(sku, "")
        if rule.get("segments") is not None and segment not in rule["segments"]:
            continue
        buffer = (
            buffers if isinstance(buffers, int) else buffers.get("segments", {}).get(segment, buffers.get("default", 0))
        )
        expected = max(0, atp[sku] - buffer)
        found = told[sku]["quantity"] if sku in told else 0
        report.compared += 1
        if (expected > 0) != (found > 0):
            report.note(sku, "quantity", expected, found)
    return report


def check_documents(answer: Answer, erp: Mapping[str, Any]) -> Report:
    """The ERP's documents: quantities by operation, document, SKU and location; `erp` is what it says of itself."""
    report = Report("documents in the ERP")
    found: dict[str, dict[tuple[str, str, str], int]] = {name: defaultdict(int) for name in DOCUMENTS}
    for document, totals in erp["totals"].items():
        number = document.partition(":")[2]
        for total, quantity in totals.items():
            operation, place = total.split("|", 1)
            sku, location, _ = place.rsplit("|", 3)[1:]
            if operation in found:
                found[operation][number, sku, location] += quantity
    for operation, entries in found.items():
        expected = getattr(answer.books, operation)
        for at in sorted(expected.keys() | entries.keys()):
            report.compared += 1
            if expected.get(at, 0) != entries.get(at, 0):
                report.note("/".join(at), operation, expected.get(at, 0), entries.get(at, 0))
    return report


def check_erp_stock(answer: Answer, erp: Mapping[str, Any]) -> Report:
    """The ERP's stock by SKU and location, all dispositions together."""
    report = Report("stock in the ERP")
    stock: dict[str, int] = defaultdict(int)
    for place, quantity in erp["stock"].items():
        sku, location, _ = place.rsplit("|", 2)
        stock[f"{sku}|{location}"] += quantity
    for key in sorted(answer.books.stock.keys() | stock.keys()):
        report.compared += 1
        if answer.books.stock.get(key, 0) != stock.get(key, 0):
            report.note(key, "stock", answer.books.stock.get(key, 0), stock.get(key, 0))
    return report


def check_posted(postings: Iterable[tuple[str, Mapping[str, Any]]], erp: Mapping[str, Any]) -> Report:
    """Every posting is in the ERP once, each document's in the order of the topic, and nothing else is."""
    report = Report("postings once and in order")
    asked: dict[str, list[str]] = defaultdict(list)
    for document, posting in postings:
        asked[document].append(posting["idempotency_key"])
    for document in sorted(asked.keys() | erp["documents"].keys()):
        expected, found = asked.get(document, []), erp["documents"].get(document, [])
        report.compared += len(expected)
        if expected != found:
            report.note(document, "postings", expected[-8:], found[-8:])
    return report


def check_shop(name: str, told: Mapping[str, Mapping[str, Any]], inventory: Mapping[str, int]) -> Report:
    """What somebody outside sells from, against the newest offers of its channel."""
    report = Report(name)
    for sku in sorted(told.keys() | inventory.keys()):
        report.compared += 1
        expected = told[sku]["quantity"] if sku in told else 0
        if inventory.get(sku, 0) != expected:
            report.note(sku, "quantity", expected, inventory.get(sku))
    return report


def check_view(snapshots: Mapping[str, Mapping[str, Any]], view: Mapping[str, Mapping[str, Any]]) -> Report:
    """What readers of the Redis view find, against the newest snapshots."""
    report = Report("the Redis view")
    for key in sorted(snapshots.keys() | view.keys()):
        report.compared += 1
        if snapshots.get(key) != view.get(key):
            expected, found = (side.get(key, {}).get("revision") for side in (snapshots, view))
            report.note(key, "revision", expected, found)
    return report


def check_reservations(replies: Iterable[tuple[str, Mapping[str, Any]]]) -> Report:
    """Each request has one reply, and at the end nothing is held."""
    report = Report("reservations")
    requests: Counter[str] = Counter()
    state: dict[str, str] = {}
    for reservation, reply in replies:
        requests[reply["request_id"]] += 1
        if reply["accepted"] or reply["action"] == "RESERVE":
            state[reservation] = reply["state"]
    for request, times in requests.items():
        report.compared += 1
        if times > 1:
            report.note(request, "replies", 1, times)
    for reservation, last in state.items():
        if last == "HELD":
            report.note(reservation, "state", "CANCELLED or EXPIRED", last)
    return report


def check_bad(
    answer: Answer,
    exceptions: Sequence[Mapping[str, Any]],
    dead_letters: Sequence[Mapping[str, Any]],
    resolutions: Sequence[Mapping[str, Any]],
) -> Report:
    """Every bad record is in exceptions or dead-letters once, and no good one stays there."""
    report = Report("bad records")
    caught = Counter(letter["coordinate"] for letter in dead_letters)
    kept_out = [exception for exception in exceptions if exception["category"] in QUARANTINES]
    caught.update(exception["coordinate"] for exception in kept_out)
    bad = {**answer.quarantined, **dict.fromkeys(answer.undecodable, "undecodable")}
    for coordinate, reason in bad.items():
        report.compared += 1
        if caught[coordinate] != 1:
            report.note(coordinate, reason, "caught once", f"caught {caught[coordinate]} times")
    resolved = {resolution["exception_id"] for resolution in resolutions}
    for exception in kept_out:
        if exception["coordinate"] not in bad and exception["exception_id"] not in resolved:
            report.note(exception["coordinate"], exception["category"], "a good record, in the end let in", "kept out")
    for letter in dead_letters:
        if letter["coordinate"] not in bad:
            report.note(letter["coordinate"], letter["category"], "a good record", "dead letter")
    twice = Counter(exception["exception_id"] for exception in kept_out)
    for identifier, times in twice.items():
        if times > 1:
            report.note(identifier, "exception", "raised once", f"raised {times} times")
    return report

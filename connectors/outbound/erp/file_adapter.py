"""Postings as CSV files, for an ERP that takes files: what stands in them, how they are named, how answers are read.

The same postings always make the same file under the same name, so a file made again after a kill is the same one.
"""

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

import orjson

from connectors.outbound.erp.adapter import shortened
from connectors.outbound.erp.lanes import Entry
from schemas.dates import iso_date
from schemas.records import ErpPosting

COLUMNS: Final = (
    "key", "document", "step", "revision", "operation", "reverses", "partner", "posting_date", "line", "sku",
    "location", "quantity", "disposition", "date", "note", "substitute", "correlation_id", "coordinate",
)  # fmt: skip
"""One row for each line of a posting; quantities in base units, dates ISO 8601."""
ANSWERS: Final = ("key", "status", "document", "reason")
"""Columns of an acknowledgement file; status is POSTED or REFUSED."""
NAME: Final = re.compile(r"postings-p(\d{4})-(\d{12})-(\d{12})")
REVISION: Final = re.compile(r"[0-9]{1,19}")
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class PostingFile:
    """One file and its manifest, as bytes."""

    name: str
    content: bytes
    manifest: bytes


class Unreadable(ValueError):
    """An acknowledgement file that is none, or a key that is none of ours; the message says where it goes wrong."""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """The ERP's word on one posting of a file."""

    key: str
    status: Literal["POSTED", "REFUSED"]
    document: str | None
    reason: str | None


def file_of(system: str, entries: Sequence[Entry]) -> PostingFile:
    """The file of these postings of one partition, in the topic's order."""
    first, last = entries[0].record, entries[-1].record
    name = f"postings-p{first.partition:04d}-{first.offset:012d}-{last.offset:012d}"
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    lines = 0
    for entry in entries:
        for row in _rows(entry):
            writer.writerow([safe(cell) for cell in row])
            lines += 1
    content = buffer.getvalue().encode()
    manifest = {
        "file": f"{name}.csv",
        "system": system,
        "partition": first.partition,
        "first_offset": first.offset,
        "last_offset": last.offset,
        "postings": len(entries),
        "lines": lines,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    return PostingFile(name, content, orjson.dumps(manifest, option=orjson.OPT_INDENT_2) + b"\n")


def _rows(entry: Entry) -> Iterable[list[Any]]:
    posting = entry.posting
    day = datetime.fromtimestamp(posting["created_at"] / 1000, UTC).date().isoformat()
    head = [
        posting["idempotency_key"], posting["document"], posting["step"], posting["revision"], posting["operation"],
        posting["reverses"], posting["partner"], day,
    ]  # fmt: skip
    if not posting["lines"]:  # it takes back what an earlier one of its step said
        yield [*head, *[None] * 8, posting["correlation_id"], entry.record.coordinate]
    for line in posting["lines"]:
        yield [
            *head, line["line"], line["sku"], line["location"], line["quantity"], line["disposition"],
            None if line["date"] is None else iso_date(line["date"]), line["note"], line["substitute"],
            posting["correlation_id"], entry.record.coordinate,
        ]  # fmt: skip


def safe(cell: Any) -> str:
    """A cell that no spreadsheet takes for a formula: text that begins like one, or with an apostrophe, gets one before."""
    if cell is None:
        return ""
    if isinstance(cell, int):
        return str(cell)
    text = str(cell)
    return f"'{text}" if text.startswith((*FORMULA, "'")) else text


def plain(cell: str) -> str:
    """The inverse of `safe` for text."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith((*FORMULA, "'")) else cell


def partition_of(name: str) -> int | None:
    """The partition of a file or of its acknowledgement; None for a name of neither."""
    match = NAME.match(name)
    return None if match is None else int(match[1])


def file_named(acknowledgement: str) -> str:
    """The file an acknowledgement belongs to, without its ending."""
    match = NAME.match(acknowledgement)
    return "" if match is None else match[0]


def postings_in(content: bytes) -> dict[str, ErpPosting]:
    """The postings of a file by key, without their lines: what an answer to one has to be told with; or Unreadable."""
    found: dict[str, ErpPosting] = {}
    try:
        for row in csv.DictReader(io.StringIO(content.decode(), newline="")):
            cells = {name: plain(cell) for name, cell in row.items()}
            place = cells["document"], cells["step"], int(cells["revision"])
            found[cells["key"]] = _bare(cells["key"], place, cells)
    except (csv.Error, UnicodeDecodeError, KeyError, AttributeError, ValueError) as error:
        raise Unreadable(f"{type(error).__name__} {error}") from error
    return found


def bare(key: str) -> ErpPosting:
    """A posting without its lines where its file is gone: from its key alone; raise Unreadable."""
    document, step, revision = key.rsplit("/", 2) if key.count("/") >= 2 else (key, "", "0")
    number = revision.partition("@")[0]  # and the epoch, where the site has one
    if not REVISION.fullmatch(number) or int(number) >= 1 << 63:
        raise Unreadable(f"key {key[:100]!r} ends in no revision")
    return _bare(key, (document, step, int(number)), {})


def _bare(key: str, place: tuple[str, str, int], cells: Mapping[str, str]) -> ErpPosting:
    document, step, revision = place
    return {
        "document": document,
        "step": step,
        "revision": revision,
        "idempotency_key": key,
        "operation": cells.get("operation") or step.removesuffix("_REVERSAL").lower(),
        "priority": 0,
        "lines": [],
        "causes": [],
        "created_at": 0,
        "correlation_id": cells.get("correlation_id") or key,
        "reverses": cells.get("reverses") or None,
        "partner": cells.get("partner") or None,
    }


def answers_in(content: bytes) -> tuple[list[Acknowledgement], list[str]]:
    """The answers of an acknowledgement file, and what is wrong with its other rows; raise Unreadable."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(f"not UTF-8: {error}") from None
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        return _answers(reader)
    except csv.Error as error:  # such as a quote that is never closed
        raise Unreadable(f"line {reader.line_num}: {error}") from None


def _answers(rows: Any) -> tuple[list[Acknowledgement], list[str]]:
    head: list[str] = next(rows, [])
    if tuple(head) != ANSWERS:
        raise Unreadable(f"its first row is {shortened(','.join(head))!r}, wanted {','.join(ANSWERS)}")
    answers, wrong = list[Acknowledgement](), list[str]()
    for row in rows:
        if len(row) != len(ANSWERS):
            wrong.append(f"line {rows.line_num}: {len(row)} cells, wanted {len(ANSWERS)}")
            continue
        key, status, document, reason = (plain(cell.strip()) for cell in row)
        if status == "POSTED":
            answers.append(Acknowledgement(key, "POSTED", shortened(document) or None, None))
        elif status == "REFUSED":
            answers.append(Acknowledgement(key, "REFUSED", None, shortened(reason) or "refused without a reason"))
        else:
            wrong.append(f"line {rows.line_num}: status {status[:50]!r} is neither POSTED nor REFUSED")
    return answers, wrong

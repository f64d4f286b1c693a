"""A worker's log: nothing while all is well, and at INFO one line for each record turned away, once that is committed."""

import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from site_under_test import Site, scan, wait_for

from schemas.logs import FIRST

pytestmark = pytest.mark.stack


def lines(path: Path) -> list[dict[str, Any]]:
    """What a process has said, each line of it JSON with the fields that every line has."""
    said = [json.loads(line) for line in path.read_text().splitlines()]
    for line in said:
        assert [*line][: len(FIRST)] == list(FIRST), line
        assert line["process"] == "worker"
    return said


def test_a_refused_record_is_found_by_its_correlation_id(crew: Site):
    """With category, coordinate and document; what cannot be read by where it stands; nothing of what they say."""
    crew.start("telling", log_level="info")
    correlation, secret = f"log-{uuid.uuid4()}", "what-the-record-says"
    item = {"scheme": "SKU", "code": "NOBODY"}
    reference = {"kind": "PURCHASE_ORDER", "number": "4711", "line": "1"}
    bad = {**scan("NOBODY", "DC01", 1, 1), "correlation_id": correlation, "reference": reference, "operator": secret}
    crew.send("warehouse.scans", "NOBODY", {**bad, "item": item, "scan_type": "RECEIPT"})
    crew.send("warehouse.scans", "NOBODY", secret.encode())
    crew.producer.flush(30)
    crew.settle()
    crew.stop_workers()
    [path] = crew.directory.glob("**/telling*.log")
    said = lines(path)

    [refused] = [line for line in said if line.get("correlation_id") == correlation]
    assert refused["event"] == "record refused"
    assert refused["category"] == "UNKNOWN_ITEM"
    assert refused["document"] == "PURCHASE_ORDER:4711"
    assert refused["coordinate"].startswith("warehouse.scans[")
    [letter] = [line for line in said if line["event"] == "record unreadable" and line["category"] == "NOT_AVRO"]
    assert letter["correlation_id"] == letter["coordinate"]
    assert letter["payload"].startswith(f"[{len(secret)} bytes, blake2b ")
    assert secret not in path.read_text()
    events = [line["event"] for line in said]
    assert {"recovery begins", "recovery ends", "partitions taken over"} <= set(events)


def test_a_flood_of_bad_records_is_counted(crew: Site):
    """Some lines, and how many were left out: together as many as there were records."""
    crew.start("flooded", log_level="info")
    count = 2_000
    for _ in range(count):
        crew.send("warehouse.scans", f"FLOOD-{uuid.uuid4()}", b"\x00not avro")
    crew.producer.flush(30)
    [path] = crew.directory.glob("**/flooded*.log")

    def said() -> list[dict[str, Any]]:
        return [line for line in lines(path) if line["logger"] == "refusals"]

    wait_for(lambda: sum(line.get("left_out", 1) for line in said()) == count, 60, "every record to be told or counted")

    assert len([line for line in said() if line["event"] == "record unreadable"]) < count / 2


def test_a_quiet_worker_says_nothing(crew: Site):
    """At the default level, from start to end, with bad records in its input."""
    crew.start("quiet")
    [sku] = crew.new_items("quiet", 1)
    crew.scan(sku, "DC01", 7)
    crew.send("warehouse.scans", sku, b"\x00not avro")
    crew.producer.flush(30)
    crew.settle()
    crew.stop_workers()
    [path] = crew.directory.glob("**/quiet*.log")

    assert lines(path) == []

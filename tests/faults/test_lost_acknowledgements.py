"""A broker that comes back without records it had acknowledged: a producer cannot go on, so its process leaves.

As after a power cut: what was only in the page cache is gone.
"""

import os
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from connectors.api.ingest_description import EXAMPLES
from local.stack import LocalStack
from local.supervised import Supervised, await_all
from schemas.exit_codes import FAULT
from tests.api.api_site import Site
from tests.connectors.erp_site import RESULTS, ErpSite, posting, wait

LEAVES_S = 60.0
BESIDE_THE_LOG = (".index", ".timeindex", ".snapshot", ".txnindex")
FATAL = "the producer has met a fatal error, and nothing more is written"


@pytest.fixture
def own_stack(tmp_path: Path) -> Iterator[LocalStack]:
    with LocalStack(tmp_path / "stack") as running:
        yield running


def power_cut(stack: LocalStack, topic: str) -> None:
    """The broker stops at once and comes back without the last quarter of a topic."""
    stack.stop_broker(kill=True)
    shortened = 0
    for place in stack.directory.rglob(f"{topic}-[0-9]*"):
        log = place / "00000000000000000000.log"
        size = log.stat().st_size
        shortened += bool(size)
        os.truncate(log, size * 3 // 4)
        for each in place.iterdir():
            if each.suffix in BESIDE_THE_LOG:
                each.unlink()
    assert shortened, f"{topic} has lost something"
    stack.start_broker()


def left(process: Supervised) -> None:
    """Wait for a process to leave by itself, for a supervisor to start it again, and to have said why in one line."""
    wait(lambda: process.ended() is not None, f"the process to leave; see {process.log}", LEAVES_S)
    assert process.ended() == FAULT, process.log.read_text()[-2_000:]
    said = [line for line in process.log.read_text().splitlines() if '"critical"' in line and FATAL in line]
    assert len(said) == 1, said


def test_the_erp_connector_leaves_and_goes_on_when_started_again(own_stack: LocalStack, tmp_path: Path) -> None:
    """Nothing is posted twice: the new process asks the ERP about what may have been sent."""
    site = ErpSite(own_stack, tmp_path)
    try:
        erp = site.erp()
        connector = site.connector(url=erp.service)
        for turn in range(8):  # so that each partition has several batches of results, of which the last are lost
            some = [posting(site.document(f"{turn}.{number}")) for number in range(20)]
            site.send(*some)
            site.settle([each["idempotency_key"] for each in some])
        power_cut(own_stack, RESULTS)
        more = [posting(site.document(f"m{number}")) for number in range(20)]
        site.send(*more)
        left(connector)
        connector.start()
        await_all([connector], 60)
        taken = {each["idempotency_key"] for each in more}
        wait(lambda: taken <= set(erp.keys()), "the ERP to have the later postings")
        wait(lambda: connector.answer()[1]["groups"][f"{site.app}-erp"]["backlog"] == 0, "all to be committed")
        keys = erp.keys()

        assert len(keys) == len(set(keys))
    finally:
        site.close()


def test_the_api_leaves_and_writes_when_started_again(own_stack: LocalStack, tmp_path: Path) -> None:
    """Until it has gone each request is answered: 503, send it again."""
    site = Site(own_stack, tmp_path)
    api = Supervised(
        "api", ("-m", "cli.main", "api"), site.environment(), tmp_path, port_variable="STOCKSTREAM_API_HEALTH_PORT"
    )
    api.start()
    try:
        await_all([api], 60)
        assert {status for status, _ in writes(api, site, 40)} == {202}
        power_cut(own_stack, "warehouse.scans")
        found: list[tuple[int, float]] = []
        asking = threading.Thread(target=lambda: found.extend(writes(api, site, 1_000)))
        asking.start()
        left(api)
        asking.join(30)
        assert not asking.is_alive(), "each request to be answered, or refused by a process that has gone"
        assert {status for status, _ in found} <= {202, 207, 503, 0}
        assert 503 in {status for status, _ in found}
        assert max(seconds for _, seconds in found) < 15
        api.start()
        await_all([api], 60)

        assert {status for status, _ in writes(api, site, 5)} == {202}
    finally:
        api.stop()


def writes(api: Supervised, site: Site, most: int) -> list[tuple[int, float]]:
    """Status and seconds of so many scans written one after the other, until the process has gone: 0."""
    url = (api.log.parent / "api" / "api-http.url").read_text()
    found: list[tuple[int, float]] = []
    with httpx2.Client(base_url=url, headers={"X-API-Key": site.reader}, timeout=30) as client:
        while len(found) < most and 0 not in {status for status, _ in found[-1:]}:
            started, status = time.monotonic(), 0
            scan: dict[str, Any] = {**EXAMPLES["scans"], "event_id": str(uuid.uuid4())}
            try:
                status = client.post("/v1/scans", json=scan).status_code
            except httpx2.TimeoutException:
                raise
            except httpx2.TransportError:
                pass
            found.append((status, time.monotonic() - started))
    return found

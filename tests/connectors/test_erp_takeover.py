"""What happens to documents while partitions change hands, the registry is away or systems change over."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from connectors.outbound.erp.batches import FileSystem
from connectors.outbound.erp.connector import Connector
from connectors.outbound.erp.routing import Routing, Rule, System
from connectors.outbound.erp.targets import DirectoryTarget
from schemas.codec import source
from tests.connectors.erp_in_memory import Erp, Partition, Told, codec, connector, running, until
from tests.connectors.erp_site import posting
from tests.monitoring.exposition import here, total

CUT = 1_000_000


def systems(*names: str, files: tuple[str, ...] = ()) -> dict[str, System]:
    return {name: System(name, "csv" if name in files else "odata") for name in (*names, *files)}


def to(*rules: Rule, **more: Any) -> Routing:
    return Routing(systems(*dict.fromkeys(rule.system for rule in rules), **more), rules)


def values(*postings: dict[str, Any], schema_id: int = 1) -> list[bytes]:
    encoder = codec(schema_id)
    return [encoder.encode("erp.postings", each) for each in postings]


def keys(*postings: dict[str, Any]) -> list[str]:
    return [each["idempotency_key"] for each in postings]


async def test_a_document_that_was_asked_for_while_its_partition_left_goes_on_when_it_comes_back(monkeypatch):
    """The answer "not found" comes after the partition has gone: nothing dead is left at the head of the document."""
    sent = [posting("PURCHASE_ORDER:1", revision=n) for n in (1, 2)]
    partition, erp, told = Partition(*values(*sent)), Erp(), Told()
    erp.up.clear()
    it = connector(to(Rule("erp")), told, {"erp": erp})
    async with running(it, partition, monkeypatch):
        await until(lambda: erp.asked, "the question")
        partition.order("lose")
        await until(lambda: not it.state()["partitions"], "the partition to go")
        erp.up.set()
        partition.order("assign")
        await until(lambda: partition.kept[0] == 2, "both postings to be settled")

    assert keys(*sent) == erp.taken
    assert total(here(), "stockstream_erp_inquiries_total", system="erp", answer="not found") >= 1


@pytest.mark.parametrize("leaving", ["revoke", "lose"])
async def test_a_partition_that_left_at_the_horizon_is_read_when_it_comes_back(monkeypatch, leaving):
    """It was paused, and the client keeps it so beyond its assignment."""
    sent = [posting(f"PURCHASE_ORDER:{n}") for n in range(1_000)]
    partition, erp = Partition(*values(*sent)), Erp()
    erp.up.clear()
    it = connector(to(Rule("erp")), Told(), {"erp": erp}, horizon=100)
    async with running(it, partition, monkeypatch):
        await until(lambda: partition.paused, "the horizon")
        partition.order(leaving)
        await until(lambda: not it.state()["partitions"], "the partition to go")
        partition.order("assign")
        erp.up.set()
        await until(lambda: partition.kept[0] == len(sent), "all postings to be settled")

    assert sorted(keys(*sent)) == sorted(erp.taken)


async def test_a_file_planned_by_an_instance_with_more_room_is_written_by_the_next(monkeypatch, tmp_path):
    """Twelve postings were planned and committed; the next instance may hold ten of them, and holds all the same."""
    sent = [posting(f"PURCHASE_ORDER:{n}") for n in range(12)]
    partition, told = Partition(*values(*sent), committed=0, note="files=0,12"), Told()
    it = connector(to(Rule("files"), files=("files",)), told, {}, window=1)
    it.drivers["files"] = files(it, told, tmp_path, size=12)
    async with running(it, partition, monkeypatch):
        await until(lambda: partition.kept == (12, "files=12,12"), "the file")

    assert ["postings-p0000-000000000000-000000000011.csv"] == [path.name for path in (tmp_path / "out").glob("*.csv")]
    assert total(here(), "stockstream_erp_files_total", system="files") >= 1


async def test_a_system_that_is_down_does_not_hold_up_the_planned_file_of_another(monkeypatch, tmp_path):
    """Postings of the one that is down stay in the topic, before the end of what was planned; the file is written."""
    sent = [posting(f"PURCHASE_ORDER:{n}", ("goods_receipt", "credit")[n % 2]) for n in range(60)]
    partition, erp, told = Partition(*values(*sent), committed=0, note="files=0,60"), Erp(), Told()
    erp.up.clear()
    routing = to(Rule("erp", frozenset({"credit"})), Rule("files"), files=("files",))
    it = connector(routing, told, {"erp": erp}, window=1)
    it.drivers["files"] = files(it, told, tmp_path, size=30)
    async with running(it, partition, monkeypatch):
        await until(lambda: list((tmp_path / "out").glob("*.csv")), "the file")
        assert [] == erp.taken
        erp.up.set()
        await until(lambda: partition.kept[0] == 60, "the rest")

    assert sorted(keys(*sent[1::2])) == sorted(erp.taken)
    assert keys(*sent[::2]) == [key for key, _, system in told.attempts if system == "files"]


async def test_a_posting_that_names_no_place_is_in_the_file_although_another_system_was_asked_first(
    monkeypatch, tmp_path
):
    """No file passes it while the answer is awaited; then it stands in the topic's order."""
    sent = [posting("SALES_ORDER:1", revision=1), posting("SALES_ORDER:1", revision=2, lines=[])]
    sent += [posting(f"SALES_ORDER:{n}") for n in (2, 3)]
    partition, erp, told = Partition(*values(*sent)), Erp(), Told()
    erp.up.clear()
    routing = to(Rule("erp", locations=frozenset({"DC09"})), Rule("files"), files=("files",))
    it = connector(routing, told, {"erp": erp})
    it.drivers["files"] = files(it, told, tmp_path, size=10)
    async with running(it, partition, monkeypatch):
        await until(lambda: told.attempts, "the file of what stands before it")
        await until(lambda: erp.asked, "the question")
        first = told.attempts.copy()
        erp.up.set()
        await until(lambda: partition.kept[0] == 4, "the rest")

    assert keys(*sent[:1]) == [key for key, _, _ in first]
    assert keys(*sent) == [key for key, _, _ in told.attempts]
    assert [] == erp.taken


async def test_what_may_have_been_sent_to_the_new_system_is_asked_for_there_after_a_takeover(monkeypatch):
    """B took it and the connector was killed: what A says, asked along with others of A's, is no answer for B."""
    moved = posting("PURCHASE_ORDER:2", created_at=CUT + 1, priority=90)  # so that A is asked about others first
    sent = [posting(f"STOCK:{n}", "inventory_adjustment", created_at=1) for n in range(3)] + [moved]
    partition, told = Partition(*values(*sent)), Told()
    a, b = Erp(), Erp(moved["idempotency_key"])
    it = connector(to(Rule("b", since=CUT), Rule("a")), told, {"a": a, "b": b}, concurrency=1)
    async with running(it, partition, monkeypatch):
        await until(lambda: partition.kept[0] == 4, "all postings to be settled")

    assert [moved["idempotency_key"]] == b.taken
    assert (moved["idempotency_key"], "DUPLICATE", "b") in told.attempts
    assert sorted(keys(*sent[:3])) == sorted(a.taken)


async def test_a_registry_that_is_away_over_a_backlog_breaks_no_order_and_puts_no_offset_ahead(monkeypatch):
    """What was left in the topic is not sought while a batch from further on waits for its schema."""
    first = [posting(f"PURCHASE_ORDER:{n % 15}", revision=n) for n in range(500)]
    second = [posting(f"PURCHASE_ORDER:{n % 15}", revision=n) for n in range(500, 530)]
    partition = Partition(*values(*first), *values(*second, schema_id=7))
    erp, told, answers = Erp(), Told(), list[int]()
    worked_off = asyncio.Event()

    async def schema(_: web.Request) -> web.Response:
        answers.append(len(erp.taken))
        if not worked_off.is_set():
            return web.json_response({"error_code": 50001, "message": "away"}, status=500)
        return web.json_response({"schema": source("ErpPosting")})

    registry = web.Application()
    registry.router.add_get("/schemas/ids/7", schema)
    async with TestServer(registry) as server:
        it = connector(to(Rule("erp")), told, {"erp": erp}, window=100, registry=str(server.make_url("")))
        async with running(it, partition, monkeypatch):
            await until(lambda: answers and len(erp.taken) >= 100, "what is held to be worked off meanwhile")
            asked = len(answers)
            await until(lambda: len(answers) > asked + 3, "the registry to be asked again")
            worked_off.set()
            await until(lambda: partition.kept[0] == 530, "all postings to be settled")

    by_document: dict[str, list[int]] = {}
    for key in erp.taken:
        by_document.setdefault(key.split("/")[0], []).append(int(key.rsplit("/", 1)[1]))

    assert sorted(keys(*first, *second)) == sorted(erp.taken)
    assert all(revisions == sorted(revisions) for revisions in by_document.values())
    assert partition.commits == sorted(partition.commits)


@pytest.mark.parametrize("restart", [False, True], ids=["in one run", "after a restart"])
async def test_where_a_document_goes_depends_on_the_erps_and_not_on_what_a_process_remembers(monkeypatch, restart):
    """B got the receipt; the credit's rules name A and C only, and A has nothing: C takes it, whoever asks."""
    routing = to(
        Rule("c", frozenset({"credit"}), since=CUT), Rule("a", frozenset({"credit"})), Rule("b", since=CUT), Rule("a")
    )
    sent = [posting("PURCHASE_ORDER:1", operation, created_at=CUT + 1) for operation in ("goods_receipt", "credit")]
    erps, told, partition = {name: Erp() for name in "abc"}, Told(), Partition(*values(sent[0]))
    it = connector(routing, told, erps)
    async with running(it, partition, monkeypatch):
        await until(lambda: partition.kept[0] == 1, "the receipt")
        if not restart:
            partition.values += values(sent[1])
            await until(lambda: partition.kept[0] == 2, "the credit")
    if restart:
        partition.values += values(sent[1])
        partition.order("assign")
        async with running(connector(routing, told, erps), partition, monkeypatch):
            await until(lambda: partition.kept[0] == 2, "the credit")

    assert {"a": [], "b": keys(sent[0]), "c": keys(sent[1])} == {name: erp.taken for name, erp in erps.items()}


async def test_a_document_under_way_in_the_new_system_by_another_rule_is_still_asked_for_in_the_old_one(monkeypatch):
    """Its credits always go to B, and one waits there; its receipts stay in A, which took the first before."""
    routing = to(Rule("b", frozenset({"credit"})), Rule("b", since=CUT), Rule("a"))
    sent = [posting("PURCHASE_ORDER:1", operation, created_at=CUT + 1) for operation in ("credit", "goods_receipt")]
    a, b, told = Erp("PURCHASE_ORDER:1/GOODS_RECEIPT/0"), Erp(), Told()
    b.up.clear()
    partition = Partition(*values(*sent))
    async with running(connector(routing, told, {"a": a, "b": b}), partition, monkeypatch):
        await until(lambda: len(a.taken) == 2 or b.asked > 1, "the receipt to be decided")
        b.up.set()
        await until(lambda: partition.kept[0] == 2, "both")

    assert keys(sent[1]) == a.taken[1:]
    assert keys(sent[0]) == b.taken


def files(it: Connector, told: Any, directory: Path, *, size: int) -> FileSystem:
    return FileSystem(
        "files",
        DirectoryTarget(directory / "out", directory / "answers"),
        told,
        directory / "copies",
        kept_s=3600,
        size=size,
        interval_s=0.2,
        settled=it.settled,
        read_to=it.read_to,
        clear_to=it.clear_to,
    )

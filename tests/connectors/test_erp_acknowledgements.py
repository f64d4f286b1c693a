"""Answers in files that are none: each is told and set aside, and the connector goes on with the next."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from connectors.kafka import Record
from connectors.outbound.erp.adapter import REASON_MOST
from connectors.outbound.erp.batches import FileSystem
from connectors.outbound.erp.file_adapter import Unreadable, answers_in, bare, file_of, postings_in
from connectors.outbound.erp.lanes import Entry
from connectors.outbound.erp.targets import DirectoryTarget
from tests.connectors.erp_in_memory import Told, until
from tests.connectors.erp_site import posting
from tests.monitoring.exposition import here, total

HEAD = "key,status,document,reason\r\n"
NAME = "postings-p0000-000000000000-00000000000{}.ack.csv"
GOOD = HEAD + "PURCHASE_ORDER:1/GOODS_RECEIPT/1,POSTED,77,\r\n"


async def read(directory: Path, told: Any, *contents: str) -> None:
    """Let a system that takes files read these answers until none is left."""
    answers = directory / "answers"
    answers.mkdir()
    for number, content in enumerate(contents):
        (answers / NAME.format(number)).write_text(content)
    it = FileSystem(
        "files",
        DirectoryTarget(directory / "out", answers),
        told,
        directory / "copies",
        kept_s=3600,
        size=10,
        interval_s=10,
        settled=lambda *_: None,
        read_to=lambda *_: 0,
        clear_to=lambda *_: 0,
    )
    await it.assigned(0, None)
    running = asyncio.create_task(it.run())
    try:
        await until(lambda: running.done() or not list(answers.glob("*.ack.csv")), "the answers to be read")
        if running.done():
            running.result()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize(
    "content",
    [
        HEAD + 'PURCHASE_ORDER:1/GOODS_RECEIPT/1,POSTED,"77' + "x" * 200_000,
        '"' + "x" * 200_000,
        HEAD + "PURCHASE_ORDER:1/GOODS_RECEIPT/²,POSTED,77,\r\n",
        HEAD + f"PURCHASE_ORDER:1/GOODS_RECEIPT/{'9' * 5_000},POSTED,77,\r\n",
        HEAD + f"PURCHASE_ORDER:1/GOODS_RECEIPT/{1 << 63},REFUSED,,closed\r\n",
        "x," * 3_000_000,
        HEAD + f"{'k' * 100_000},MAYBE,,\r\n" * 20,
    ],
    ids=["open quote", "open quote at once", "no digit", "many digits", "too large", "long first line", "long rows"],
)
async def test_an_answer_that_cannot_be_read_is_bad_and_the_next_one_counts(tmp_path, content):
    """It is told once, in an exception that fits into a record."""
    told = Told()
    await read(tmp_path, told, content, GOOD)

    assert [("PURCHASE_ORDER:1/GOODS_RECEIPT/1", "POSTED", "files")] == told.attempts
    assert ["ERP_ACKNOWLEDGEMENT"] == [category for category, _ in told.exceptions]
    assert len(told.exceptions[0][1]) < REASON_MOST + 100
    assert (tmp_path / "answers" / "bad" / NAME.format(0)).exists()
    assert (tmp_path / "answers" / "done" / NAME.format(1)).exists()


async def test_a_row_with_a_strange_key_spoils_no_other(tmp_path):
    """Good rows count; the bad one is named."""
    told = Told()
    await read(tmp_path, told, GOOD + "PURCHASE_ORDER:2/GOODS_RECEIPT/²,POSTED,78,\r\n")

    assert [("PURCHASE_ORDER:1/GOODS_RECEIPT/1", "POSTED", "files")] == told.attempts
    assert total(here(), "stockstream_erp_acknowledged_total", system="files", outcome="POSTED") >= 1
    assert "PURCHASE_ORDER:2/GOODS_RECEIPT/²" in told.exceptions[0][1]
    assert (tmp_path / "answers" / "done" / NAME.format(0)).exists()


async def test_a_copy_that_cannot_be_read_is_as_good_as_none(tmp_path):
    """The answer counts; there is nothing left to check its keys by."""
    told = Told()
    (tmp_path / "copies").mkdir()
    (tmp_path / "copies" / NAME.format(0).replace(".ack", "")).write_text("key,document\r\na\r\n")
    await read(tmp_path, told, GOOD)

    assert [("PURCHASE_ORDER:1/GOODS_RECEIPT/1", "POSTED", "files")] == told.attempts


def test_a_copy_tells_its_postings_whatever_their_keys_look_like():
    """Document, step and revision have columns of their own."""
    of: Any = posting("PURCHASE_ORDER:1", revision=3, idempotency_key="theirs/²")
    content = file_of("files", [Entry(record(), of, "files", "files")]).content
    (found,) = postings_in(content).values()

    assert ("PURCHASE_ORDER:1", "GOODS_RECEIPT", 3) == (found["document"], found["step"], found["revision"])


def record() -> Any:
    return Record("erp.postings", 0, 0, b"", b"", 0, {})


def test_reasons_and_documents_of_an_answer_are_cut():
    """They go into results, exceptions and logs."""
    answers, _ = answers_in((HEAD + f"a/B/1,REFUSED,,{'r' * 9_000}\r\na/B/2,POSTED,{'d' * 9_000},\r\n").encode())

    assert REASON_MOST == len(answers[0].reason or "") == len(answers[1].document or "")


def test_a_key_alone_tells_document_step_and_revision():
    """Also with a site's epoch; one that ends in no revision is none of ours."""
    found = bare("PURCHASE_ORDER:1/A/GOODS_RECEIPT/7@green")

    assert ("PURCHASE_ORDER:1/A", "GOODS_RECEIPT", 7) == (found["document"], found["step"], found["revision"])
    with pytest.raises(Unreadable):
        bare("PURCHASE_ORDER:1/GOODS_RECEIPT/")
